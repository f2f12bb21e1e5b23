/**
 * One record batch on its way, with the promises that its records share (send-promise.ts).
 *
 * A1. A batch whose promises were all settled early (deadline, close) may still be on the wire: `settled` says so.
 * A2. `identity` is given when the batch is first sent and changes only after proof that the log does not hold the batch.
 * A3. `ambiguous` is set by an attempt that may have been stored without an answer saying so, and cleared by nothing.
 * A4. The records stay in `encoder` until the batch is resolved, so that they can be sent again, split or taken elsewhere.
 */
import type { Codec, MqError, ProducerSettings } from '@mq/contract'
import type { Clock } from '@mq/contract/timing'
import {
  BatchEncoder,
  compressedHeader,
  HEADER_BYTES,
  type ProducerIdentity,
  SEALED_TOPIC_BYTES,
  stamp,
} from '../records/batch-encoder.ts'
import { OFF_THREAD_BYTES } from '../records/compression.ts'
import type { BatchReport, CompressionWork } from './producer-observer.ts'
import { type Receipt, SendPromise } from './send-promise.ts'

/** Some records of a batch that stand together, and the promise they share. */
export interface Slice {
  readonly sent: SendPromise
  count: number
}

export type Wire =
  | { readonly kind: 'open' }
  | { readonly kind: 'compressing' }
  | { readonly kind: 'ready'; readonly header: Buffer; readonly records: Buffer | null }

export type Compress = (codec: Codec, level: number | undefined, data: Buffer) => Promise<Buffer>

const OPEN: Wire = { kind: 'open' }
const COMPRESSING: Wire = { kind: 'compressing' }
/** Below this nothing is gained: the frame of the codec eats what it saves. */
const SMALLEST_COMPRESSED_BYTES = 128
const codecNumbers: Readonly<Record<Codec, number>> = { none: 0, gzip: 1, snappy: 2, lz4: 3, zstd: 4 }

const NO_WORK: CompressionWork = { ownUs: 0, handedBytes: 0, handedUs: 0 }

/** Whether a batch of that length goes to the codec at all. */
export function isCompressed(codec: Codec, batchBytes: number): boolean {
  return codec !== 'none' && batchBytes >= HEADER_BYTES + SMALLEST_COMPRESSED_BYTES
}

/** Never longer than what we started from, and never so short that a sealed topic would take it. */
export function isKeptCompressed(compressedBatchBytes: number, batchBytes: number): boolean {
  return compressedBatchBytes < batchBytes && compressedBatchBytes > SEALED_TOPIC_BYTES
}

/**
 * So many of the first records of a batch have a promise each, so that what is sent now and then can fail alone. More would be
 * felt: a promise for each of a thousand records costs as much as all the rest of a send.
 */
const OWN_PROMISES = 8

export class PendingBatch {
  readonly encoder: BatchEncoder
  #openedAtMs: number
  /** Whether the buffer belongs to the pool; the buffer of a part of a split batch does not. */
  readonly pooled: boolean
  wire: Wire = OPEN
  identity: ProducerIdentity | null = null
  /** Identities it was sent under before, while it may still be stored under one of them. */
  formerIdentities: readonly ProducerIdentity[] = []
  attempts = 0
  /** When the last attempt began, on the monotonic clock. */
  takenAtMs = 0
  /** How often times of its records were corrected. */
  corrections = 0
  /** Whether the attempt that is under way has been given to a connection. */
  isWritten = false
  ambiguous = false
  /** Whether an attempt is ambiguous because no answer came; the others were answered by a broker that did not say what it stored. */
  isUnanswered = false
  /** No unsettled promise has an earlier deadline. */
  earliestMs = Number.POSITIVE_INFINITY
  /** Called when the memory of a batch that is not pooled is not needed any more. */
  onReleased: (() => void) | undefined
  readonly #slices: Slice[] = []
  #last: Slice | undefined
  /** The first record of the last slice; its count is brought up to date when somebody looks. */
  #lastFrom = 0
  /** The promise that the next record may share, and until when; a record that comes later gets another. */
  #shared: Promise<Receipt> | undefined
  #sharedUntilMs = Number.NEGATIVE_INFINITY
  /** Those it was closed under; undefined while it is open. */
  settings: ProducerSettings | undefined
  sealedAtMs = 0
  compression = NO_WORK
  /** The last thing that went wrong, for the message at the deadline. */
  lastTrouble = ''
  constructor(buffer: Buffer, openedAtMs: number, pooled: boolean, baseTimestampMs?: number) {
    this.encoder = new BatchEncoder(buffer, baseTimestampMs)
    this.#openedAtMs = openedAtMs
    this.pooled = pooled
  }

  /** Monotonic time of the oldest record. */
  get openedAtMs(): number {
    return this.#openedAtMs
  }

  /**
   * The promise of the record that was just appended, for one that has the usual time to live. Hot.
   * @param nowMs whole milliseconds of the monotonic clock
   */
  join(nowMs: number, limitMs: number, toleranceMs: number, isOwn: boolean): Promise<Receipt> {
    if (nowMs <= this.#sharedUntilMs && !isOwn) return this.#shared!
    const own = isOwn || this.#slices.length < OWN_PROMISES
    const sent = new SendPromise(nowMs + limitMs + (own ? 0 : toleranceMs), own)
    this.#begin(sent)
    if (!own) {
      this.#shared = sent.promise
      this.#sharedUntilMs = nowMs + toleranceMs
    }
    return sent.promise
  }

  /** The same for one with a deadline of its own. */
  joinUntil(deadlineMs: number, toleranceMs: number, isOwn: boolean): SendPromise {
    const last = this.#last?.sent
    if (last !== undefined && !last.isOwn && !isOwn) {
      if (deadlineMs <= last.deadlineMs && deadlineMs + toleranceMs >= last.deadlineMs) return last
    }
    const sent = new SendPromise(isOwn ? deadlineMs : deadlineMs + toleranceMs, isOwn)
    this.#begin(sent)
    return sent
  }

  #begin(sent: SendPromise): void {
    const from = this.encoder.count - 1
    if (this.#last !== undefined) this.#last.count = from - this.#lastFrom
    this.#lastFrom = from
    this.#push({ sent, count: 1 })
  }

  /** Records of another batch that were appended here, with their promise. */
  add(sent: SendPromise, count: number): void {
    if (this.#last !== undefined) this.#lastFrom += this.#last.count
    this.#push({ sent, count })
  }

  #push(slice: Slice): void {
    this.#slices.push(slice)
    this.#last = slice
    this.#sharedUntilMs = Number.NEGATIVE_INFINITY
    const { sent } = slice
    if (!sent.settled && sent.deadlineMs < this.earliestMs) this.earliestMs = sent.deadlineMs
  }

  /** In the order of the records. */
  get slices(): readonly Slice[] {
    if (this.#last !== undefined) this.#last.count = this.encoder.count - this.#lastFrom
    return this.#slices
  }

  /** Whether nobody waits for it any more. */
  get settled(): boolean {
    return this.#slices.every(({ sent }) => sent.settled)
  }

  /** Records whose senders wait. */
  get unsettledCount(): number {
    return this.slices.reduce((sum, { sent, count }) => (sent.settled ? sum : sum + count), 0)
  }

  /** Records whose time is over, or whose sender gave them up. */
  overdue(nowMs: number): Slice[] {
    return this.slices.filter(({ sent }) => !sent.settled && (sent.deadlineMs <= nowMs || sent.cancelled !== undefined))
  }

  /** To be called when promises were settled outside. */
  settledSome(): void {
    this.earliestMs = this.slices.reduce(
      (earliest, { sent }) => (sent.settled ? earliest : Math.min(earliest, sent.deadlineMs)),
      Number.POSITIVE_INFINITY,
    )
  }

  /** A record that joined had waited for memory before. */
  waitedSince(monotonicMs: number): void {
    if (monotonicMs < this.#openedAtMs) this.#openedAtMs = monotonicMs
  }

  resolve(receipt: Receipt): void {
    for (const { sent } of this.slices) sent.stored(receipt)
  }

  reject(error: MqError): void {
    for (const { sent } of this.slices) sent.failed(error)
  }

  /** Ends the arrival of records; `done` is called when the batch can be sent, at once without a codec. */
  seal(settings: ProducerSettings, compress: Compress, clock: Clock, done: (trouble: unknown) => void): void {
    const { encoder } = this
    const { codec, codecLevel } = settings
    this.settings = settings
    this.sealedAtMs = clock.monotonicMs()
    encoder.seal()
    if (!isCompressed(codec, encoder.length)) {
      this.wire = { kind: 'ready', header: encoder.sealed(), records: null }
      return
    }
    this.wire = COMPRESSING
    const startedAtMs = clock.monotonicMs()
    const compressing = compress(codec, codecLevel, encoder.records())
    const ownUs = (clock.monotonicMs() - startedAtMs) * 1_000
    const isHanded = codec !== 'snappy' && encoder.length - HEADER_BYTES >= OFF_THREAD_BYTES
    compressing.then(
      (compressed) => {
        this.compression = isHanded
          ? {
              ownUs,
              handedBytes: encoder.length - HEADER_BYTES,
              handedUs: (clock.monotonicMs() - startedAtMs) * 1_000,
            }
          : { ownUs, handedBytes: 0, handedUs: 0 }
        const bytes = HEADER_BYTES + compressed.length
        this.wire = isKeptCompressed(bytes, encoder.length)
          ? {
              kind: 'ready',
              header: compressedHeader(encoder, codecNumbers[codec], compressed.length),
              records: compressed,
            }
          : { kind: 'ready', header: encoder.sealed(), records: null }
        done(undefined)
      },
      (trouble: unknown) => {
        this.wire = { kind: 'ready', header: encoder.sealed(), records: null }
        done(trouble)
      },
    )
  }

  /** Gives the batch its place in the partition's sequence (A2). */
  stamp(identity: ProducerIdentity): void {
    if (this.wire.kind !== 'ready') throw new RangeError(`A batch that is ${this.wire.kind} cannot be stamped`)
    this.identity = identity
    stamp(this.wire.header, this.wire.records, identity)
  }

  /** What is told of it once it is stored. */
  report(topic: string, partition: number, nowMs: number, settings: ProducerSettings): BatchReport {
    const { encoder, openedAtMs } = this
    return {
      topic,
      partition,
      records: encoder.count,
      recordBytes: encoder.contentBytes,
      uncompressedBytes: encoder.length,
      wireBytes: this.wireBytes,
      retries: this.attempts - 1,
      latencyMs: nowMs - openedAtMs,
      openMs: Math.max(0, this.sealedAtMs - openedAtMs),
      settings: this.settings ?? settings,
      compression: this.compression,
    }
  }

  get wireBytes(): number {
    return this.wire.kind === 'ready' ? this.wire.header.length + (this.wire.records?.length ?? 0) : this.encoder.length
  }
}
