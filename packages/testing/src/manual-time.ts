/**
 * Time that stands still until a test moves it: clock and timers for whatever takes `Deps`.
 *
 * T1. Nothing happens by itself: no timer of the process is used, so that none is left behind.
 * T2. `advance` runs what comes due, in the order of time and then of setting, and lets promises settle in between.
 */
import type { Deps, TimerHandle } from '@mq/kafka/types'

/** 2026-01-01T00:00:00Z, where time begins when no start is given. */
const START_MS = 1_767_225_600_000

interface Timer extends TimerHandle {
  readonly atMs: number
  readonly order: number
  readonly fn: () => void
}

export class ManualTime {
  readonly deps: Deps
  readonly #timers = new Set<Timer>()
  #nowMs: number
  #order = 0

  /** @param random what stands for chance; 0.5 when left out, so that runs are alike */
  constructor(startMs: number = START_MS, random: () => number = () => 0.5) {
    this.#nowMs = startMs
    const startedMs = startMs
    this.deps = {
      clock: { nowMs: () => this.#nowMs, monotonicMs: () => this.#nowMs - startedMs },
      timers: {
        setTimeout: (fn, delayMs) => this.#set(fn, delayMs),
        clearTimeout: (handle) => void this.#timers.delete(handle as Timer),
      },
      random,
    }
  }

  get nowMs(): number {
    return this.#nowMs
  }

  /** Timers that are set. */
  get pending(): number {
    return this.#timers.size
  }

  /** When the next timer comes due, milliseconds since 1970. */
  get nextMs(): number | undefined {
    return this.#next()?.atMs
  }

  /** Moves the clock on. */
  async advance(ms: number): Promise<void> {
    if (!Number.isFinite(ms) || ms < 0) throw new RangeError(`Time goes on by milliseconds from 0, not by ${ms}`)
    const untilMs = this.#nowMs + ms
    await turn()
    for (let next = this.#next(); next !== undefined && next.atMs <= untilMs; next = this.#next()) {
      this.#timers.delete(next)
      this.#nowMs = Math.max(this.#nowMs, next.atMs)
      next.fn()
      await turn()
    }
    this.#nowMs = untilMs
  }

  #set(fn: () => void, delayMs: number): TimerHandle {
    const timer: Timer = { atMs: this.#nowMs + Math.max(0, delayMs), order: this.#order++, fn, unref: () => timer }
    this.#timers.add(timer)
    return timer
  }

  #next(): Timer | undefined {
    let first: Timer | undefined
    for (const timer of this.#timers) {
      if (first === undefined || timer.atMs < first.atMs || (timer.atMs === first.atMs && timer.order < first.order)) {
        first = timer
      }
    }
    return first
  }
}

/** One turn of the event loop: every promise that could settle has. */
export function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}
