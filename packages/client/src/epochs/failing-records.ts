/**
 * How often records of one partition failed, also before this process came.
 *
 * F1. A record counts from its first failure until it is finished; the count goes on where the note beside the position left it.
 * F2. At most `MAX_NOTED` are noted, those nearest to the position (the note itself may hold fewer). What lies beyond counts from 1
 *     again in the next process, and so does what failed since the last commit before a process died.
 * F3. A partition in which nothing failed costs one comparison for each record.
 */
import type { FailingRecord } from '@mq/kafka'

/** More than a note holds. */
const MAX_NOTED = 64

export interface FailureCount extends FailingRecord {
  /** Of the batch that holds it. */
  readonly leaderEpoch: number
}

export class FailingRecords {
  readonly #failing = new Map<bigint, FailureCount>()
  /** Told as known when it was noted: a change is worth a commit. */
  #version = 0

  /** @param leaderEpoch under which the newest of them was written */
  constructor(inherited: readonly FailingRecord[] = [], leaderEpoch = -1) {
    for (const one of inherited) this.#failing.set(one.offset, { ...one, leaderEpoch })
  }

  get isEmpty(): boolean {
    return this.#failing.size === 0
  }

  /** Records that failed and are not finished. */
  get size(): number {
    return this.#failing.size
  }

  /** Rises with every change. */
  get version(): number {
    return this.#version
  }

  of(offset: bigint): FailureCount | undefined {
    return this.#failing.size === 0 ? undefined : this.#failing.get(offset)
  }

  /** It failed once more. */
  failed(offset: bigint, nowMs: number, leaderEpoch: number): FailureCount {
    const before = this.#failing.get(offset)
    const firstFailedAtMs = before?.firstFailedAtMs ?? Math.max(1, Math.round(nowMs))
    const count = { offset, attempts: (before?.attempts ?? 0) + 1, firstFailedAtMs, leaderEpoch }
    this.#failing.set(offset, count)
    this.#version++
    return count
  }

  finished(offset: bigint): void {
    if (this.#failing.size > 0 && this.#failing.delete(offset)) this.#version++
  }

  /** Those from the position on, rising (F2). */
  from(position: bigint): readonly FailureCount[] {
    if (this.#failing.size === 0) return []
    // What lies before the position is finished, whoever finished it.
    for (const offset of this.#failing.keys()) if (offset < position) this.#failing.delete(offset)
    return [...this.#failing.values()].toSorted((a, b) => (a.offset < b.offset ? -1 : 1)).slice(0, MAX_NOTED)
  }
}
