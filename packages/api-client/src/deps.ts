/**
 * Time, timers and chance of the client: handed in by the SDK, those of the host otherwise.
 *
 * D1. This file is the only place of the package that touches the host's clock, timers and random source.
 */

export interface ApiDeps {
  readonly clock: {
    /** Milliseconds since some start; never goes back. */
    monotonicMs(): number
  }
  readonly timers: {
    setTimeout(fn: () => void, delayMs: number): unknown
    clearTimeout(handle: unknown): void
  }
  /** In [0, 1). */
  readonly random: () => number
}

export const hostDeps: ApiDeps = {
  clock: { monotonicMs: () => performance.now() },
  timers: {
    setTimeout: (fn, delayMs) => setTimeout(fn, delayMs),
    clearTimeout: (handle) => clearTimeout(handle as ReturnType<typeof setTimeout>),
  },
  random: () => Math.random(),
}
