/**
 * Waiting with growing, jittered pauses, on injected time.
 *
 * W1. Full jitter: a pause is uniform in [0, min(cap, base * 2^failures)), so that many clients never come back together.
 * W2. Half jitter, for a handler that failed: at least half of the exact pause, so that a retry is never at once.
 * W3. A sleep leaves neither a timer nor a listener behind, however it ends.
 */
import type { Deps } from '@mq/kafka'

export interface PauseLimits {
  readonly baseMs: number
  readonly capMs: number
}

type Chance = Pick<Deps, 'random'>

/** @param failures how many times in a row it failed, from 1 */
export function fullJitterMs(failures: number, limits: PauseLimits, chance: Chance): number {
  return exactMs(failures, limits) * chance.random()
}

/** @param failures how many times in a row it failed, from 1 */
export function halfJitterMs(failures: number, limits: PauseLimits, chance: Chance): number {
  return exactMs(failures, limits) * (0.5 + 0.5 * chance.random())
}

function exactMs(failures: number, limits: PauseLimits): number {
  return Math.min(limits.capMs, limits.baseMs * 2 ** Math.min(Math.max(0, failures - 1), 30))
}

/** Resolves after the pause, or as soon as the signal fires: the caller looks at the signal. */
export function sleep(deps: Deps, delayMs: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal?.aborted === true) {
      resolve()
      return
    }
    const end = (): void => {
      deps.timers.clearTimeout(timer)
      signal?.removeEventListener('abort', end)
      resolve()
    }
    const timer = deps.timers.setTimeout(end, delayMs)
    signal?.addEventListener('abort', end, { once: true })
  })
}

/** The promise's outcome, or `undefined` once the time is over; never leaves a timer behind. */
export async function within<T>(deps: Deps, limitMs: number, promise: Promise<T>): Promise<T | undefined> {
  const over = new AbortController()
  try {
    return await Promise.race([promise, sleep(deps, limitMs, over.signal).then(() => undefined)])
  } finally {
    over.abort()
  }
}
