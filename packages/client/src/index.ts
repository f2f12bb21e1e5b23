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
export type {
  CloseOptions,
  ConsumeOptions,
  Handler,
  LogReading,
  Message,
  Mq,
  MqConnection,
  OutgoingMessage,
  Queue,
  ReceivedMessage,
  Subscription,
} from './api.ts'
export { type ConnectOptions, connect } from './connect.ts'
export type { GroupPlace, GroupState } from './group-state.ts'
export type { HandlerContext } from './handler-limit.ts'
export type { LogStart, PlannedPartition } from './log-plan.ts'
export type { ReadOptions } from './log-reading.ts'
export type { FieldsFirstLogger, LogFields, Logger } from './logger.ts'
export type { SendOptions } from './outlet.ts'
export type { BackoffOptions, RetryOptions } from './retry-policy.ts'
export type { Schema } from './schema.ts'
