/**
 * How much came into a topic, from the ends of its logs and the first record of the last 24 hours (observation.ts, O2).
 */
import type { TopicOffsets } from '@mq/kafka'
import type { ObservedRate } from './observation.ts'
import type { PartitionLog } from './sampling.ts'

const DAY_MS = 86_400_000
const LEAST_SPAN_MS = 60_000
/** A record from the future says nothing about when it came. */
const CLOCK_SKEW_MS = 60_000

/** O2: the last day where the log reaches back that far, else since its first record; null when neither can be told. */
export function rateOf(logs: readonly PartitionLog[], dayAgo: TopicOffsets, nowMs: number): ObservedRate | null {
  let records = 0
  let firstMs = nowMs
  let reachesBack = false
  for (const { partition, earliest, latest } of logs) {
    const first = dayAgo.get(partition)
    // Nothing since: the whole day was quiet here, and whatever the log holds is older.
    if (first === undefined) {
      if (latest > earliest) reachesBack = true
      continue
    }
    records += latest - Math.max(first.offset, earliest)
    if (first.offset > earliest) reachesBack = true
    if (first.timestampMs !== null) firstMs = Math.min(firstMs, first.timestampMs)
  }
  if (records === 0) return { recordsPerSecond: 0, basis: 'last-24h', overMs: DAY_MS }
  if (reachesBack) return { recordsPerSecond: records / (DAY_MS / 1_000), basis: 'last-24h', overMs: DAY_MS }
  const overMs = nowMs - firstMs
  if (overMs < LEAST_SPAN_MS || overMs > DAY_MS + CLOCK_SKEW_MS) return null
  return { recordsPerSecond: (records / overMs) * 1_000, basis: 'since-first-record', overMs }
}

export function quietPartitions(logs: readonly PartitionLog[], dayAgo: TopicOffsets | undefined): number | null {
  return dayAgo === undefined ? null : logs.filter(({ partition }) => dayAgo.get(partition) === undefined).length
}
