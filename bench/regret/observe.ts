/**
 * What mQ would know of a workload in production: a short run with the starting settings, and what codecs make of its batches.
 */
import type { ProducerSettings } from '@mq/contract'
import type { CodecCurve, Workload } from '@mq/economics'
import { measureCodecs, partitionOf, probeBatchOf } from '@mq/kafka'
import type { TrialFigures } from './sweep.ts'
import { type BenchWorkload, trafficOf } from './workloads.ts'

const HEADER_BYTES = 61

export function observed(workload: BenchWorkload, figures: TrialFigures, _start: ProducerSettings): Workload {
  const { sent } = figures
  const sample = workload.messages.slice(0, 2_048).map(({ key, value }, n) => ({
    key: key === null ? null : Buffer.from(key),
    value: Buffer.from(value),
    headers: undefined,
    timestampMs: Date.now() + n,
  }))
  const cpuUs = (): number => {
    const { user, system } = process.threadCpuUsage()
    return user + system
  }
  const curves = new Map<string, { curve: CodecCurve; points: CodecCurve['points'][number][] }>()
  for (const one of measureCodecs([probeBatchOf(sample)], cpuUs)) {
    const key = `${one.codec}-${one.codecLevel}`
    const known = curves.get(key) ?? {
      curve: { codec: one.codec, codecLevel: one.codecLevel, source: 'measured' as const, points: [] },
      points: [],
    }
    known.points.push({
      depth: one.depth,
      uncompressedBytes: one.uncompressedBytes - HEADER_BYTES,
      compressedBytes: one.compressedBytes - HEADER_BYTES,
      compressUs: one.compressUs,
      decompressUs: one.decompressUs,
    })
    curves.set(key, known)
  }
  const counts = new Map<number, number>()
  for (const { key } of workload.messages) {
    if (key !== null) {
      const partition = partitionOf(key, workload.partitions)
      counts.set(partition, (counts.get(partition) ?? 0) + 1)
    }
  }
  const forMs = 10_000
  const { dueMs } = trafficOf(workload, forMs, 77)
  const bins = Array.from({ length: forMs / 100 }, () => 0)
  for (const at of dueMs) bins[Math.floor(at / 100)]!++
  const mean = bins.reduce((sum, one) => sum + one, 0) / bins.length
  const variance = bins.reduce((sum, one) => sum + (one - mean) ** 2, 0) / bins.length
  return {
    recordsPerSecond: (sent.records / sent.windowMs) * 1_000,
    peakMultiple: 1,
    recordBytes: sent.recordBytes / sent.records,
    framedBytes: (sent.uncompressedBytes - HEADER_BYTES * sent.batches) / sent.records,
    producers: 1,
    keyed: workload.isKeyed,
    busiestPartitionShare: counts.size === 0 ? 0 : Math.max(...counts.values()) / workload.messages.length,
    dispersion: variance / mean,
    groups: [{ group: 'bench', members: 1 }],
    curves: [...curves.values()].map(({ curve, points }) => ({ ...curve, points })),
    retainedBytes: null,
    observedMs: 3_600_000,
    records: sent.records,
    source: 'measured',
  }
}
