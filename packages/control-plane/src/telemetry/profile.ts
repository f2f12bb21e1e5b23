/**
 * What is known of the traffic of one mQ ID, in the words its consumers need: the loops, the economics, the twins.
 *
 * F1. Everything here is bounded, whatever clients report; what was left out is counted.
 * F2. A figure nobody reported is null, never a guess: whoever needs one chooses its own assumption and says so.
 */
import type { ShadowSample } from '@mq/contract'
import { type IdTraffic, INSTANCE_AWAY_MS, WINDOW_MS } from './id-traffic.ts'
import { busiestPartitionShare, distinctKeys } from './shape.ts'
import type { Sketch } from './sketch.ts'

/** What one process did under one set of settings in the window of one report. */
export interface InstanceWindow {
  /** As `binding.trial.instances` names it. */
  readonly instance: string
  readonly app: string
  readonly zone: string | null
  readonly epoch: number
  /** By the clock of the control plane: of one report, as long as that report's window. */
  readonly windowStartMs: number
  readonly windowMs: number
  /** How long in this window these settings were in force. */
  readonly activeMs: number
  readonly records: number
  readonly recordBytes: number
  readonly batches: number
  readonly requests: number
  readonly uncompressedBytes: number
  readonly wireBytes: number
  /** Of encoding and compressing; null from a client that does not measure it. */
  readonly cpuUs: number | null
  readonly errors: number
  readonly retries: number
  readonly bufferBytesMax: number
  readonly sendLatency: Sketch
  /** The decision whose trial these settings were, null for the settings of the binding. */
  readonly trial: number | null
  readonly settings: {
    readonly codec: string
    readonly codecLevel: number | null
    readonly lingerMs: number
    readonly batchBytesLimit: number | null
  }
}

export interface GroupProfile {
  readonly group: string
  /** Processes that read for it within the last minute. */
  readonly members: number
  readonly recordsPerSecond: number
  readonly fetchRequestsPerSecond: number | null
  readonly lagRecords: number | null
  readonly endToEnd: Sketch
}

/** One mQ ID over the time it was watched, at most the last hour, newest counting most where it says so. */
export interface TrafficProfile {
  readonly mqId: string
  /** How long traffic was watched (id-traffic I5), and how much of it there was. */
  readonly observedMs: number
  readonly records: number
  /** Over `observedMs`, idle windows included. */
  readonly recordsPerSecond: number
  /** The busiest 10 s over the mean. */
  readonly peakMultiple: number
  /** Key and value, mean. */
  readonly recordBytes: number
  /** In an uncompressed batch, without the share of the header, mean. */
  readonly framedBytes: number
  readonly wireBytesPerRecord: number
  readonly recordsPerBatch: number
  readonly recordSizes: Sketch
  readonly batchDepths: Sketch
  readonly sendLatency: Sketch
  /** Processes that sent within the last minute. */
  readonly producers: number
  /** Processes that sent at the same time, mean over `observedMs`: of those that are gone and those that are new, as long as they sent. */
  readonly sendersAtOnce: number
  readonly partitionsSeen: number
  /** Of the records; null when no client said where they went. */
  readonly busiestPartitionShare: number | null
  /** Of the sampled records that have a key; null when none was sampled. */
  readonly keyedShare: number | null
  readonly distinctKeys: number | null
  /** Largest first. */
  readonly topKeyShares: readonly number[]
  readonly dispersion: number | null
  readonly producerCpuUsPerRecord: number | null
  readonly groups: readonly GroupProfile[]
  /** By zone, of the records sent; empty when no process says its zone. */
  readonly zones: readonly { readonly zone: string; readonly share: number }[]
  /** Latest measurements by codec, level and depth; means over instances, outliers left out. */
  readonly shadow: readonly ShadowSample[]
  /** Reports or parts of reports that were left out because no honest client sends them. */
  readonly outliers: number
}

const BATCH_HEADER_BYTES = 61
const TOP_KEYS = 8

/** Null when nothing was sent that is still remembered. */
export function profileOf(mqId: string, traffic: IdTraffic, nowMs: number): TrafficProfile | null {
  const { slice, ms, sendersAtOnce, peakRecords } = traffic.watched(nowMs)
  const { producer, sendLatency } = slice
  const shape = slice.shape!
  const { records, batches } = producer
  if (records < 1) return null
  const observedMs = Math.max(1, Math.round(ms))
  const perSecond = (records * 1_000) / observedMs
  const isFresh = (atMs: number): boolean => atMs > nowMs - INSTANCE_AWAY_MS
  const { samples, dropped } = traffic.findings.merged(nowMs)
  return {
    mqId,
    observedMs,
    records: Math.round(records),
    recordsPerSecond: perSecond,
    // Less than a window says nothing of peaks.
    peakMultiple: observedMs < 2 * WINDOW_MS ? 1 : Math.max(1, peakRecords / (WINDOW_MS / 1_000) / perSecond),
    recordBytes: producer.recordBytes / records,
    framedBytes: Math.max(1, (producer.uncompressedBytes - batches * BATCH_HEADER_BYTES) / records),
    wireBytesPerRecord: producer.wireBytes / records,
    recordsPerBatch: batches > 0 ? records / batches : 1,
    recordSizes: shape.sizes,
    batchDepths: shape.depths,
    sendLatency,
    producers: [...traffic.senders.values()].filter(({ atMs }) => isFresh(atMs)).length,
    sendersAtOnce,
    partitionsSeen: shape.partitionsSeen,
    busiestPartitionShare: busiestPartitionShare(shape),
    keyedShare: shape.keysSampled > 0 ? shape.keysKeyed / shape.keysSampled : null,
    distinctKeys: distinctKeys(shape),
    topKeyShares: shape.keysKeyed > 0 ? shape.topSums.slice(0, TOP_KEYS).map((sum) => sum / shape.keysKeyed) : [],
    dispersion: shape.dispersionBatches > 0 ? shape.dispersionSum / shape.dispersionBatches : null,
    producerCpuUsPerRecord: producer.cpuRecords > 0 ? producer.cpuUs / producer.cpuRecords : null,
    groups: [...slice.groups].map(([group, { counts, endToEnd }]) => {
      const readers = [...(traffic.readers.get(group)?.values() ?? [])].filter(({ atMs }) => isFresh(atMs))
      const lags = readers.flatMap((one) => one.records ?? [])
      return {
        group,
        members: readers.length,
        recordsPerSecond: (counts.records * 1_000) / observedMs,
        fetchRequestsPerSecond: counts.fetchRequests > 0 ? (counts.fetchRequests * 1_000) / observedMs : null,
        lagRecords: lags.length === 0 ? null : lags.reduce((sum, lag) => sum + lag, 0),
        endToEnd,
      }
    }),
    zones: [...shape.zones]
      .map(([zone, sent]) => ({ zone, share: sent / shape.zonedRecords }))
      .sort((a, b) => b.share - a.share),
    shadow: samples,
    outliers: traffic.outliers + dropped,
  }
}
