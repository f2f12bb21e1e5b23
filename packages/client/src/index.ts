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
} from '@mq/kafka/types'
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
} from './api.ts'
export { type ConnectOptions, connect } from './connect.ts'

export type {
  Acted,
  ActOptions,
  DeadLetterBox,
  DeadLetterFilter,
  DeadLetterView,
  RedriveOptions,
} from './dead-letter-api.ts'

export type { FieldsFirstLogger, LogFields, Logger } from './logger.ts'
export type { Schema } from './schema.ts'
