/**
 * How many lines of one kind may be written: the first of a window one by one, beyond that their number.
 *
 * W1. At most `LINES_PER_WINDOW` in `WINDOW_MS`. What was left out is told as a number with the first line of the next window.
 */
import type { Clock } from '@mq/kafka'

const WINDOW_MS = 10_000
const LINES_PER_WINDOW = 10

export class LogWindow {
  readonly #clock: Clock
  #endMs = 0
  #lines = 0
  #leftOut = 0

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** @param count what the line stands for @returns whether to write it, and what was left out since the last */
  take(count = 1): { readonly isDue: boolean; readonly leftOut: number } {
    const nowMs = this.#clock.monotonicMs()
    let leftOut = 0
    if (nowMs >= this.#endMs) {
      leftOut = this.#leftOut
      this.#endMs = nowMs + WINDOW_MS
      this.#lines = 0
      this.#leftOut = 0
    }
    if (this.#lines >= LINES_PER_WINDOW) {
      this.#leftOut += count
      return { isDue: false, leftOut }
    }
    this.#lines++
    return { isDue: true, leftOut }
  }
}
