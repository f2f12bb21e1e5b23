/**
 * What the packages may know of time, timers and chance. Everything is handed in, so that a test can hold the clock.
 *
 * D1. `nowMs` is the wall clock and may jump; `monotonicMs` never goes back. Deadlines use the second.
 * D2. This file is the only place of the package that touches the real clock, timers and random source.
 */

export interface Clock {
  /** Milliseconds since 1970; may jump. */
  nowMs(): number
  /** Milliseconds since some start; never goes back. */
  monotonicMs(): number
}

export interface TimerHandle {
  unref(): unknown
}

export interface Timers {
  setTimeout(fn: () => void, delayMs: number): TimerHandle
  clearTimeout(handle: TimerHandle): void
}

/** Timers as Node and browsers have them. */
export interface Timed {
  readonly timers: {
    setTimeout(fn: () => void, delayMs: number): unknown
    clearTimeout(handle: unknown): void
  }
}

export interface Deps {
  readonly clock: Clock
  readonly timers: Timers
  /** In [0, 1). */
  readonly random: () => number
}

export const systemDeps: Deps = {
  clock: {
    nowMs: () => Date.now(),
    monotonicMs: () => performance.now(),
  },
  timers: {
    setTimeout: (fn, delayMs) => setTimeout(fn, delayMs),
    clearTimeout: (handle) => clearTimeout(handle as ReturnType<typeof setTimeout>),
  },
  random: () => Math.random(),
}
