/**
 * What an application works with: the interfaces behind `connect`. Implementations are in mq.ts, queue.ts, subscription.ts, message.ts and
 * log-reading.ts.
 *
 * I1. All of them are interfaces, so that the tests of an application can hand in objects of their own, without a cast.
 * I2. `Mq`, `Queue`, `Subscription` and `Message` hold what a service needs of mQ. A new member that a service can do without is put into
 *     `MqConnection` or `ReceivedMessage`, so that the fakes of an application compile with a newer mQ, too.
 * I3. Nothing that is exported leads to the types of a Kafka library: an application may compile it with `skipLibCheck: false`.
 */
import type { MqError } from '@mq/contract'

import type { Headers, Receipt, RecordHeader } from '@mq/kafka/types'
import type { DeadLetterBox } from '../dead-letters/types.ts'

import type { Schema } from '../formats/schema.ts'

/** One record of an mQ ID. */
export interface Message<T = unknown> {
  /** The mQ ID. */
  readonly id: string
  readonly epoch: number
  readonly partition: number
  /** Place in its partition, as decimal text. */
  readonly offset: string
  /** When it was sent, milliseconds since 1970. */
  readonly timestampMs: number
  readonly key: string | null
  /** The key as it was sent, when it is not text. */
  readonly keyBytes: Uint8Array | null
  /** `null` for a tombstone. Throws MQ_DECODE_FAILED when the record is not in the format of its mQ ID. */
  readonly value: T
  /** Headers as text; of several with one name the last. */
  readonly headers: Readonly<Record<string, string>>
  /** Headers as they were written. */
  readonly rawHeaders: readonly RecordHeader[]
  /** 1 when the handler sees it for the first time, also over restarts (docs/reference/positions.md says how exactly). */
  readonly attempt: number
  toJSON(): Record<string, unknown>
}

/** What handlers are given. */
export interface ReceivedMessage<T = unknown> extends Message<T> {
  /** The value as it was stored, whether or not it can be decoded; `null` for a tombstone. */
  readonly valueBytes: Uint8Array | null
}

/** What a handler is given beside its message. */
export interface HandlerContext {
  /** Fires when the handler should give up; its reason is an `MqError`. */
  readonly signal: AbortSignal
}

export type Handler<T = unknown> = (message: ReceivedMessage<T>, context: HandlerContext) => unknown

export interface SendOptions {
  /** Records of one key are handled in the order they were sent. */
  readonly key?: string | Uint8Array | null
  readonly headers?: Headers
  /** When it happened, milliseconds since 1970; now when left out. */
  readonly timestampMs?: number
  /** Until when it must be acknowledged, milliseconds from now; `sendDeadlineMs` of the connection when left out. */
  readonly deadlineMs?: number
  /** Gives the message up when it fires: certainly not stored while it was not under way, else `MQ_SEND_UNCERTAIN`. */
  readonly signal?: AbortSignal
}

/** One of several messages to send. */
export interface OutgoingMessage<T = unknown> extends SendOptions {
  readonly value: T
}

export interface BackoffOptions {
  /** Pause before the second attempt, 200 when left out; it doubles with every attempt, with jitter. */
  readonly baseMs?: number
  /** Longest pause between two attempts, 30,000 when left out. */
  readonly maxMs?: number
}

export interface RetryOptions {
  /** After so many failures the message becomes a dead letter, 5 when left out; it needs `deadLetter`. */
  readonly attempts?: number
  readonly backoff?: BackoffOptions
}

export interface ConsumeOptions<T = unknown> {
  /** Handlers that may run at a time, 1 when left out; records of one key never run beside each other. */
  readonly concurrency?: number
  /** Where a group begins that has no position yet: `earliest` when left out; a time: the first record that is not older. */
  readonly from?: 'earliest' | 'latest' | Date
  /** Closes the subscription when it fires. */
  readonly signal?: AbortSignal
  /** After this long the signal that a handler is given fires; without it only when a close has waited long enough. */
  readonly handlerTimeoutMs?: number
  /**
   * Takes messages whose value cannot be decoded or does not match the schema; once it ended without an error they count as
   * handled. `dead-letter`: they become dead letters at once (it needs `deadLetter`). Without it such a message fails like any other.
   */
  readonly onPoison?: ((message: ReceivedMessage<T>, error: MqError) => unknown) | 'dead-letter'
  /** How often a failed message is handed out, and how long between; for ever when left out. Stands above the intent. */
  readonly retry?: RetryOptions
  /** What failed `retry.attempts` times is put aside as a dead letter, and its key goes on; never when left out. */
  readonly deadLetter?: boolean
}

export type LogStart =
  | 'earliest'
  | 'latest'
  | { readonly timestampMs: number }
  /** An offset of the one partition that is read. */
  | { readonly offset: bigint }
  /** Where the group stands; `otherwise` when it stands nowhere. */
  | { readonly group: string; readonly otherwise: 'earliest' | 'latest' }

export interface PlannedPartition {
  readonly epoch: number
  readonly partition: number
  readonly start: bigint
  readonly end: bigint | undefined
  /** Records after the end that an open transaction holds back. */
  readonly behindTransaction: bigint
}

export interface ReadOptions {
  /** Where to begin: `latest` when left out. */
  readonly from?: LogStart
  /** Only this partition, of the epoch that is open unless `epoch` names another. */
  readonly partition?: number
  readonly epoch?: number
  /** End where the log ends now (L3) instead of waiting for more. */
  readonly untilEnd?: boolean
  readonly signal?: AbortSignal
}

export interface GroupPlace {
  readonly epoch: number
  readonly partition: number
  /** The next record the group has not confirmed. */
  readonly position: bigint
}

export interface GroupState {
  readonly members: number
  /** Only partitions for which the group committed a position. */
  readonly places: readonly GroupPlace[]
}

/** A message whose handler has not ended. */
export interface RunningMessage {
  readonly id: string
  readonly group: string
  readonly partition: number
  readonly offset: string
}

/** What a connection leaves behind. */
export interface CloseResult {
  /**
   * Handlers that did not end in time, although their signal fired. Nobody can stop them: their messages are handed out again, to the
   * next process of the group, and this one lives until they end or `process.exit` is called.
   */
  readonly stillRunning: readonly RunningMessage[]
}

export interface CloseOptions {
  /** How long running handlers and unacknowledged messages are waited for: 20 seconds when left out. */
  readonly deadlineMs?: number
}

/** What a service needs of mQ. */
export interface Mq {
  /**
   * Sends one message.
   * @returns a promise shared with all messages of its batch: resolved when they are durable under the intent
   */
  send(id: string, value: unknown, options?: SendOptions): Promise<Receipt>

  /**
   * Sends several messages in order; resolves when all are durable, to the receipts of their batches. When some are not, it rejects and
   * says which: `details.failed` and `details.uncertain` are their places, and all others are stored.
   */
  sendMany(id: string, messages: Iterable<OutgoingMessage>): Promise<readonly Receipt[]>

  /** Hands every message to the handler, at least once, in order per key. Resolves when the group is joined. */
  consume<T = unknown>(
    id: string,
    group: string,
    handler: Handler<T>,
    options?: ConsumeOptions<T>,
  ): Promise<Subscription>

  /** A typed handle on one mQ ID; with a schema, every value is checked on send and on consume. */
  queue<T = unknown>(id: string): Queue<T, T>
  queue<Input, Output>(id: string, schema: Schema<Input, Output>): Queue<Input, Output>

  /** Resolves when everything sent so far is settled, well or not. */
  flush(): Promise<void>

  /**
   * Ends subscriptions, flushes what was sent, and lets go of everything.
   * Rejects with MQ_CLOSE_INCOMPLETE when something was not acknowledged by the deadline. What it resolves to is told by `MqConnection`.
   */
  close(options?: CloseOptions): Promise<unknown>

  [Symbol.asyncDispose](): Promise<void>
}

/** What `connect` gives: also what looks at an mQ ID without taking part in it. */
export interface MqConnection extends Mq {
  /**
   * Reads records without a group: nothing is joined, committed or taken from anybody.
   * @returns messages in order per key, until the reading is closed or, with `untilEnd`, comes to the end of now
   */
  read(id: string, options?: ReadOptions): Promise<LogReading>

  /**
   * Ends within the deadline, 20 seconds when left out. Handlers have three quarters of it to end; then their signal fires. What they
   * sent, and what was sent before, is flushed.
   * @returns the handlers that run still
   * @throws MqError MQ_CLOSE_INCOMPLETE when something that was sent was not acknowledged: `details.perId` counts it, and
   *   `details.stillRunning` has what would have been returned
   */
  close(options?: CloseOptions): Promise<CloseResult>

  /** Who is in a group now and where it stands, as the brokers know it; nothing is joined or changed. */
  groupState(id: string, group: string): Promise<GroupState>

  /** What a group put aside: to look at, to hand to it again, to discard. */
  deadLetters(id: string, group: string): DeadLetterBox
}

/** A typed handle on one mQ ID, with or without a schema. */
export interface Queue<Input, Output = Input> {
  readonly id: string
  send(value: Input, options?: SendOptions): Promise<Receipt>
  sendMany(messages: Iterable<OutgoingMessage<Input>>): Promise<readonly Receipt[]>
  consume(group: string, handler: Handler<Output>, options?: ConsumeOptions<Output>): Promise<Subscription>
}

/** One handler on one mQ ID for one group, from `consume` until `close`. */
export interface Subscription {
  readonly id: string
  readonly group: string
  /** Resolves when closed; rejects when the subscription had to end by itself. */
  readonly done: Promise<void>
  /**
   * How far the committed positions of the partitions that this process holds are behind the end of the stream; `null` while that is
   * not known, also while it holds none. What other members hold is not in it.
   */
  lag(): number | null
  /** Messages that this process fetched and has not finished: waiting, running, failed, or behind one of their key that failed. */
  unfinished(): number
  /** Lets running handlers end, commits, leaves the group. One that has not ended after the deadline is told by its signal, and waited for no longer. */
  close(options?: CloseOptions): Promise<void>
  [Symbol.asyncDispose](): Promise<void>
}

/** Records of an mQ ID, read without a group. */
export interface LogReading extends AsyncIterable<ReceivedMessage> {
  /** Where it begins and, with `untilEnd`, where it ends: each partition of each epoch that was there at the start. */
  readonly partitions: readonly PlannedPartition[]
  close(): void
}
