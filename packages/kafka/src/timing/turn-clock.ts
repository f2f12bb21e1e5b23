/**
 * The clocks of a hot path: one reading serves several calls of one turn of the event loop.
 *
 * W1. A reading is shared by at most READS_PER_TURN calls and never outlives the turn it was taken in.
 */

import type { Deps } from '@mq/contract/timing'
import type { RecordTime } from '../produce/record-time.ts'

const READS_PER_TURN = 64

export class TurnClock {
  readonly #clock: Deps['clock']
  readonly #time: RecordTime
  /** The time of a record that has none of its own, as of the last `read`. */
  nowMs = 0
  /** Whole milliseconds of the monotonic clock, as of the last `read`. */
  monotonicMs = 0
  #uses = 0

  constructor(clock: Deps['clock'], time: RecordTime) {
    this.#clock = clock
    this.#time = time
  }

  read(): void {
    if (this.#uses === 0) {
      this.monotonicMs = Math.floor(this.#clock.monotonicMs())
      this.nowMs = this.#time.now(this.#clock.nowMs(), this.monotonicMs)
      this.#uses = READS_PER_TURN
      setImmediate(this.#forget)
    }
    this.#uses--
  }

  readonly #forget = (): void => {
    this.#uses = 0
  }
}
