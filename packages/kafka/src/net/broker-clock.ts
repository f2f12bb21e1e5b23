/**
 * What time the brokers of a cluster have, as far as they said so.
 *
 * K1. A reading is an answer that names the time of its sender; it is wrong by at most the time between question and answer, plus
 *     how far the clocks of the brokers differ.
 * K2. It is carried on by the monotonic clock, so that a wall clock that is set back or mended meanwhile changes nothing.
 * K3. A wall clock that jumps ahead of the monotonic one was set, or the machine slept, and nobody can tell which: the reading
 *     is forgotten.
 */

/** How far the wall clock of this process is ahead of theirs; negative when it is behind. */
export interface Ahead {
  readonly ms: number
  readonly boundMs: number
}

/** Clocks drift apart by less than this. */
const DRIFT = 0.000_2
const JUMP_MS = 5_000

export class BrokerClock {
  #theirMs = 0
  #atMs = 0
  #boundMs = 0
  #wallMs = 0
  #isKnown = false

  /**
   * An answer named a time (K1).
   * @param askedMs and answeredMs on the monotonic clock
   * @param wallMs when it was answered, by the wall clock
   */
  told(theirMs: number, askedMs: number, answeredMs: number, wallMs: number): void {
    this.#isKnown = true
    this.#theirMs = theirMs
    this.#atMs = (askedMs + answeredMs) / 2
    this.#boundMs = (answeredMs - askedMs) / 2 + 1
    this.#wallMs = wallMs - (answeredMs - askedMs) / 2
  }

  /** Undefined while nothing is known. */
  ahead(wallMs: number, monotonicMs: number): Ahead | undefined {
    if (!this.#isKnown) return undefined
    const sinceMs = monotonicMs - this.#atMs
    if (wallMs - this.#wallMs - sinceMs > JUMP_MS + sinceMs * DRIFT) {
      this.#isKnown = false
      return undefined
    }
    return { ms: wallMs - this.#theirMs - sinceMs, boundMs: this.#boundMs + sinceMs * DRIFT }
  }
}
