/**
 * Says that something keeps failing, without saying it with every try.
 *
 * T1. What mends itself is reported with the eighth failure in a row (after some three seconds), then with the 16th, 32nd and so on: a
 *     coordinator that is only just coming up stays unsaid.
 * T2. What a person has to mend (final-errors.ts) is reported at once, and every 30 seconds while it goes on.
 */
import type { MqError } from '@mq/contract'
import { type BackoffLimits, type Clock, DEFAULT_BACKOFF } from '@mq/contract/timing'
import { fateOf } from '../protocol/final-errors.ts'

const FIRST = 8
const AGAIN_MS = 30_000
/** For what a person has to mend: nobody is that quick. */
const PATIENT: BackoffLimits = { baseMs: 200, maxMs: 3_000 }

export class TroubleReport {
  readonly #clock: Clock
  readonly #onError: (error: MqError) => void
  #failures = 0
  #saidMs = Number.NEGATIVE_INFINITY

  constructor(clock: Clock, onError: (error: MqError) => void) {
    this.#clock = clock
    this.#onError = onError
  }

  report(error: MqError): void {
    this.#failures += 1
    if (fateOf(error).by === 'person') {
      const nowMs = this.#clock.monotonicMs()
      if (nowMs - this.#saidMs < AGAIN_MS) return
      this.#saidMs = nowMs
      this.#onError(error)
      return
    }
    const isPowerOfTwo = (this.#failures & (this.#failures - 1)) === 0
    if (this.#failures >= FIRST && isPowerOfTwo) this.#onError(error)
  }

  over(): void {
    this.#failures = 0
    this.#saidMs = Number.NEGATIVE_INFINITY
  }
}

/** How pauses grow while an error comes back. */
export const pausesFor = (error: MqError): BackoffLimits => (fateOf(error).by === 'person' ? PATIENT : DEFAULT_BACKOFF)
