/**
 * The first success of several ways to do the same thing, one begun after the other.
 *
 * H1. The next way begins as soon as one failed, and also when none has come to an end for a while: one that hangs holds up nobody.
 * H2. Ways that were begun go on when another was first; what they come to is not waited for.
 */
import type { Deps } from '@mq/contract/timing'

/** No way led there. */
export class AllFailed extends Error {
  readonly errors: readonly unknown[]

  constructor(errors: readonly unknown[]) {
    super('every way failed')
    this.errors = errors
  }
}

/**
 * @param nextAfterMs when the next way begins although none has failed
 * @param isFinal an error after which no other way is tried
 * @throws AllFailed with the errors in the order in which they came; a final error as it is
 */
export async function hedged<T>(
  { timers }: Pick<Deps, 'timers'>,
  nextAfterMs: number,
  ways: readonly (() => Promise<T>)[],
  isFinal: (error: unknown) => boolean = () => false,
): Promise<T> {
  const { promise, resolve, reject } = Promise.withResolvers<T>()
  const errors: unknown[] = []
  let begun = 0
  let isOver = false
  let timer: ReturnType<typeof timers.setTimeout> | undefined
  const end = (settle: () => void): void => {
    if (timer !== undefined) timers.clearTimeout(timer)
    isOver = true
    settle()
  }
  const next = (): void => {
    if (timer !== undefined) timers.clearTimeout(timer)
    timer = undefined
    const way = ways[begun]
    if (isOver || way === undefined) return
    begun++
    way().then(
      (result) => end(() => resolve(result)),
      (error: unknown) => {
        errors.push(error)
        if (isFinal(error)) end(() => reject(error))
        else if (errors.length === ways.length) end(() => reject(new AllFailed(errors)))
        else next()
      },
    )
    if (begun < ways.length) timer = timers.setTimeout(next, nextAfterMs)
  }
  if (ways.length === 0) throw new AllFailed([])
  next()
  return await promise
}
