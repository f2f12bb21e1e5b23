/**
 * The wall clock of a hot path: one reading serves several calls of one turn of the event loop.
 *
 * W1. A reading is shared by at most READS_PER_TURN calls and never outlives the turn it was taken in.
 */
import type { Deps } from './deps.ts'

const READS_PER_TURN = 64

export class TurnClock {
  readonly #clock: Deps['clock']
  #nowMs = 0
  #uses = 0

  constructor(clock: Deps['clock']) {
    this.#clock = clock
  }

  /** Milliseconds since 1970. */
  nowMs(): number {
    if (this.#uses === 0) {
      this.#nowMs = this.#clock.nowMs()
      this.#uses = READS_PER_TURN
      setImmediate(this.#forget)
    }
    this.#uses--
    return this.#nowMs
  }

  readonly #forget = (): void => {
    this.#uses = 0
  }
}
