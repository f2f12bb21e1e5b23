/**
 * The CPU that shadow measurements may use: a token bucket over measured CPU time.
 *
 * B1. What was used never exceeds `share` of the time since the start by more than one step's misjudgement, and that is paid
 *     back before the next step.
 * B2. At most CAPACITY_US are saved up: after a quiet hour there is no hour's worth of CPU to spend at once.
 */
import type { Clock } from '@mq/kafka'

export const SHADOW_SHARE = 0.01
const CAPACITY_US = 200_000

export class ShadowBudget {
  readonly #clock: Clock
  readonly #usPerMs: number
  #tokensUs = 0
  #atMs: number
  #usedUs = 0

  constructor(clock: Clock, share = SHADOW_SHARE) {
    this.#clock = clock
    this.#usPerMs = share * 1_000
    this.#atMs = clock.monotonicMs()
  }

  get usedUs(): number {
    return this.#usedUs
  }

  /** How long until a step that takes this much may start; null when it never may. */
  waitMs(estimateUs: number): number | null {
    if (estimateUs > CAPACITY_US) return null
    this.#fill()
    const missing = estimateUs - this.#tokensUs
    return missing <= 0 ? 0 : Math.ceil(missing / this.#usPerMs)
  }

  spend(us: number): void {
    this.#fill()
    this.#tokensUs -= us
    this.#usedUs += us
  }

  #fill(): void {
    const nowMs = this.#clock.monotonicMs()
    this.#tokensUs = Math.min(CAPACITY_US, this.#tokensUs + (nowMs - this.#atMs) * this.#usPerMs)
    this.#atMs = nowMs
  }
}
