/**
 * Whether the traffic of an mQ ID has become another workload than the one that was last tried.
 *
 * D1. Pure. Small changes are none; a workload seen too briefly has not drifted.
 * D2. What is compared is what decides about configurations: rate, sizes, how well it compresses, keys, how many send.
 */
import { codecName, type Workload } from '@mq/economics'

/** What is remembered of a workload. */
export interface WorkloadMark {
  readonly recordsPerSecond: number
  readonly recordBytes: number
  readonly producers: number
  readonly keyed: boolean
  /** Of zstd level 1 at the deepest point that was measured up to MARK_DEPTH; null where nothing was measured. */
  readonly ratio: number | null
}

export interface DriftRule {
  readonly rateFactor: number
  readonly sizeShare: number
  readonly ratioShare: number
  readonly producerFactor: number
  readonly leastRecords: number
  readonly leastObservedMs: number
}

export const DRIFT_RULE: DriftRule = {
  rateFactor: 2,
  sizeShare: 0.3,
  ratioShare: 0.2,
  producerFactor: 2,
  leastRecords: 10_000,
  leastObservedMs: 600_000,
}

const MARK_DEPTH = 64

export function markOf(workload: Workload): WorkloadMark {
  const curve = workload.curves.find(
    (one) => one.source === 'measured' && codecName(one.codec, one.codecLevel) === 'zstd-1',
  )
  const point = curve?.points.filter(({ depth }) => depth <= MARK_DEPTH).toSorted((a, b) => b.depth - a.depth)[0]
  return {
    recordsPerSecond: workload.recordsPerSecond,
    recordBytes: workload.recordBytes,
    producers: workload.producers,
    keyed: workload.keyed,
    ratio: point === undefined ? null : point.uncompressedBytes / point.compressedBytes,
  }
}

/** Why it is another workload, in words; null when it is not (D1). */
export function driftOf(before: WorkloadMark, now: Workload, rule: DriftRule = DRIFT_RULE): string | null {
  if (now.records < rule.leastRecords || now.observedMs < rule.leastObservedMs) return null
  const mark = markOf(now)
  const factor = (a: number, b: number): number => (a <= 0 || b <= 0 ? 1 : Math.max(a / b, b / a))
  const text = (value: number): string => (value >= 100 ? String(Math.round(value)) : value.toPrecision(3))
  if (factor(mark.recordsPerSecond, before.recordsPerSecond) >= rule.rateFactor) {
    return `the rate went from ${text(before.recordsPerSecond)} to ${text(mark.recordsPerSecond)} records a second`
  }
  if (factor(mark.recordBytes, before.recordBytes) >= 1 + rule.sizeShare) {
    return `records went from ${text(before.recordBytes)} to ${text(mark.recordBytes)} bytes`
  }
  if (mark.ratio !== null && before.ratio !== null && factor(mark.ratio, before.ratio) >= 1 + rule.ratioShare) {
    return `zstd level 1 went from ${text(before.ratio)} to ${text(mark.ratio)} times smaller`
  }
  if (mark.keyed !== before.keyed) return mark.keyed ? 'records got keys' : 'records lost their keys'
  if (factor(mark.producers, before.producers) >= rule.producerFactor) {
    return `${before.producers} processes sent, now ${mark.producers} do`
  }
  return null
}
