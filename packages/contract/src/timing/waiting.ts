/**
 * Waiting for time, for a signal, or for work with a limit.
 *
 * W1. However a wait ends, it leaves neither a timer nor a listener behind.
 * W2. `sleep` rejects with the reason of its signal; `pause` ends early instead and never rejects.
 * W3. Work that is not waited for any longer goes on: nobody can stop it from here.
 */
import type { Timed } from './deps.ts'

/** Resolves after the pause; rejects with the abort reason as soon as the signal fires. */
export async function sleep(deps: Timed, delayMs: number, signal?: AbortSignal): Promise<void> {
  await pause(deps, delayMs, signal)
  signal?.throwIfAborted()
}

/**
 * Resolves after the pause, or as soon as the signal fires: the caller looks at the signal.
 * @param keepsAlive whether the process waits for its end
 */
export function pause({ timers }: Timed, delayMs: number, signal?: AbortSignal, keepsAlive = true): Promise<void> {
  return new Promise((resolve) => {
    if (signal?.aborted === true) {
      resolve()
      return
    }
    const end = (): void => {
      timers.clearTimeout(timer)
      signal?.removeEventListener('abort', end)
      resolve()
    }
    const timer = timers.setTimeout(end, delayMs)
    if (!keepsAlive) (timer as { unref?(): unknown }).unref?.()
    signal?.addEventListener('abort', end, { once: true })
  })
}

/** The outcome of the work; rejects with `late()` when it takes longer. */
export async function within<T>(deps: Timed, limitMs: number, late: () => Error, work: Promise<T>): Promise<T> {
  const { promise, reject } = Promise.withResolvers<never>()
  const timer = deps.timers.setTimeout(() => reject(late()), limitMs)
  try {
    return await Promise.race([work, promise])
  } finally {
    deps.timers.clearTimeout(timer)
  }
}

/** The outcome of the work, or `undefined` once the time is over. */
export async function withinOrUndefined<T>(deps: Timed, limitMs: number, work: Promise<T>): Promise<T | undefined> {
  const over = new AbortController()
  try {
    return await Promise.race([work, pause(deps, limitMs, over.signal).then(() => undefined)])
  } finally {
    over.abort()
  }
}

/**
 * The outcome of the work; rejects with the reason of the signal as soon as it fires.
 *
 * @param late is given what the work comes to after that
 */
export async function untilAborted<T>(work: Promise<T>, signal: AbortSignal, late?: (result: T) => void): Promise<T> {
  const { promise, reject } = Promise.withResolvers<never>()
  const onAbort = (): void => {
    work.then(late, () => {})
    reject(signal.reason)
  }
  if (signal.aborted) onAbort()
  else signal.addEventListener('abort', onAbort, { once: true })
  try {
    return await Promise.race([promise, work])
  } finally {
    signal.removeEventListener('abort', onAbort)
  }
}
