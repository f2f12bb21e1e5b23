/**
 * A successor for a connection whose login session ends.
 *
 * W1. The successor is connected and authenticated before it takes over, well before the session ends: nobody waits for a login.
 * W2. The moment is drawn by chance between 50 and 70 % of the session, so that connections are not renewed all at once, and a busy
 *     process has time left.
 * W3. What fails is tried again until the session ends. At its end the connection is retired, successor or not: nothing is sent that
 *     the broker would answer by closing. The next who wants one waits for the successor, or hears why there is none.
 * W4. A connection that ended by itself meanwhile gets no successor from here.
 */
import { backoffMs, type Deps, sleep, type TimerHandle } from '@mq/contract/timing'
import type { SessionConnection } from './session-connection.ts'

const EARLIEST_SHARE = 0.5
const SPREAD_SHARE = 0.2
/** Not the very end: a request takes its time to reach the broker. */
const END_SHARE = 0.97
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
  const { session } = connection
  if (session === undefined) return
  const { deps } = options
  const { sinceMs, lifeMs } = session
  const over = new AbortController()
  const at = (share: number, what: () => void): TimerHandle => {
    const inMs = Math.max(0, sinceMs + share * lifeMs - deps.clock.monotonicMs())
    const timer = deps.timers.setTimeout(what, Math.min(inMs, LONGEST_TIMER_MS))
    timer.unref()
    return timer
  }
  const timers = [
    at(EARLIEST_SHARE + SPREAD_SHARE * deps.random(), () => void renew(connection, options, over.signal)),
    at(END_SHARE, () => connection.retire()),
  ]
  connection.once('close', () => {
    for (const timer of timers) deps.timers.clearTimeout(timer)
    over.abort()
  })
}

async function renew(
  connection: SessionConnection,
  { deps, isWanted, open, replace }: RenewalOptions,
  over: AbortSignal,
): Promise<void> {
  for (let failures = 1; !over.aborted && isWanted?.() !== false; failures += 1) {
    try {
      const successor = await open()
      // W4; one that was retired and idle has closed by now, and its successor is still wanted.
      if ((over.aborted && !connection.isRetired) || !replace(successor)) {
        successor.drop()
        return
      }
      successor.succeed(connection)
      return
    } catch {
      if (connection.isRetired) return
      await sleep(deps, backoffMs(failures, deps.random), over).catch(() => {})
    }
  }
  // W3
  connection.retire()
}
