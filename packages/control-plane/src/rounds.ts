/**
 * Work that is repeated until it is stopped.
 */
import type { Deps, TimerHandle } from '@mq/kafka'

/** Hears how long one round of a loop took, and whether it failed. */
export type OnRound = (loop: string, ms: number, result: 'ok' | 'failed') => void

/** `work` that tells `onRound` about every round of it. */
export function measured(
  deps: Deps,
  loop: string,
  onRound: OnRound | undefined,
  work: () => Promise<void>,
): () => Promise<void> {
  if (onRound === undefined) return work
  return async () => {
    const startedMs = deps.clock.monotonicMs()
    let result: 'ok' | 'failed' = 'failed'
    try {
      await work()
      result = 'ok'
    } finally {
      onRound(loop, deps.clock.monotonicMs() - startedMs, result)
    }
  }
}

/** Runs `work` again and again, `ms` after the last run ended, until stopped. Errors go to `onError`. */
export function every(
  deps: Deps,
  ms: () => number,
  work: () => Promise<void>,
  onError: (error: unknown) => void,
): () => Promise<void> {
  let stopped = false
  let timer: TimerHandle | undefined
  let running: Promise<void> = Promise.resolve()
  const arm = (): void => {
    if (stopped) return
    timer = deps.timers.setTimeout(() => {
      running = work()
        .catch(onError)
        .then(() => arm())
    }, ms())
  }
  arm()
  return async () => {
    stopped = true
    if (timer !== undefined) deps.timers.clearTimeout(timer)
    await running
  }
}
