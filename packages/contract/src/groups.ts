/**
 * Consumer groups as people see them: how each is doing, and where it stands in every partition.
 *
 * V1. State, members and positions are the brokers' own; what only clients tell (`unfinishedRecords`, `handlerErrors`) is null where
 *     none of them reports.
 */
import { z } from 'zod'
import { GroupLag, PartitionLag } from './lag.ts'
import { MqId } from './mq-id.ts'
import { FailingMessage } from './telemetry.ts'

const count = z.number().int().min(0)

export const GroupState = z
  .enum(['running', 'rebalancing', 'stopped', 'unknown'])
  .describe('running: it has members that hold their partitions; stopped: it has none')
export type GroupState = z.output<typeof GroupState>

export const FailingView = FailingMessage.extend({
  epoch: z.number().int().min(1),
  app: z.string().describe('The application whose handler it is'),
  instance: z.string(),
})
export type FailingView = z.output<typeof FailingView>

export const GroupSummary = GroupLag.extend({
  mqId: MqId,
  state: GroupState,
  unfinishedRecords: count
    .nullable()
    .describe('Fetched by its clients and not finished: waiting, running, failed; null when none of them reports it'),
  handlerErrors: count
    .nullable()
    .describe('Handlers that failed in the last minute; null when no client of it reported'),
  failingRecords: count
    .nullable()
    .default(null)
    .describe('Records whose handler failed and that are not finished; null when no client of it reports that'),
  failing: z
    .array(FailingView)
    .default([])
    .describe('Of these the ones that failed most often: where they stand, and the class of their last error'),
  lastCommitAtMs: z
    .number()
    .int()
    .nullable()
    .describe('When a position of it was last seen to move; null when none has since the control plane started'),
})
export type GroupSummary = z.output<typeof GroupSummary>

export const GroupMember = z.object({
  memberId: z.string(),
  clientId: z.string().describe('For a client of mQ the name of its application'),
  host: z.string(),
})
export type GroupMember = z.output<typeof GroupMember>

export const GroupPartition = PartitionLag.extend({
  member: z.string().nullable().describe('`client id@host` of the member that holds it; null when none does'),
  finishedBeyond: count.describe('Records beyond the position that are finished, too'),
})
export type GroupPartition = z.output<typeof GroupPartition>

export const GroupDetail = GroupSummary.extend({
  groupId: z.string().describe('Its Kafka group id'),
  memberList: z.array(GroupMember),
  partitions: z.array(GroupPartition),
})
export type GroupDetail = z.output<typeof GroupDetail>
