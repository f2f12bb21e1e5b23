/**
 * One consumer group on one mQ ID: who reads which partition, and what it has finished.
 *
 * G1. A partition has one reader at a time. It is handed over once the reader before it runs no handler for it.
 * G2. What was not finished is handed out again, to whoever has the partition then; what was finished is not.
 */
import type { MemoryTopic } from './memory-topic.ts'

export interface GroupReader {
  /** The partition is this reader's, from this offset on. */
  take(partition: number): void
  /** Starts nothing more of it; resolves when no handler of it runs. */
  release(partition: number): Promise<void>
  /** Something may be there to read. */
  wake(): void
}

interface Place {
  owner: GroupReader | undefined
  isMoving: boolean
  /** Everything before it is finished. */
  position: number
  /** Finished beyond the position. */
  readonly finished: Set<number>
}

export class MemoryGroup {
  readonly #topic: MemoryTopic
  readonly #places: Place[]
  readonly #readers: GroupReader[] = []

  constructor(topic: MemoryTopic, from: 'earliest' | 'latest') {
    this.#topic = topic
    this.#places = topic.partitions.map((log) => ({
      owner: undefined,
      isMoving: false,
      position: from === 'latest' ? log.length : 0,
      finished: new Set(),
    }))
  }

  join(reader: GroupReader): void {
    this.#readers.push(reader)
    this.#balance()
  }

  leave(reader: GroupReader): void {
    const at = this.#readers.indexOf(reader)
    if (at < 0) return
    this.#readers.splice(at, 1)
    for (const place of this.#places) if (place.owner === reader) place.owner = undefined
    this.#balance()
  }

  wake(): void {
    for (const reader of this.#readers) reader.wake()
  }

  isFinished(partition: number, offset: number): boolean {
    const { position, finished } = this.#places[partition]!
    return offset < position || finished.has(offset)
  }

  finish(partition: number, offset: number): void {
    const place = this.#places[partition]!
    place.finished.add(offset)
    while (place.finished.delete(place.position)) place.position++
  }

  position(partition: number): number {
    return this.#places[partition]!.position
  }

  /** Messages of a partition that are not finished. */
  unfinished(partition: number): number {
    const { position, finished } = this.#places[partition]!
    return this.#topic.partitions[partition]!.length - position - finished.size
  }

  /** Partitions round the readers, as evenly as it goes; each stays where it is when that is right. */
  #balance(): void {
    if (this.#readers.length === 0) return
    for (const [partition, place] of this.#places.entries()) {
      if (place.isMoving) continue
      const wanted = this.#readers[partition % this.#readers.length]!
      if (place.owner === wanted) continue
      if (place.owner === undefined) {
        place.owner = wanted
        wanted.take(partition)
        continue
      }
      // G1
      place.isMoving = true
      void place.owner.release(partition).then(() => {
        place.isMoving = false
        place.owner = undefined
        this.#balance()
      })
    }
  }
}
