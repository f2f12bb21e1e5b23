/**
 * Waiting with an end.
 */
import type { MqError } from '@mq/contract'
import type { Deps, TimerHandle } from '@mq/kafka'

/** The result of `work`, or the error of `late()` once `ms` are over. The work itself is not stopped. */
export async function withDeadline<T>(deps: Deps, ms: number, late: () => MqError, work: Promise<T>): Promise<T> {
  let timer: TimerHandle | undefined
  const deadline = new Promise<never>((_resolve, reject) => {
    timer = deps.timers.setTimeout(() => reject(late()), ms)
  })
  try {
    return await Promise.race([work, deadline])
  } finally {
    if (timer !== undefined) deps.timers.clearTimeout(timer)
  }
}

export function sleep(deps: Deps, ms: number): Promise<void> {
  return new Promise((resolve) => {
    deps.timers.setTimeout(resolve, ms)
  })
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
