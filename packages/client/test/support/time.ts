/**
 * Time under the test's control, and real time with the same face.
 */
import type { Deps } from '@mq/kafka'

interface Pending {
  readonly atMs: number
  readonly order: number
  readonly fn: () => void
}

/** A clock that moves only when told, with its timers. */
export class FakeTime {
  #nowMs = 1_000_000
  #order = 0
  #pending: Pending[] = []
  readonly deps: Deps

  constructor(random: () => number = () => 0.5) {
    this.deps = {
      clock: { nowMs: () => this.#nowMs, monotonicMs: () => this.#nowMs },
      timers: {
        setTimeout: (fn, delayMs) => {
          const timer = { atMs: this.#nowMs + delayMs, order: this.#order++, fn, unref: () => timer }
          this.#pending.push(timer)
          return timer
        },
        clearTimeout: (handle) => {
          this.#pending = this.#pending.filter((timer) => (timer as unknown) !== handle)
        },
      },
      random,
    }
  }

  get timers(): number {
    return this.#pending.length
  }

  /** Runs what comes due, in order, letting promises settle in between. */
  async advance(ms: number): Promise<void> {
    const untilMs = this.#nowMs + ms
    for (;;) {
      await turn()
      const due = this.#pending
        .filter((timer) => timer.atMs <= untilMs)
        .sort((a, b) => a.atMs - b.atMs || a.order - b.order)[0]
      if (due === undefined) break
      this.#pending = this.#pending.filter((timer) => timer !== due)
      this.#nowMs = Math.max(this.#nowMs, due.atMs)
      due.fn()
    }
    this.#nowMs = untilMs
    await turn()
  }
}

/** One turn of the event loop: everything that was ready has run. */
export function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}

export const realDeps: Deps = {
  clock: { nowMs: () => Date.now(), monotonicMs: () => performance.now() },
  timers: {
    setTimeout: (fn, delayMs) => setTimeout(fn, delayMs),
    clearTimeout: (handle) => clearTimeout(handle as NodeJS.Timeout),
  },
  random: () => Math.random(),
}

/** Limits of waits are meant for an idle machine; only what hangs may reach them on a busy one. */
const PATIENCE = 10

/** Waits until it holds; fails loudly when it does not within the limit. */
export async function until(
  what: string,
  condition: () => boolean | Promise<boolean>,
  limitMs = 10_000,
): Promise<void> {
  const endMs = performance.now() + limitMs * PATIENCE
  while (!(await condition())) {
    if (performance.now() > endMs) throw new Error(`Waited ${limitMs * PATIENCE} ms in vain: ${what}`)
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
}
