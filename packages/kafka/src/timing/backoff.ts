/**
 * Waiting: growing pauses with jitter, and a sleep that an abort ends.
 *
 * B1. The pause doubles per failure up to `maxMs`, each within +-20 %, so that many clients do not come back at once.
 * B2. A sleep leaves neither a timer nor a listener behind, however it ends; nor does a limit.
 */
import type { Deps } from './deps.ts'

export interface BackoffLimits {
  readonly baseMs: number
  readonly maxMs: number
}

export const DEFAULT_BACKOFF: BackoffLimits = { baseMs: 50, maxMs: 1_000 }

/** @param failures how many times in a row it failed; 0 means no pause */
export function backoffMs(failures: number, random: () => number, limits: BackoffLimits = DEFAULT_BACKOFF): number {
  if (failures <= 0) return 0
  const exact = Math.min(limits.maxMs, limits.baseMs * 2 ** Math.min(failures - 1, 20))
  return exact * (0.8 + 0.4 * random())
}

/** Resolves after the pause; rejects with the abort reason as soon as the signal fires. */
export function sleep(deps: Deps, delayMs: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) {
      reject(signal.reason)
      return
    }
    const onAbort = () => {
      deps.timers.clearTimeout(timer)
      reject(signal?.reason)
    }
    const timer = deps.timers.setTimeout(() => {
      signal?.removeEventListener('abort', onAbort)
      resolve()
    }, delayMs)
    signal?.addEventListener('abort', onAbort, { once: true })
  })
}

/** Rejects with `late()` when the work takes longer; the work itself goes on. */
export async function within<T>(deps: Deps, limitMs: number, late: () => Error, work: Promise<T>): Promise<T> {
  const { promise, reject } = Promise.withResolvers<never>()
  const timer = deps.timers.setTimeout(() => reject(late()), limitMs)
  try {
    return await Promise.race([work, promise])
  } finally {
    deps.timers.clearTimeout(timer)
  }
}
