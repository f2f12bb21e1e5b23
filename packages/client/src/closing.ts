/**
 * How the time of a close is shared between handlers that still run and what they sent.
 *
 * D1. Subscriptions end first: their handlers may still send.
 * D2. They never use up the time of the flush, however long a handler runs or a broker takes to answer a commit.
 * D3. All of it has ended when the close has.
 */
import type { Deps } from '@mq/kafka'
import { within } from './pause.ts'

const HANDLERS_SHARE = 3 / 4
/** After the handlers there are positions to commit and groups to leave. */
const SUBSCRIPTIONS_SHARE = 7 / 8

/** @returns what the flush comes to */
export async function closeInTurn<T>(
  deps: Deps,
  deadlineMs: number,
  closeSubscriptions: (handlersMs: number) => Promise<unknown>,
  flush: (limitMs: number) => Promise<T>,
): Promise<T> {
  const endMs = deps.clock.monotonicMs() + deadlineMs
  const closed = closeSubscriptions(deadlineMs * HANDLERS_SHARE)
  await within(deps, deadlineMs * SUBSCRIPTIONS_SHARE, closed)
  const [flushed] = await Promise.all([flush(Math.max(1, endMs - deps.clock.monotonicMs())), closed])
  return flushed
}
