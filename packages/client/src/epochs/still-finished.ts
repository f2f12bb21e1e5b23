/**
 * What a position says is finished beyond it, as far as the log still holds those very records: after an unclean election others may
 * stand at their offsets. Where that cannot be found out, they are handed out again.
 */
import { MqError } from '@mq/contract'
import type { Position } from '@mq/kafka'
import type { FinishedBeyond } from './offset-tracker.ts'
import type { ReaderLog } from './reader-log.ts'
import type { ReaderPorts } from './reader-ports.ts'

export interface PositionPlace {
  readonly topic: string
  readonly partition: number
  readonly ports: Pick<ReaderPorts, 'endOfLeaderEpoch'>
  readonly log: Pick<ReaderLog, 'warn'>
}

export async function stillFinished(
  { finished, failing = [], leaderEpoch }: Position,
  { topic, partition, ports, log }: PositionPlace,
): Promise<FinishedBeyond | undefined> {
  if (finished.length + failing.length === 0 || leaderEpoch === undefined) return undefined
  try {
    const end = await ports.endOfLeaderEpoch(topic, partition, leaderEpoch)
    if (end === undefined || end.leaderEpoch !== leaderEpoch) return undefined
    const ranges = finished.filter((range) => range.end <= end.endOffset)
    return { ranges, leaderEpoch, failing: failing.filter(({ offset }) => offset < end.endOffset) }
  } catch (error) {
    const problem = error instanceof MqError ? error : new MqError('MQ_INTERNAL', String(error), { cause: error })
    log.warn(problem, ` hands out again what was finished beyond its position: ${problem.message}`)
    return undefined
  }
}
