/**
 * What the fetcher hands out: the records of one batch, or a stretch without records that only moves the position.
 *
 * G1. `nextOffset` is the position after it, past control records, aborted data and holes.
 * G2. `release` gives its bytes back to read-ahead, once however often it is called. Until then they count.
 */
import type { DecodedBatch } from '../records/batch-decoder.ts'
import type { FetchedRecord } from '../records/record-view.ts'

export class FetchedBatch implements Iterable<FetchedRecord> {
  readonly #decoded: DecodedBatch
  #onRelease: ((bytes: number) => void) | undefined
  /** The end of the partition as the broker saw it. */
  readonly highWatermark: bigint

  constructor(decoded: DecodedBatch, highWatermark: number, onRelease: (bytes: number) => void) {
    this.#decoded = decoded
    this.#onRelease = onRelease
    this.highWatermark = BigInt(highWatermark)
  }

  get topic(): string {
    return this.#decoded.topic
  }

  get partition(): number {
    return this.#decoded.partition
  }

  /** Under which leader it was written. */
  get leaderEpoch(): number {
    return this.#decoded.leaderEpoch
  }

  /** How many records it hands out; zero for a stretch without any. */
  get count(): number {
    return this.#decoded.count
  }

  get nextOffset(): bigint {
    return BigInt(this.#decoded.nextOffset)
  }

  get wireBytes(): number {
    return this.#decoded.wireBytes
  }

  /** What it holds in memory until it is released. */
  get memoryBytes(): number {
    return this.#decoded.bytes.length
  }

  /** A fresh walk over the records, from the first. Each record may be kept; the walk itself may not. */
  [Symbol.iterator](): IterableIterator<FetchedRecord> {
    return this.#decoded[Symbol.iterator]()
  }

  get records(): IterableIterator<FetchedRecord> {
    return this.#decoded[Symbol.iterator]()
  }

  release(): void {
    const onRelease = this.#onRelease
    if (onRelease === undefined) return
    this.#onRelease = undefined
    onRelease(this.memoryBytes)
  }
}
