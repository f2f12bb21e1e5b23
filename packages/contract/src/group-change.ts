/**
 * A change of the positions of a group: what is asked for, what it would do, and what came of it.
 *
 * P1. A change is asked for with `plan` first: then nothing is touched, and everything that it would do stands in the answer.
 * P2. `before` and `after` are positions; records finished beyond them count as finished in `readAgain` and `skipped`.
 * P3. Counts are offsets: markers of transactions and holes of compaction are among them, records that retention removed are not.
 */
import { z } from 'zod'
import { OffsetText } from './binding.ts'
import { GroupMember } from './groups.ts'
import { MqId } from './mq-id.ts'

const count = z.number().int().min(0)
const atMs = z.number().int().min(0)

export const GroupAction = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('to-earliest') }),
  z.object({ kind: z.literal('to-latest') }),
  z.object({ kind: z.literal('to-offset'), offset: OffsetText }),
  z.object({ kind: z.literal('to-time'), timeMs: atMs }),
  z.object({ kind: z.literal('shift'), records: z.number().int().describe('Below 0 for back') }),
  z.object({ kind: z.literal('skip'), offset: OffsetText.describe('The one record to pass') }),
  z.object({
    kind: z.literal('replay'),
    sinceMs: atMs,
    untilMs: atMs.nullable().default(null).describe('Records from here on that are finished stay so'),
  }),
])
export type GroupAction = z.output<typeof GroupAction>

export const GroupChangeRequest = z.object({
  group: z.string().min(1).max(1_000).describe('Its name in mQ, or the Kafka group id of one that is not of mQ'),
  action: GroupAction,
  partition: z.number().int().min(0).optional().describe('Only this one, of the open epoch where none is named'),
  epoch: z.number().int().min(1).optional().describe('Only this one'),
  by: z.string().max(200).optional().describe('Who asks, as they call themselves; it is not verified'),
  plan: z.boolean().default(false).describe('Only say what would be done'),
})
export type GroupChangeRequest = z.output<typeof GroupChangeRequest>

/**
 * `waiting`: the members were asked to leave, so that Kafka takes positions from outside. `applying`: what is to be set stands, and is
 * being set.
 */
export const GroupChangeState = z.enum(['planned', 'waiting', 'applying', 'done', 'failed'])
export type GroupChangeState = z.output<typeof GroupChangeState>

export const PositionMove = z.object({
  epoch: z.number().int().min(1),
  partition: z.number().int().min(0),
  before: OffsetText.nullable().describe('Null for a partition without a position'),
  after: OffsetText,
  start: OffsetText.describe('The earliest record that is left'),
  end: OffsetText.describe('Where the log ends'),
  readAgain: count,
  skipped: count,
})
export type PositionMove = z.output<typeof PositionMove>

export const TimeRange = z.object({ oldestMs: z.number().int(), newestMs: z.number().int() })
export type TimeRange = z.output<typeof TimeRange>

export const GroupChange = z.object({
  number: z.number().int().min(1).nullable().describe('Null for a plan'),
  mqId: MqId,
  group: z.string(),
  foreign: z.boolean().describe('Whether the group was made by something else than mQ'),
  action: GroupAction,
  partition: z.number().int().min(0).nullable(),
  epoch: z.number().int().min(1).nullable(),
  actor: z.string(),
  state: GroupChangeState,
  createdAtMs: z.number().int(),
  endedAtMs: z.number().int().nullable(),
  isLive: z.boolean().describe('The group has members: they leave for it and come back'),
  members: z.array(GroupMember).describe('In the group when it was last looked at'),
  moves: z.array(PositionMove).describe('Partitions whose positions change, or what is finished beyond them'),
  readAgain: count.describe('Over all partitions'),
  skipped: count.describe('Over all partitions'),
  readAgainTimes: TimeRange.nullable().describe(
    'Of the records that are read again; null when none is, or it is not known',
  ),
  skippedTimes: TimeRange.nullable(),
  notes: z.array(z.string()).describe('What is not as one might think'),
  problem: z.object({ code: z.string(), message: z.string() }).nullable(),
})
export type GroupChange = z.output<typeof GroupChange>
