/**
 * Owner rules: which team pays for topics and groups, by patterns of their names, also where mQ does not manage them.
 *
 * W1. The first rule whose pattern fits counts. What an intent says of its own mQ ID counts before every rule.
 * W2. A pattern is a name in which * stands for any characters and ? for one.
 */
import { z } from 'zod'

const Pattern = z.string().min(1).max(300).describe('A name; * stands for any characters, ? for one')

export const OwnerRule = z
  .strictObject({
    topics: Pattern.optional().describe('Topics, or mQ IDs whose intent names no owner'),
    groups: Pattern.optional().describe('Consumer groups'),
    team: z.string().min(1).max(100).describe('Who pays'),
    service: z.string().min(1).max(100).optional(),
  })
  .refine(({ topics, groups }) => topics !== undefined || groups !== undefined, "a rule names 'topics' or 'groups'")
export type OwnerRule = z.output<typeof OwnerRule>

export const OwnerRules = z.array(OwnerRule).max(1_000)

/** W1, W2. Undefined where no rule fits. */
export function ownerOf(rules: readonly OwnerRule[], kind: 'topics' | 'groups', name: string): OwnerRule | undefined {
  return rules.find((rule) => {
    const pattern = rule[kind]
    return pattern !== undefined && fits(pattern, name)
  })
}

/** Without a regular expression: a pattern must not be able to take long. */
function fits(pattern: string, name: string): boolean {
  let [at, from, star, back] = [0, 0, -1, 0]
  while (from < name.length) {
    if (pattern[at] === '*') {
      star = at++
      back = from
    } else if (pattern[at] === '?' || pattern[at] === name[from]) {
      at++
      from++
    } else if (star >= 0) {
      at = star + 1
      from = ++back
    } else return false
  }
  while (pattern[at] === '*') at++
  return at === pattern.length
}
