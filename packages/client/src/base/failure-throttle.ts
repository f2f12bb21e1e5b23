/**
 * Tells trouble that lasts from trouble that passes by itself, so that a leader election is no line in the log and an outage is.
 *
 * B1. Trouble is worth saying once it has come back for 5 seconds, and then every 30 seconds while it goes on.
 * B2. 10 seconds without any end it.
 */
import type { Clock } from '@mq/kafka'

const LASTS_MS = 5_000
const AGAIN_MS = 30_000
const OVER_MS = 10_000

export class FailureThrottle {
  readonly #clock: Clock
  #sinceMs = Number.NEGATIVE_INFINITY
  #lastMs = Number.NEGATIVE_INFINITY
  #saidMs = Number.NEGATIVE_INFINITY

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** Notes that it happened. @returns whether to say so */
  failed(): boolean {
    const nowMs = this.#clock.monotonicMs()
    if (nowMs - this.#lastMs > OVER_MS) this.#sinceMs = nowMs
    this.#lastMs = nowMs
    if (nowMs - this.#sinceMs < LASTS_MS || nowMs - this.#saidMs < AGAIN_MS) return false
    this.#saidMs = nowMs
    return true
  }
}
