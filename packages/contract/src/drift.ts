/**
 * Drift: what somebody else changed about the topic of an mQ ID.
 */
import { z } from 'zod'

export const DifferenceKind = z.enum([
  'topic-missing',
  'topic-recreated',
  'partitions-added',
  'partitions-missing',
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
