/**
 * How far groups are behind, as the brokers know it.
 *
 * G1. Lag is the distance between the position a group committed and the end of the log, for all live epochs, whether or not a
 *     client of the group runs.
 * G2. What is not known is null, never 0.
 * G3. Time is told from when the end of the log was seen to pass the position, not from timestamps of records: those may
 *     say anything.
 */
import { z } from 'zod'
import { OffsetText } from './binding.ts'

const records = z.number().int().min(0)
const ms = z.number().min(0)

export const PartitionLag = z.object({
  epoch: z.number().int().min(1),
  partition: z.number().int().min(0),
  position: OffsetText.nullable().describe(
    'The next record the group has not confirmed; null when it never confirmed one',
  ),
  end: OffsetText.nullable().describe('Where the log ends'),
  lagRecords: records.nullable().describe('Offsets between the two, those of records that retention removed left out'),
  lagMs: ms
    .nullable()
    .describe('How long ago the record at the position came in; null when it came before anybody looked'),
})
export type PartitionLag = z.output<typeof PartitionLag>

export const LagTrend = z.enum(['growing', 'steady', 'falling'])
export type LagTrend = z.output<typeof LagTrend>

export const GroupLag = z.object({
  group: z.string().describe('As consumers name it; the whole Kafka group id for a group that mQ does not know'),
  foreign: z.boolean().describe('Whether the group was made by something else than mQ'),
  members: z.number().int().min(0).nullable().describe('Clients in it now'),
  lagRecords: records.nullable().describe('Over all partitions of all live epochs; null when one of them is not known'),
  lagMs: ms.nullable().describe('Of the partition that is furthest behind in time, milliseconds'),
  lagAtLeastMs: ms.nullable().describe('What is certain where lagMs is not known, milliseconds'),
  lostRecords: records.describe('Records that retention removed before the group read them'),
  trend: LagTrend.nullable().describe('Over the last minutes'),
  recent: z
    .array(records.nullable())
    .max(60)
    .describe('The most records behind in each of the last 60 minutes, oldest first; null where nobody looked'),
  seenAtMs: z.number().int().nullable().describe('When the brokers were asked'),
  problem: z.string().nullable().describe('Why something of it is not known'),
})
export type GroupLag = z.output<typeof GroupLag>

export const LagPoint = z.object({
  startMs: z.number().int(),
  resolutionMs: z.number().int(),
  maxRecords: records.nullable(),
  lastRecords: records.nullable(),
  maxMs: ms.nullable(),
})
export type LagPoint = z.output<typeof LagPoint>

export const GroupLagDetail = GroupLag.extend({
  partitions: z.array(PartitionLag),
  history: z
    .array(LagPoint)
    .describe('Oldest first: minutes of the last hour, quarters of the last day, 3 hours of 2 weeks'),
})
export type GroupLagDetail = z.output<typeof GroupLagDetail>
