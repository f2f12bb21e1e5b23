/**
 * A successor for a connection whose login session ends.
 *
 * W1. The successor is connected and authenticated before it takes over, well before the session ends: nobody waits for a login.
 * W2. The moment is drawn by chance between 60 and 80 % of the session, so that connections are not renewed all at once.
 * W3. What fails is tried again until the session ends; then the connection is retired without a successor, and the next who
 *     wants one hears why there is none.
 * W4. A connection that ended by itself meanwhile gets no successor from here.
 */
import { backoffMs, sleep } from './backoff.ts'
import type { Deps } from './deps.ts'
import type { SessionConnection } from './session-connection.ts'

const EARLIEST_SHARE = 0.6
const SPREAD_SHARE = 0.2
const LONGEST_TIMER_MS = 2 ** 31 - 1

export interface RenewalOptions {
  readonly deps: Deps
  /** Whether it is worth one; else it is only retired when its time comes. */
  isWanted?(): boolean
  open(): Promise<SessionConnection>
  /** @returns whether the successor was taken; one that was not is dropped */
  replace(successor: SessionConnection): boolean
}

export function renewBeforeEnd(connection: SessionConnection, options: RenewalOptions): void {
  const { deps } = options
  const { sessionMs } = connection
  if (sessionMs === undefined) return
  const endMs = deps.clock.monotonicMs() + sessionMs
  const dueMs = sessionMs * (EARLIEST_SHARE + SPREAD_SHARE * deps.random())
  const over = new AbortController()
  const timer = deps.timers.setTimeout(
    () => void renew(connection, options, endMs, over.signal),
    Math.min(dueMs, LONGEST_TIMER_MS),
  )
  timer.unref()
  connection.once('close', () => {
    deps.timers.clearTimeout(timer)
    over.abort()
  })
}

async function renew(
  connection: SessionConnection,
  { deps, isWanted, open, replace }: RenewalOptions,
  endMs: number,
  over: AbortSignal,
): Promise<void> {
  for (let failures = 1; !over.aborted && isWanted?.() !== false; failures += 1) {
    try {
      const successor = await open()
      // W4
      if (over.aborted || !replace(successor)) {
        successor.drop()
        return
      }
      successor.succeed(connection)
      return
    } catch {
      const pauseMs = backoffMs(failures, deps.random)
      if (deps.clock.monotonicMs() + pauseMs >= endMs) break
      await sleep(deps, pauseMs, over).catch(() => {})
    }
  }
  // W3
  connection.retire()
}
