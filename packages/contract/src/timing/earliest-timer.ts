/**
 * One timer for many moments: it fires at the earliest that was asked for.
 *
 * A1. At most one timer is set; the owner then looks at everything and asks again for what comes next.
 * A2. A closed timer never fires.
 */
import type { Deps, TimerHandle } from './deps.ts'

export class EarliestTimer {
  readonly #deps: Deps
  readonly #fire: () => void
  #timer: TimerHandle | undefined
  #atMs = Number.POSITIVE_INFINITY
  #isClosed = false

  constructor(deps: Deps, fire: () => void) {
    this.#deps = deps
    this.#fire = fire
  }

  /** @param atMs on the monotonic clock; what is later than the moment already asked for changes nothing */
  wakeAt(atMs: number): void {
    if (atMs >= this.#atMs || this.#isClosed) return
    if (this.#timer !== undefined) this.#deps.timers.clearTimeout(this.#timer)
    this.#atMs = atMs
    const inMs = Math.max(0, Math.ceil(atMs - this.#deps.clock.monotonicMs()))
    this.#timer = this.#deps.timers.setTimeout(this.#due, inMs)
  }

  /** Forgets the moment that was asked for. */
  clear(): void {
    if (this.#timer !== undefined) this.#deps.timers.clearTimeout(this.#timer)
    this.#timer = undefined
    this.#atMs = Number.POSITIVE_INFINITY
  }

  close(): void {
    this.#isClosed = true
    this.clear()
  }

  readonly #due = (): void => {
    this.#timer = undefined
    this.#atMs = Number.POSITIVE_INFINITY
    this.#fire()
  }
}
