/**
 * From fetched sections to handed-out batches: decoded one at a time, partitions in turn, within a share of memory each.
 *
 * P1. A partition is handed batches while it holds less than its share of unreleased ones; a release makes room again.
 * P2. Partitions take turns batch by batch, and after `SLICE_BYTES` everything else in the process gets its turn.
 * P3. Nothing is decoded before its turn, so data that grows when decompressed is bounded as well, save for one batch.
 * P4. `heldBytes` is the sum over all partitions of what is fetched and not decoded plus what is handed out and not released.
 */
import { MqError } from '@mq/contract'
import { toMqError } from '../protocol/kafka-errors.ts'
import type { DecodedBatch } from '../records/batch-decoder.ts'
import type { FetchPartition, Section } from './fetch-partition.ts'
import { FetchedBatch } from './fetched-batch.ts'

const SLICE_BYTES = 1024 * 1024

export interface BatchQueueOptions {
  readonly shareBytes: number
  readonly onBatch: (batch: FetchedBatch) => void
  /** The next batch cannot be decoded. */
  readonly onDamage: (partition: FetchPartition, error: MqError) => void
  /** The receiver threw. */
  readonly onRefused: (partition: FetchPartition, error: MqError) => void
  /** It holds less than it did. */
  readonly onRoom: (partition: FetchPartition) => void
}

export class BatchQueue {
  readonly #options: BatchQueueOptions
  /** Partitions that have something to decode, in the order of their turns. */
  readonly #waiting = new Set<FetchPartition>()
  #heldBytes = 0
  #isPumping = false
  #isPlanned = false
  /** What one partition may hold. */
  shareBytes: number

  constructor(options: BatchQueueOptions) {
    this.#options = options
    this.shareBytes = options.shareBytes
  }

  get heldBytes(): number {
    return this.#heldBytes
  }

  /** Queues what one response brought; `pump` starts on it. */
  add(partition: FetchPartition, section: Section): void {
    partition.sections.push(section)
    partition.pendingBytes += section.bytes
    this.#heldBytes += section.bytes
    this.#queue(partition)
  }

  /** Goes on with a partition that was paused. */
  resume(partition: FetchPartition): void {
    this.#queue(partition)
    if (this.#waiting.size > 0) this.#pumpSoon()
  }

  /** Throws away what is not handed out; the next request starts where delivery stopped. */
  discard(partition: FetchPartition): void {
    this.#waiting.delete(partition)
    this.#heldBytes -= partition.pendingBytes
    partition.rewind()
  }

  /** Hands out a slice now, and plans the rest. */
  pump(): void {
    if (this.#isPumping) return
    this.#isPumping = true
    let bytes = 0
    for (const partition of this.#waiting) {
      if (bytes >= SLICE_BYTES) break
      this.#waiting.delete(partition)
      bytes += this.#deliverOne(partition)
      this.#queue(partition)
    }
    this.#isPumping = false
    if (this.#waiting.size > 0) this.#pumpSoon()
  }

  #queue(partition: FetchPartition): void {
    if (partition.isOver || partition.paused || partition.sections.length === 0) return
    if (partition.deliveredBytes < this.shareBytes) this.#waiting.add(partition)
  }

  #pumpSoon(): void {
    if (this.#isPlanned || this.#isPumping) return
    this.#isPlanned = true
    setImmediate(() => {
      this.#isPlanned = false
      this.pump()
    })
  }

  /** @returns how many bytes of work it was */
  #deliverOne(partition: FetchPartition): number {
    const section = partition.sections[0]
    if (section === undefined || partition.isOver || partition.paused) return 0
    let decoded: DecodedBatch | undefined
    try {
      decoded = section.decoder.next()
    } catch (error) {
      this.#options.onDamage(partition, toMqError(error, `decode ${partition.topic}/${partition.partition}`))
      return 0
    }
    this.#consume(partition, section)
    if (decoded === undefined) return 0
    const held = decoded.bytes.length
    partition.corruptions = 0
    partition.deliveredOffset = decoded.nextOffset
    partition.deliveredBytes += held
    this.#heldBytes += held
    const batch = new FetchedBatch(decoded, section.highWatermark, (bytes) => {
      partition.deliveredBytes -= bytes
      this.#heldBytes -= bytes
      this.resume(partition)
      this.#options.onRoom(partition)
    })
    try {
      this.#options.onBatch(batch)
    } catch (error) {
      const what = `the receiver of batches threw: ${error instanceof Error ? error.message : String(error)}`
      this.#options.onRefused(partition, new MqError('MQ_INTERNAL', what, { cause: error }))
    }
    this.#options.onRoom(partition)
    return Math.max(held, decoded.wireBytes)
  }

  #consume(partition: FetchPartition, section: Section): void {
    const left = section.decoder.remainingBytes
    partition.pendingBytes -= section.bytes - left
    this.#heldBytes -= section.bytes - left
    section.bytes = left
    if (left === 0) partition.sections.shift()
  }
}
