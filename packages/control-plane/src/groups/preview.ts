/**
 * What a change of positions means for the records of the group: which are read again, which are passed, and how old they are.
 *
 * V2. A time that cannot be looked up now is not known: it keeps nobody from seeing the rest.
 * V1. Times are those of the first and the last of those records in each partition, for the first MOST_LOOKS partitions: more would
 *     keep the brokers busy for a question.
 */
import { MqError, type PositionMove, type TimeRange } from '@mq/contract'
import type { FinishedRange } from '@mq/kafka'
import type { EpochRecord } from '../registry/records.ts'
import { countOf, difference, upTo } from './finished-set.ts'
import type { Target, UseAdmin } from './targets.ts'

const MOST_LOOKS = 64
const LOOKS_AT_ONCE = 8

export interface Preview {
  readonly moves: PositionMove[]
  readonly readAgain: number
  readonly skipped: number
  readonly readAgainTimes: TimeRange | null
  readonly skippedTimes: TimeRange | null
}

interface Ranges {
  readonly target: Target
  readonly readAgain: readonly FinishedRange[]
  readonly skipped: readonly FinishedRange[]
}

/** Counts only; times are null. */
export function countMoves(targets: readonly Target[]): Preview {
  const ranges = targets.map(rangesOf)
  const moves = ranges.map(({ target, readAgain, skipped }) => ({
    epoch: target.epoch,
    partition: target.partition,
    before: target.before === undefined ? null : String(target.before.offset),
    after: String(target.after.offset),
    start: String(target.start),
    end: String(target.end),
    readAgain: countOf(readAgain),
    skipped: countOf(skipped),
  }))
  return {
    moves,
    readAgain: moves.reduce((sum, move) => sum + move.readAgain, 0),
    skipped: moves.reduce((sum, move) => sum + move.skipped, 0),
    readAgainTimes: null,
    skippedTimes: null,
  }
}

export async function preview(
  use: UseAdmin,
  epochs: readonly EpochRecord[],
  targets: readonly Target[],
): Promise<Preview> {
  const ranges = targets.map(rangesOf)
  return {
    ...countMoves(targets),
    readAgainTimes: await timesOf(use, epochs, ranges, ({ readAgain }) => readAgain),
    skippedTimes: await timesOf(use, epochs, ranges, ({ skipped }) => skipped),
  }
}

/** Without a position a group would begin at the earliest record. */
function rangesOf(target: Target): Ranges {
  const { start, end, after } = target
  const before = target.before ?? upTo(start)
  return {
    target,
    readAgain: difference(before, after, start, end),
    skipped: difference(after, before, start, end),
  }
}

async function timesOf(
  use: UseAdmin,
  epochs: readonly EpochRecord[],
  all: readonly Ranges[],
  pick: (ranges: Ranges) => readonly FinishedRange[],
): Promise<TimeRange | null> {
  const looks = all
    .filter((ranges) => pick(ranges).length > 0)
    .slice(0, MOST_LOOKS)
    .flatMap((ranges) => {
      const [first, last] = [pick(ranges)[0]!.first, pick(ranges).at(-1)!.end - 1n]
      return [first, last].map((offset) => ({ target: ranges.target, offset }))
    })
  const times: number[] = []
  let isComplete = true
  for (let from = 0; from < looks.length; from += LOOKS_AT_ONCE) {
    const part = looks.slice(from, from + LOOKS_AT_ONCE).map(async ({ target, offset }) => {
      const { cluster, topic } = epochs.find(({ epoch }) => epoch === target.epoch)!
      try {
        const record = await use(cluster, `looking for a record of ${topic}`, (admin) =>
          admin.recordAt(topic, target.partition, offset),
        )
        return record?.timestampMs
      } catch (error) {
        if (!(error instanceof MqError) || !error.retryable) throw error
        isComplete = false
        return undefined
      }
    })
    times.push(...(await Promise.all(part)).filter((time) => time !== undefined))
  }
  return times.length === 0 || !isComplete ? null : { oldestMs: Math.min(...times), newestMs: Math.max(...times) }
}
