/**
 * The workload of an mQ ID as the economics take it, from what was measured and what its owner declared.
 *
 * W1. What was measured wins; what was not is taken from the intent and the epoch, and never from an average of others.
 * W2. Peaks: the larger of what was seen and what the owner expects.
 * W3. What compaction leaves follows from no rate: a log of the latest record per key is what it holds now, where that was seen.
 */
import type { ShadowSample } from '@mq/contract'
import type { CodecCurve, Workload } from '@mq/economics'
import type { ActiveId } from '../registry/records.ts'
import type { TrafficProfile } from './profile.ts'

const BATCH_HEADER_BYTES = 61
/** Headers count when they are more than what a histogram rounds. */
const ROUNDED = 1.02

/** @param logBytes one copy of the open epoch as it lies on disk; null while nobody looked */
export function workloadOf(profile: TrafficProfile, record: ActiveId, logBytes: number | null = null): Workload {
  const { intent } = record.spec
  const partitions = record.epochs.find(({ state }) => state === 'open')?.partitions ?? 1
  const sizes = profile.recordSizes.mean()
  const isKeyed = profile.keyedShare === null ? intent.ordering === 'key' : profile.keyedShare >= 0.5
  return {
    recordsPerSecond: profile.recordsPerSecond,
    peakMultiple: Math.max(profile.peakMultiple, ...intent.peaks.map(({ multiple }) => multiple)),
    recordBytes: sizes !== null && sizes > profile.recordBytes * ROUNDED ? sizes : profile.recordBytes,
    framedBytes: profile.framedBytes,
    producers: Math.max(1, Math.round(profile.sendersAtOnce)),
    keyed: isKeyed,
    busiestPartitionShare: isKeyed ? Math.max(1 / partitions, profile.busiestPartitionShare ?? 0) : 1 / partitions,
    // Bursts of g records on average, of very different sizes, vary 2 g - 1 times as much as records that come one by one.
    dispersion: profile.dispersion === null ? 1 : Math.max(0, 2 * profile.dispersion - 1),
    groups: profile.groups
      .filter(({ members, recordsPerSecond }) => members > 0 || recordsPerSecond > 0)
      .map(({ group, members }) => ({ group, members: Math.max(1, members) })),
    curves: curvesOf(profile.shadow),
    retainedBytes: intent.retention.policy === 'latest-per-key' ? logBytes : null,
    observedMs: profile.observedMs,
    records: profile.records,
    source: 'measured',
  }
}

/** One curve for each codec and level, by rising depth; the header of a batch, which no codec touches, is taken off. */
export function curvesOf(samples: readonly ShadowSample[]): CodecCurve[] {
  return [...Map.groupBy(samples, ({ codec, codecLevel }) => `${codec} ${codecLevel}`).values()].map((same) => ({
    codec: same[0]!.codec,
    codecLevel: same[0]!.codecLevel,
    source: 'measured',
    points: [...same]
      .sort((a, b) => a.depth - b.depth)
      .map((sample) => ({
        depth: sample.depth,
        uncompressedBytes: sample.uncompressedBytes - BATCH_HEADER_BYTES,
        compressedBytes: sample.compressedBytes - BATCH_HEADER_BYTES,
        compressUs: sample.compressUs,
        decompressUs: sample.decompressUs,
      })),
  }))
}
