/** The whole public surface of `@mq/client`. */
import './base/check-node.ts'

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
} from '@mq/kafka/types'
export { type ConnectOptions, connect } from './api/connect.ts'
export type {
  BackoffOptions,
  CloseOptions,
  CloseResult,
  ConsumeOptions,
  GroupPlace,
  GroupState,
  Handler,
  HandlerContext,
  LogReading,
  LogStart,
  Message,
  Mq,
  MqConnection,
  OutgoingMessage,
  PlannedPartition,
  Queue,
  ReadOptions,
  ReceivedMessage,
  RetryOptions,
  RunningMessage,
  SendOptions,
  Subscription,
} from './api/types.ts'
export type { FieldsFirstLogger, LogFields, Logger } from './base/logger.ts'
export type {
  Acted,
  ActOptions,
  DeadLetterBox,
  DeadLetterFilter,
  DeadLetterView,
  RedriveOptions,
} from './dead-letters/types.ts'
export type { Schema } from './formats/schema.ts'
