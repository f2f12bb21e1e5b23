/**
 * Says that something keeps failing, without saying it with every try.
 *
 * T1. The eighth failure in a row is reported (after some three seconds), then the 16th, 32nd and so on: what mends itself soon,
 *     as a coordinator that is only just coming up, stays unsaid.
 */
import type { MqError } from '@mq/contract'

const FIRST = 8

export class TroubleReport {
  readonly #onError: (error: MqError) => void
  #failures = 0

  constructor(onError: (error: MqError) => void) {
    this.#onError = onError
  }

  report(error: MqError): void {
    this.#failures += 1
    const isPowerOfTwo = (this.#failures & (this.#failures - 1)) === 0
    if (this.#failures >= FIRST && isPowerOfTwo) this.#onError(error)
  }

  over(): void {
    this.#failures = 0
  }
}
