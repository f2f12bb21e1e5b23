/**
 * Drift: what somebody else changed about the topic of an mQ ID, and what a person has mQ do about it.
 */
import { z } from 'zod'
import { MqId, Name } from './mq-id.ts'

export const DifferenceKind = z.enum([
  'topic-missing',
  'topic-recreated',
  'partitions-added',
  'partitions-missing',
  'copies-added',
  'copies-missing',
  'setting',
])

/** One thing that is not as mQ made it. */
export const Difference = z.object({
  kind: DifferenceKind,
  setting: z.string().nullable().describe('Name of the setting, where it is one'),
  expected: z.string(),
  found: z.string(),
  alarm: z.boolean().describe('It can lose records or copies of them, or mix their order'),
  what: z.string(),
})
export type Difference = z.output<typeof Difference>

/** What a command names a difference by: the name of the setting, else its kind. */
export function differenceName({ kind, setting }: Pick<Difference, 'kind' | 'setting'>): string {
  return setting ?? kind
}

/** A topic of an mQ ID that is not as mQ made it. */
export const DriftedTopic = z.object({
  mqId: MqId,
  role: z.enum(['open', 'target']).describe('target: of a migration that has not opened it yet'),
  cluster: Name,
  topic: z.string(),
  epoch: z.number().int(),
  sinceMs: z.number().int().describe('When the oldest of the differences was first seen'),
  differences: z.array(Difference),
})
export type DriftedTopic = z.output<typeof DriftedTopic>

export const DriftRequest = z.strictObject({
  only: z
    .array(z.string().min(1).max(200))
    .max(100)
    .optional()
    .describe('Names of differences: a setting such as retention.ms, or a kind such as topic-missing; left out: all'),
  plan: z.boolean().default(false).describe('Only say what would be done'),
})
export type DriftRequest = z.output<typeof DriftRequest>

/** What becomes of one difference. */
export const DriftStep = z.object({
  difference: Difference,
  possible: z.boolean(),
  effect: z.string().describe('What is done, or why it cannot be'),
  deletes: z.boolean().default(false).describe('It deletes records, or leaves them to be deleted'),
})
export type DriftStep = z.output<typeof DriftStep>

export const DriftPlan = z.object({
  mqId: MqId,
  action: z.enum(['accept', 'repair']),
  cluster: Name,
  topic: z.string(),
  done: z.boolean().describe('false: a plan, or nothing differs'),
  steps: z.array(DriftStep),
})
export type DriftPlan = z.output<typeof DriftPlan>
