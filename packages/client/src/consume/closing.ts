/**
 * How the time of a close is shared between handlers that still run and what they sent.
 *
 * D1. Subscriptions end first: their handlers may still send.
 * D2. They never use up the time of the flush, however long a handler runs or a broker takes to answer a commit.
 * D3. It ends with the deadline, whatever a broker does not answer. What reads has ended by then, or is cut off: nobody waits for it.
 */
import { type Deps, withinOrUndefined } from '@mq/kafka'
import type { CloseOptions, RunningMessage } from '../api/types.ts'
import type { Logger } from '../base/logger.ts'
import type { OptionNames } from '../base/options.ts'

export const CLOSE_OPTIONS: OptionNames<CloseOptions> = { deadlineMs: true }

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
  await withinOrUndefined(deps, deadlineMs * SUBSCRIPTIONS_SHARE, closed)
  const leftMs = Math.max(1, endMs - deps.clock.monotonicMs())
  const [flushed] = await Promise.all([flush(leftMs), withinOrUndefined(deps, leftMs, closed)])
  return flushed
}

interface Reading {
  readonly id: string
  readonly group: string
  stillRunning(): RunningMessage[]
}

/** Says what is not over when a close is. @param notLeft those whose groups could not be left */
export function leftBehind(
  logger: Logger,
  all: readonly Reading[],
  notLeft: Iterable<Pick<Reading, 'id' | 'group'>>,
): RunningMessage[] {
  for (const { id: mqId, group } of notLeft) {
    const what = `Group ${group} of ${mqId} was not left in time: its brokers did not answer. What it finished since its last commit comes again`
    logger.warn(what, { code: 'MQ_CLOSE_INCOMPLETE', mqId, group })
  }
  const stillRunning = all.flatMap((one) => one.stillRunning())
  const { length } = stillRunning
  if (length > 0) {
    const what = `${length} handler${length === 1 ? ' runs' : 's run'} still although the connection is closed: the process lives until ${length === 1 ? 'it ends' : 'they end'}`
    logger.warn(what, { code: 'MQ_HANDLER_TIMEOUT', stillRunning: stillRunning.slice(0, 10) })
  }
  return stillRunning
}
