/**
 * Where the records of one partition gather: the open batch that takes more, and the closed ones that wait for their turn.
 *
 * A1. Batches leave in the order they were opened, and hold records in the order they were appended.
 * A2. A batch is closed when it is full or the next record does not fit, when memory is spent, or when its time has come; after a record
 *     without a key already when another one like those before would not fit, since that one would go elsewhere. Closed batches are
 *     compressed while others are on the wire, so the first one may not be ready yet.
 * A3. No batch is longer than min(batchBytes, maxMessageBytes), save one with a single record. `maxMessageBytes` counts key and value,
 *     nothing else: headers have a limit of their own (record-headers.ts), and the topic has room for both and the framing.
 */
import { MqError } from '@mq/contract'
import { toMqError } from '../protocol/kafka-errors.ts'
import { type Bytes, bytesOf, HEADER_BYTES, SEALED_TOPIC_BYTES, soloBatchBytes } from '../records/batch-encoder.ts'
import type { EncodedHeaders } from '../records/record-headers.ts'
import { BufferPool } from './buffer-pool.ts'
import { PendingBatch, type Slice } from './pending-batch.ts'
import type { SenderShared } from './sender-shared.ts'

export interface AccumulatorEvents {
  /** A batch was opened, and is due at that time. */
  opened(dueAtMs: number): void
  /** A closed batch can be sent. */
  ready(): void
  trouble(error: MqError): void
}

const FIRST_BUFFER_BYTES = 4_096
const GROWTH = 4
/** One append in so many is timed; the first ones run cold and say little. */
const TIMED_EVERY = 512
const FIRST_TIMED = 32

export class Accumulator {
  readonly #shared: SenderShared
  readonly #events: AccumulatorEvents
  #closed: PendingBatch[] = []
  #open: PendingBatch | null = null
  #limitBytes = 0
  /** Size of the last batch: the next one starts with that much room. */
  #usualBytes = FIRST_BUFFER_BYTES
  #untilTimed = FIRST_TIMED
  #earliestMs = Number.POSITIVE_INFINITY

  constructor(shared: SenderShared, events: AccumulatorEvents) {
    this.#shared = shared
    this.#events = events
  }

  get open(): PendingBatch | null {
    return this.#open
  }

  /** Oldest first. */
  get closed(): readonly PendingBatch[] {
    return this.#closed
  }

  get size(): number {
    return this.#closed.length + (this.#open === null ? 0 : 1)
  }

  get oldest(): PendingBatch | null {
    return this.#closed[0] ?? this.#open
  }

  /** Whether one more record like those before fits into the open batch; a batch that is full for such records is closed. */
  takesMore(): boolean {
    const open = this.#open
    if (open === null) return false
    if (this.#hasRoom(open)) return true
    this.close()
    return false
  }

  /** The batch that took the record, or null when memory is spent. Throws MqError for one that can never be sent. */
  append(
    key: Bytes | null,
    value: Bytes | null,
    headers: EncodedHeaders | undefined,
    timestampMs: number,
  ): PendingBatch | null {
    if (--this.#untilTimed > 0) return this.#append(key, value, headers, timestampMs)
    this.#untilTimed = TIMED_EVERY
    const { clock } = this.#shared.deps
    const startedAtMs = clock.monotonicMs()
    const batch = this.#append(key, value, headers, timestampMs)
    this.#shared.observer.onAppend?.((clock.monotonicMs() - startedAtMs) * 1_000)
    return batch
  }

  #append(
    key: Bytes | null,
    value: Bytes | null,
    headers: EncodedHeaders | undefined,
    timestampMs: number,
  ): PendingBatch | null {
    const open = this.#open
    if (open !== null) {
      const needed = open.encoder.tryAppend(key, value, headers, timestampMs, this.#limitBytes)
      if (needed === 0) return this.#taken(open, key)
      if (needed <= this.#limitBytes && this.#grow(open, needed)) {
        if (open.encoder.tryAppend(key, value, headers, timestampMs, this.#limitBytes) === 0) {
          return this.#taken(open, key)
        }
      }
      this.close()
    }
    return this.#openWith(key, value, headers, timestampMs)
  }

  /** Nothing more joins a batch that is full, nor does a record without a key that would find no room: neither lingers (A2). */
  #taken(batch: PendingBatch, key: Bytes | null): PendingBatch {
    if (key === null ? !this.#hasRoom(batch) : batch.encoder.length >= this.#limitBytes) this.close()
    return batch
  }

  /** For one more record like those before. */
  #hasRoom({ encoder: { length, count } }: PendingBatch): boolean {
    // As `length + (length - HEADER_BYTES) / count <= limit`, without the division: this is asked for every record.
    return length - HEADER_BYTES <= (this.#limitBytes - length) * count
  }

  /** Closes the open batch, if there is one (A2). */
  close(): void {
    const batch = this.#open
    if (batch === null) return
    this.#open = null
    this.#usualBytes = Math.max(FIRST_BUFFER_BYTES, batch.encoder.length)
    this.#closed.push(batch)
    this.#seal(batch)
  }

  /** Takes the oldest closed batch. */
  shift(): PendingBatch | undefined {
    return this.#closed.shift()
  }

  /** Puts the parts of a batch that was taken back to the front. */
  putBack(parts: readonly PendingBatch[]): void {
    this.#closed.unshift(...parts)
    for (const part of parts) this.#seal(part)
  }

  /** No record here has an earlier deadline. As a rule the oldest batch has the earliest; what differs is told by `expiresBy`. */
  get earliestMs(): number {
    return Math.min(this.#earliestMs, this.oldest?.earliestMs ?? Number.POSITIVE_INFINITY)
  }

  expiresBy(deadlineMs: number): void {
    if (deadlineMs < this.#earliestMs) this.#earliestMs = deadlineMs
  }

  /** @param strip takes overdue records out of a batch, and gives what is left of it */
  expire(nowMs: number, strip: (batch: PendingBatch, overdue: readonly Slice[]) => PendingBatch | undefined): void {
    if (this.earliestMs > nowMs) return
    const expired = (batch: PendingBatch): PendingBatch | undefined => {
      if (batch.earliestMs > nowMs) return batch
      const overdue = batch.overdue(nowMs)
      if (overdue.length > 0) return strip(batch, overdue)
      batch.settledSome()
      return batch
    }
    this.#closed = this.#closed.flatMap((batch) => {
      const rest = expired(batch)
      if (rest !== undefined && rest !== batch) this.#seal(rest)
      return rest ?? []
    })
    if (this.#open !== null) this.#open = expired(this.#open) ?? null
    this.#earliestMs = Number.POSITIVE_INFINITY
    for (const { earliestMs } of this.#closed) this.expiresBy(earliestMs)
    if (this.#open !== null) this.expiresBy(this.#open.earliestMs)
  }

  /** Deadlines were changed outside. */
  recount(): void {
    for (const batch of this.#closed) batch.settledSome()
    this.#open?.settledSome()
  }

  takeAll(): PendingBatch[] {
    const all = this.#open === null ? this.#closed : [...this.#closed, this.#open]
    this.#closed = []
    this.#open = null
    return all
  }

  #grow(batch: PendingBatch, needed: number): boolean {
    const { pool } = this.#shared
    const grown = pool.acquire(Math.min(this.#limitBytes, Math.max(needed, batch.encoder.bytes.length * GROWTH)))
    if (grown === null) return false
    pool.release(batch.encoder.moveTo(grown))
    return true
  }

  #openWith(
    key: Bytes | null,
    value: Bytes | null,
    headers: EncodedHeaders | undefined,
    timestampMs: number,
  ): PendingBatch | null {
    const { settings, pool, deps } = this.#shared
    const { maxMessageBytes, lingerMs } = settings
    this.#limitBytes = Math.max(Math.min(settings.batchBytes, maxMessageBytes), SEALED_TOPIC_BYTES + 1)
    const contentBytes = Math.max(0, bytesOf(key)) + Math.max(0, bytesOf(value))
    if (contentBytes > maxMessageBytes) throw tooLarge(contentBytes, maxMessageBytes)
    const needed = soloBatchBytes(key, value, headers)
    // One buffer of the right size at once: a waiting send was granted that much and no more.
    const room = Math.max(needed, Math.min(this.#limitBytes, this.#usualBytes))
    const buffer = pool.acquire(room)
    if (buffer === null) {
      this.#shared.wantedBytes = BufferPool.capacityFor(room)
      return null
    }
    const openedAtMs = deps.clock.monotonicMs()
    const batch = new PendingBatch(buffer, openedAtMs, true)
    if (batch.encoder.tryAppend(key, value, headers, timestampMs, room) !== 0) {
      throw new MqError('MQ_INTERNAL', `A record of ${needed} bytes does not fit into ${buffer.length}`)
    }
    this.#open = batch
    this.#events.opened(openedAtMs + lingerMs)
    return this.#taken(batch, key)
  }

  #seal(batch: PendingBatch): void {
    const { settings, compress, deps } = this.#shared
    batch.seal(settings, compress, deps.clock, (trouble) => {
      if (trouble !== undefined) this.#events.trouble(toMqError(trouble, `compress with ${settings.codec}`))
      this.#events.ready()
    })
    if (batch.wire.kind === 'ready') this.#events.ready()
  }
}

export function tooLarge(bytes: number, maxMessageBytes: number): MqError {
  return new MqError(
    'MQ_MESSAGE_TOO_LARGE',
    `Key and value take ${bytes} bytes, and maxMessageBytes is ${maxMessageBytes}`,
    { details: { bytes, maxMessageBytes } },
  )
}
