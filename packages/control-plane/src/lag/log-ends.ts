/**
 * Where the log of one topic ended at times in the past, so that a position can be told in time.
 *
 * E1. At most MAX_SAMPLES are kept: the older a time, the coarser. What is dropped makes an answer coarser, never wrong.
 * E2. Ends that go back belong to another log of the same name: what was known is forgotten.
 * E3. A record that came before the first look has no arrival time.
 */
export interface EndSample {
  /** From when until when the log was seen to end there. */
  readonly fromMs: number
  untilMs: number
  /** By partition; null where it was not told. */
  readonly ends: readonly (number | null)[]
}

export const MAX_SAMPLES = 64
/** A topic that was looked at so soon after it was made was empty before. */
const FRESH_MS = 120_000

export class LogEnds {
  #samples: EndSample[]

  constructor(samples: readonly EndSample[] = []) {
    this.#samples = samples.map((sample) => ({ ...sample }))
  }

  get samples(): readonly EndSample[] {
    return this.#samples
  }

  get isEmpty(): boolean {
    return this.#samples.length === 0
  }

  /** @param createdAtMs when mQ made the topic */
  add(atMs: number, ends: readonly (number | null)[], createdAtMs: number): void {
    let last = this.#samples.at(-1)
    const isFirst = last === undefined
    if (last !== undefined && atMs < last.untilMs) return
    if (last?.ends.some((end, partition) => end !== null && (ends[partition] ?? end) < end)) {
      this.#samples = []
      last = undefined
    }
    if (isFirst && createdAtMs < atMs && atMs - createdAtMs <= FRESH_MS) {
      last = { fromMs: createdAtMs, untilMs: createdAtMs, ends: ends.map(() => 0) }
      this.#samples.push(last)
    }
    if (last?.ends.every((end, partition) => end === (ends[partition] ?? null)) === true) {
      last.untilMs = atMs
      return
    }
    this.#samples.push({ fromMs: atMs, untilMs: atMs, ends: [...ends] })
    if (this.#samples.length > MAX_SAMPLES) this.#thin(atMs)
  }

  /**
   * When the record at the offset came in: `atMs`, or `beforeMs` when it was there at the first look (E3), or neither when it
   * has not been seen yet.
   */
  arrival(partition: number, offset: number): { readonly atMs?: number; readonly beforeMs?: number } {
    let before: { readonly atMs: number; readonly end: number } | undefined
    for (const { fromMs, untilMs, ends } of this.#samples) {
      const end = ends[partition]
      if (end === undefined || end === null) continue
      if (end <= offset) {
        before = { atMs: untilMs, end }
        continue
      }
      if (before === undefined) return { beforeMs: fromMs }
      return { atMs: before.atMs + ((fromMs - before.atMs) * (offset - before.end)) / (end - before.end) }
    }
    return {}
  }

  /** Drops the sample whose neighbours stand closest together for their age (E1). */
  #thin(nowMs: number): void {
    let least = Number.POSITIVE_INFINITY
    let found = 1
    for (let index = 1; index < this.#samples.length - 1; index++) {
      const gapMs = this.#samples[index + 1]!.fromMs - this.#samples[index - 1]!.untilMs
      const share = gapMs / (nowMs - this.#samples[index]!.untilMs + 1_000)
      if (share < least) {
        least = share
        found = index
      }
    }
    this.#samples.splice(found, 1)
  }
}
