/**
 * The mQ ID: the only name an application ever uses.
 *
 * N1. Two to 120 characters: lower-case words of letters, digits, `-` and `_`, joined by single dots.
 * N2. An mQ ID never starts with `mq.`: those names belong to mQ itself.
 * N3. The alphabet is a subset of what Kafka allows in a topic name, so a topic can carry its mQ ID readably.
 * N4. The Kafka group id of a group is `group@mqId`: groups of one name on several mQ IDs never rebalance one another, and
 *     as `@` is in neither alphabet the two parts can be told apart again.
 * N5. mQ IDs of mQ's own hold what a group gave up or is to be handed again (side-id.ts). They can be looked at, moved and deleted like
 *     any other, and neither declared nor sent to nor consumed by an application.
 */
import { z } from 'zod'
import { isSideId } from './side-id.ts'

const WORD = /^[a-z0-9](?:[a-z0-9_-]*[a-z0-9])?$/

/** Why a text is not an mQ ID, in words for a person, or `undefined` when it is one. */
export function mqIdProblem(text: unknown): string | undefined {
  if (typeof text !== 'string') return `an mQ ID is a string, not ${text === null ? 'null' : typeof text}`
  if (text.length < 2) return 'it needs at least 2 characters'
  if (text.length > 120) return `it has ${text.length} characters, 120 are allowed`
  if (text !== text.toLowerCase()) return 'it must be lower case'
  if (text.startsWith('mq.')) return "names that start with 'mq.' belong to mQ itself"
  for (const word of text.split('.')) {
    if (word === '') return 'it has an empty word: dots stand between words, never at an end or in a row'
    if (!WORD.test(word))
      return `'${word}' may hold only a-z, 0-9, '-' and '_', and starts and ends with a letter or digit`
  }
  return undefined
}

/** An mQ ID such as `orders.placed`, or one of mQ's own (N5). */
export const MqId: z.ZodType<string> = z
  .string()
  .superRefine((text, context) => {
    const problem = isSideId(text) ? undefined : mqIdProblem(text)
    if (problem !== undefined) context.addIssue({ code: 'custom', message: `'${text}' is not an mQ ID: ${problem}` })
  })
  .describe('The name an application uses: lower-case words joined by dots, such as orders.placed')

/** An mQ ID that can be declared. */
export const OwnMqId: z.ZodType<string> = MqId.superRefine((text, context) => {
  const problem = mqIdProblem(text)
  if (problem !== undefined && isSideId(text)) {
    context.addIssue({ code: 'custom', message: `'${text}' cannot be declared: ${problem}` })
  }
})

/** A consumer group, application or cluster name: like one to eight words of an mQ ID, but free in length up to 200. */
export const Name: z.ZodType<string> = z
  .string()
  .min(1)
  .max(200)
  .regex(
    /^[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?$/,
    "letters, digits, '.', '-' and '_', starting and ending with a letter or digit",
  )
  .describe('A name of letters, digits, dots, dashes and underscores')

/** The Kafka group id under which `group` consumes `mqId` (N4). */
export function groupIdOf(mqId: string, group: string): string {
  return `${group}@${mqId}`
}

/** The group that consumes `mqId` under a Kafka group id, or undefined when the id is of something else (N4). */
export function groupOfId(groupId: string, mqId: string): string | undefined {
  const end = `@${mqId}`
  return groupId.length > end.length && groupId.endsWith(end) ? groupId.slice(0, -end.length) : undefined
}
