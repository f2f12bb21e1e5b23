/** The whole public surface of `@mq/client`. */
import './check-node.ts'

export { MqError, type MqErrorCode } from '@mq/contract'
export type {
  ClusterCredentials,
  Deps,
  Headers,
  HeaderValue,
  HeaderValues,
  Receipt,
  RecordHeader,
  Secret,
} from '@mq/kafka'
export { type ConnectOptions, connect } from './connect.ts'
export type { GroupPlace, GroupState } from './group-state.ts'
export type { HandlerContext } from './handler-limit.ts'
export type { LogStart, PlannedPartition } from './log-plan.ts'
export type { LogReading, ReadOptions } from './log-reading.ts'
export type { FieldsFirstLogger, LogFields, Logger } from './logger.ts'
export type { Message } from './message.ts'
export type { ConsumeOptions, Mq, OutgoingMessage } from './mq.ts'
export type { SendOptions } from './outlet.ts'
export type { Queue } from './queue.ts'
export type { Schema } from './schema.ts'
export type { Subscription } from './subscription.ts'
