/**
 * Policies: how far mQ may go by itself, for one mQ ID, a team, or all.
 *
 * Y1. What an mQ ID leaves open its team says, what the team leaves open the global rule says, and that one is always whole.
 * Y2. A policy only ever bounds what mQ does; the requirements of the intent are hard limits under every policy.
 * Y4. A new installation asks a person before it changes anything; one command lets it go on by itself. An installation from before
 *     that rule keeps what it did.
 * Y3. With the autopilot off mQ begins nothing and stops the trials under way; a person can still undo.
 */
import { z } from 'zod'
import { MqId } from './mq-id.ts'

/** `observe`: recommend only. `approve`: wait for a person. `auto`: try, measure, keep or undo. */
export const PolicyMode = z.enum(['observe', 'approve', 'auto'])
export type PolicyMode = z.infer<typeof PolicyMode>

export const Knob = z.enum(['codec', 'linger', 'batch', 'fetch', 'retention', 'partitions', 'cluster'])
export type Knob = z.infer<typeof Knob>

/** Part of a rule that was left open is inherited (Y1). */
export const PolicyRule = z.strictObject({
  mode: PolicyMode.nullable().default(null),
  maxChangesPerDay: z
    .number()
    .int()
    .min(0)
    .max(1_000)
    .nullable()
    .default(null)
    .describe('Changes begun in any 24 hours'),
  autoKnobs: z
    .array(Knob)
    .nullable()
    .default(null)
    .describe("What mode 'auto' may change without asking; the rest waits for a person"),
})
export type PolicyRule = z.output<typeof PolicyRule>

/** `global`, `team=NAME` or `id=MQ-ID`. */
export const PolicyScope: z.ZodType<string> = z
  .string()
  .max(220)
  .superRefine((text, context) => {
    const problem = policyScopeProblem(text)
    if (problem !== undefined) context.addIssue({ code: 'custom', message: problem })
  })
  .describe('global, team=NAME or id=MQ-ID')

export function policyScopeProblem(text: string): string | undefined {
  if (text === 'global') return undefined
  if (text.startsWith('team=')) {
    const team = text.slice(5)
    return team.length >= 1 && team.length <= 100 ? undefined : 'a team has 1 to 100 characters'
  }
  if (text.startsWith('id=')) return MqId.safeParse(text.slice(3)).error?.issues[0]?.message
  return 'write global, team=NAME or id=MQ-ID'
}

/** Y4 */
export const DEFAULT_POLICY = {
  mode: 'approve',
  maxChangesPerDay: 6,
  // Only what can be tried on a few instances first.
  autoKnobs: ['codec', 'linger', 'batch', 'fetch'],
} as const satisfies { mode: PolicyMode; maxChangesPerDay: number; autoKnobs: readonly Knob[] }

/** What is in force for one mQ ID, and which scope said each part. */
export const EffectivePolicy = z.object({
  mode: PolicyMode,
  maxChangesPerDay: z.number().int(),
  autoKnobs: z.array(Knob),
  from: z.object({ mode: z.string(), maxChangesPerDay: z.string(), autoKnobs: z.string() }),
})
export type EffectivePolicy = z.output<typeof EffectivePolicy>

/** Y1. `default` names what nobody ever set. */
export function effectivePolicy(
  rules: ReadonlyMap<string, PolicyRule>,
  mqId: string,
  team: string | undefined,
  defaults: Pick<EffectivePolicy, 'mode'> = DEFAULT_POLICY,
): EffectivePolicy {
  const scopes = [`id=${mqId}`, ...(team === undefined ? [] : [`team=${team}`]), 'global']
  const find = <K extends keyof PolicyRule>(part: K): { value: NonNullable<PolicyRule[K]>; from: string } => {
    for (const scope of scopes) {
      const value = rules.get(scope)?.[part]
      if (value !== null && value !== undefined) return { value, from: scope }
    }
    return { value: { ...DEFAULT_POLICY, ...defaults }[part] as unknown as NonNullable<PolicyRule[K]>, from: 'default' }
  }
  const [mode, maxChangesPerDay, autoKnobs] = [find('mode'), find('maxChangesPerDay'), find('autoKnobs')]
  return {
    mode: mode.value,
    maxChangesPerDay: maxChangesPerDay.value,
    autoKnobs: [...autoKnobs.value],
    from: { mode: mode.from, maxChangesPerDay: maxChangesPerDay.from, autoKnobs: autoKnobs.from },
  }
}
