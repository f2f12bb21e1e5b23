/**
 * One record batch on its way, with the one promise that all its records share.
 *
 * A1. The promise settles once. A batch that was settled early (deadline, close) may still be on the wire: `settled` says so.
 * A2. `identity` is given when the batch is first sent and changes only after proof that the log does not hold the batch.
 * A3. `ambiguous` is set by an attempt that may have been stored without an answer saying so, and cleared by nothing.
 * A4. The records stay in `encoder` until the batch is resolved, so that they can be sent again, split or taken elsewhere.
 */
import type { Codec, MqError, ProducerSettings } from '@mq/contract'
import {
  BatchEncoder,
  compressedHeader,
  HEADER_BYTES,
  type ProducerIdentity,
  SEALED_TOPIC_BYTES,
  stamp,
} from './batch-encoder.ts'
import { OFF_THREAD_BYTES } from './compression.ts'
import type { Clock } from './deps.ts'
import type { CompressionWork } from './producer-observer.ts'

/** What all records of a batch get. `baseOffset` is -1 when the broker no longer knows it. */
export interface Receipt {
  readonly topic: string
  readonly partition: number
  readonly baseOffset: bigint
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

function ignore(): void {}

export class PendingBatch {
  readonly promise: Promise<Receipt>
  readonly encoder: BatchEncoder
  #openedAtMs: number
  /** Whether the buffer belongs to the pool; the buffer of a part of a split batch does not. */
  readonly pooled: boolean
  wire: Wire = OPEN
  identity: ProducerIdentity | null = null
  /** Identities it was sent under before, while it may still be stored under one of them. */
  formerIdentities: readonly ProducerIdentity[] = []
  attempts = 0
  ambiguous = false
  settled = false
  /** Those it was closed under; undefined while it is open. */
  settings: ProducerSettings | undefined
  sealedAtMs = 0
  compression = NO_WORK
  /** The last thing that went wrong, for the message at the deadline. */
  lastTrouble = ''
  #resolve!: (receipt: Receipt) => void
  #reject!: (error: MqError) => void

  constructor(buffer: Buffer, openedAtMs: number, pooled: boolean) {
    this.encoder = new BatchEncoder(buffer)
    this.#openedAtMs = openedAtMs
    this.pooled = pooled
    this.promise = new Promise((resolve, reject) => {
      this.#resolve = resolve
      this.#reject = reject
    })
    // Nobody may be listening, and that must not end the process; whoever listens still gets the rejection.
    this.promise.catch(ignore)
  }

  /** Monotonic time of the oldest record. */
  get openedAtMs(): number {
    return this.#openedAtMs
  }

  /** A record that joined had waited for memory before: its deadline runs since then. */
  waitedSince(monotonicMs: number): void {
    if (monotonicMs < this.#openedAtMs) this.#openedAtMs = monotonicMs
  }

  resolve(receipt: Receipt): void {
    this.settled = true
    this.#resolve(receipt)
  }

  reject(error: MqError): void {
    this.settled = true
    this.#reject(error)
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

  get wireBytes(): number {
    return this.wire.kind === 'ready' ? this.wire.header.length + (this.wire.records?.length ?? 0) : this.encoder.length
  }
}
