/**
 * How much comes into a topic: from what its logs grew by between two looks, and from the times of its records where those can be
 * believed (observation.ts, O2).
 *
 * Q1. The time of a record is what its producer says. It tells when records came only where the broker writes it, or where the
 *     records that came while the topic was watched carry the times of those moments.
 * Q2. Growth that was watched wins over times that say otherwise; where both may be true, the rate is a range that holds both.
 * Q3. A rate seen for less than a day is a range, and the wider the shorter; what nothing is known of is null, never 0.
 */
import type { TopicOffsets } from '@mq/kafka'
import type { ObservedGrowth, ObservedRate, TimesOfRecords } from './observation.ts'
import type { PartitionLog } from './sampling.ts'

const HOUR_MS = 3_600_000
const DAY_MS = 24 * HOUR_MS
/** As good as a day: the rest is the edge of the question. */
const WHOLE_MS = 20 * HOUR_MS
const LEAST_SPAN_MS = 60_000
/** How far the clocks of producers, brokers and this machine may differ. */
export const CLOCK_SKEW_MS = 60_000
/** Seen growth and growth by times differ by more: a burst, or a spell of quiet. */
const FAR_APART = 5
/** Fewer records say nothing about a rate. */
const ENOUGH_SEEN = 10
/** With this many expected and none seen, the rate is lower with 95 % certainty. */
const NONE_SEEN = 3

export interface RateEvidence {
  readonly logs: readonly PartitionLog[]
  /** First record of each partition with a time of the last 24 hours; null where that could not be asked. */
  readonly day: TopicOffsets | null
  readonly watched: ObservedGrowth | null
  readonly times: TimesOfRecords
  readonly compacted: boolean
  readonly nowMs: number
}

interface ByTimes {
  readonly perSecond: number
  readonly spanMs: number
}

/** Q1-Q3 */
export function rateOf(evidence: RateEvidence): ObservedRate | null {
  const { logs, watched, times, compacted } = evidence
  if (logs.every(({ latest }) => latest === 0) && (watched?.offsets ?? 0) === 0) {
    // An end offset of 0 is no matter of times: nothing ever came.
    return { recordsPerSecond: 0, from: 0, to: 0, basis: 'never', overMs: watched?.overMs ?? 0, confidence: 'high' }
  }
  const told = byTimes(evidence)
  const seen = watched === null || watched.overMs === 0 ? null : (watched.offsets / watched.overMs) * 1_000
  // Compaction takes away records that came: their count by times is too low, whoever wrote the times.
  const trusted = compacted ? 'unknown' : times
  if (seen === null) return told === null || told.perSecond === 0 || compacted ? null : untested(told, trusted)
  if (watched!.offsets === 0) return quiet(told, trusted, watched!)
  const believed = times === 'append' || times === 'arrival'
  if (believed && told !== null && told.perSecond > 0 && told.spanMs >= LEAST_SPAN_MS && !compacted) {
    return agreed(told, seen, watched!)
  }
  return byWatching(seen, watched!, times === 'astray' ? null : told)
}

/** Times that are those of arrival, and growth that was seen. */
function agreed(told: ByTimes, seen: number, watched: ObservedGrowth): ObservedRate {
  const { perSecond, spanMs } = told
  const low = Math.min(perSecond, seen)
  const high = Math.max(perSecond, seen)
  const basis = spanMs >= DAY_MS ? 'last-24h' : 'since-first-record'
  if (spanMs < WHOLE_MS) {
    const factor = spread(spanMs)
    const confidence = spanMs >= HOUR_MS ? 'medium' : 'low'
    return { recordsPerSecond: perSecond, from: low / factor, to: high * factor, basis, overMs: spanMs, confidence }
  }
  const expected = (perSecond * watched.overMs) / 1_000
  const isApart = Math.max(expected, watched.offsets) >= ENOUGH_SEEN && high > low * FAR_APART
  return {
    recordsPerSecond: perSecond,
    from: isApart ? low : perSecond,
    to: isApart ? high : perSecond,
    basis,
    overMs: spanMs,
    confidence: isApart ? 'medium' : 'high',
  }
}

/** Q2 */
function byWatching(seen: number, watched: ObservedGrowth, told: ByTimes | null): ObservedRate {
  const factor = spread(watched.overMs)
  // Few records: their count is off by its root.
  const missed = (2 * Math.sqrt(watched.offsets) * 1_000) / watched.overMs
  return {
    recordsPerSecond: seen,
    from: Math.max(0, Math.min(seen / factor, seen - missed, told === null ? seen : Math.max(told.perSecond, 0))),
    to: Math.max(seen * factor, seen + missed, told?.perSecond ?? 0),
    basis: 'watched',
    overMs: watched.overMs,
    confidence: watched.overMs >= WHOLE_MS ? 'high' : watched.overMs >= HOUR_MS ? 'medium' : 'low',
  }
}

/** Nothing came while it was watched. */
function quiet(told: ByTimes | null, times: TimesOfRecords, watched: ObservedGrowth): ObservedRate {
  const { overMs } = watched
  const most = overMs >= WHOLE_MS ? 0 : (NONE_SEEN * 1_000) / overMs
  if (told !== null && told.perSecond > 0) {
    const isWhole = told.spanMs >= WHOLE_MS
    const basis = told.spanMs >= DAY_MS ? 'last-24h' : 'since-first-record'
    const { perSecond, spanMs } = told
    if (isWhole && times === 'append') {
      return { recordsPerSecond: perSecond, from: perSecond, to: perSecond, basis, overMs: spanMs, confidence: 'high' }
    }
    const expected = (perSecond * overMs) / 1_000
    // What came in one go and is over says nothing about a month.
    const isOver = !isWhole && expected >= NONE_SEEN
    return {
      recordsPerSecond: isOver ? 0 : perSecond,
      from: 0,
      to: Math.max(perSecond * (isWhole ? 1.1 : spread(spanMs)), most),
      basis,
      overMs: spanMs,
      confidence: isWhole && expected < NONE_SEEN ? 'medium' : 'low',
    }
  }
  return {
    recordsPerSecond: 0,
    from: 0,
    to: times === 'append' && told !== null ? 0 : most,
    basis: 'watched',
    overMs,
    confidence: times === 'append' && told !== null ? 'high' : overMs >= WHOLE_MS ? 'high' : 'medium',
  }
}

/** Without watching only the times of records are there. */
function untested(told: ByTimes, times: TimesOfRecords): ObservedRate {
  const { perSecond, spanMs } = told
  const basis = spanMs >= DAY_MS ? 'last-24h' : 'since-first-record'
  const isKnown = times === 'append' && spanMs >= WHOLE_MS
  const factor = spread(spanMs)
  return {
    recordsPerSecond: perSecond,
    from: isKnown ? perSecond : 0,
    to: isKnown ? perSecond : perSecond * Math.max(2, factor),
    basis,
    overMs: spanMs,
    confidence: isKnown ? 'high' : 'low',
  }
}

/** Q3: how far a month may be from what was seen for a while. A day has its hours, and minutes have their bursts. */
function spread(overMs: number): number {
  if (overMs >= WHOLE_MS) return 1
  return overMs >= HOUR_MS ? 2 : 4
}

function byTimes({ logs, day, nowMs }: RateEvidence): ByTimes | null {
  if (day === null) return null
  let records = 0
  let firstMs = nowMs
  let reachesBack = false
  for (const { partition, earliest, latest } of logs) {
    const first = day.get(partition)
    // Nothing since: whatever the log holds is older.
    if (first === undefined) {
      if (latest > earliest) reachesBack = true
      continue
    }
    records += latest - Math.max(first.offset, earliest)
    if (first.offset > earliest) reachesBack = true
    if (first.timestampMs !== null) firstMs = Math.min(firstMs, first.timestampMs)
  }
  if (records === 0) return { perSecond: 0, spanMs: DAY_MS }
  if (reachesBack) return { perSecond: records / (DAY_MS / 1_000), spanMs: DAY_MS }
  const spanMs = nowMs - firstMs
  if (spanMs <= 0 || spanMs > DAY_MS + CLOCK_SKEW_MS) return null
  return { perSecond: (records / spanMs) * 1_000, spanMs }
}

/**
 * Q1: whether records carry the times at which they came: those that came while it was watched must be the ones with such times.
 *
 * @param recent first record of each partition with a time since shortly before the watch began
 * @param ends where its logs ended after it
 */
export function timesOf(
  isAppendTime: boolean,
  watched: ObservedGrowth | null,
  recent: TopicOffsets | null,
  ends: ReadonlyMap<number, number>,
): TimesOfRecords {
  if (isAppendTime) return 'append'
  if (watched === null || watched.offsets === 0 || recent === null) return 'unknown'
  let told = 0
  for (const [partition, end] of ends) {
    const first = recent.get(partition)
    if (first !== undefined) told += end - first.offset
  }
  const longer = (watched.overMs + CLOCK_SKEW_MS) / watched.overMs
  return told >= watched.offsets * 0.9 && told <= FAR_APART * watched.offsets * longer ? 'arrival' : 'astray'
}

/** Partitions without a record of the last day; null where times do not tell. */
export function quietPartitions(
  logs: readonly PartitionLog[],
  day: TopicOffsets | null,
  times: TimesOfRecords,
): number | null {
  const never = logs.filter(({ latest }) => latest === 0).length
  if (never === logs.length) return never
  if (day === null || (times !== 'append' && times !== 'arrival')) return null
  return logs.filter(({ partition }) => day.get(partition) === undefined).length
}
