/**
 * Members of a group that are asked to leave it for a change of its positions.
 *
 * H1. Kafka takes positions from outside only while a group has no members: the members leave, the control plane commits, the hold goes
 *     from the binding, and the members come back. Nobody has to be believed: while one stays, the commit is refused.
 * H2. A hold ends by itself: a control plane that dies holds nobody up for longer than `forMs`.
 */
import { z } from 'zod'

export const GroupHold = z.object({
  group: z.string().min(1).max(200),
  change: z.number().int().min(1).describe('The change they leave for'),
  attempt: z.number().int().min(1).describe('Rises when the change is taken up again'),
  forMs: z
    .number()
    .int()
    .min(1)
    .max(3_600_000)
    .describe('After this long, counted from when it was first heard, a member comes back by itself'),
})
export type GroupHold = z.output<typeof GroupHold>
