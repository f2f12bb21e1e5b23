/**
 * What a test says to mQ in memory and what it is told.
 *
 * Y1. Nothing here leads to the types of a Kafka library: a test may be compiled with `skipLibCheck: false`.
 */
import type { MqErrorCode, ReceivedMessage } from '@mq/client'

export interface TopicOptions {
  /** How values are written: `json` when left out. */
  readonly format?: 'json' | 'text' | 'bytes'
  /** `key`, when left out: messages of one key are handled in the order they were sent. `none`: in any. */
  readonly ordering?: 'key' | 'none'
  /** Whether a message must have a key, as with the retention `latest-per-key`. */
  readonly keyRequired?: boolean
  readonly partitions?: number
  /** What key and value together may have: 1 MiB when left out. */
  readonly maxMessageBytes?: number
}

export interface SendFault {
  /** The code of the error; `MQ_SEND_TIMEOUT` when left out. */
  readonly code?: MqErrorCode
  /** How many sends fail: 1 when left out. */
  readonly times?: number
  /** Whether the message is stored all the same, as with `MQ_SEND_UNCERTAIN` it may be: not when left out. */
  readonly stored?: boolean
}

export interface HandlerFailure {
  readonly id: string
  readonly group: string
  readonly message: ReceivedMessage
  readonly attempt: number
  readonly error: unknown
}
