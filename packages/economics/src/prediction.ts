/**
 * What a configuration will do with a workload on a cluster: bytes, requests, CPU and latency (F1, F2, F6, F7, F8).
 *
 * R1. Pure: the same input gives the same prediction.
 * R3. Latency holds for the rate given; the rate of an expected peak is asked for by its own prediction (`atPeak`).
 */
import { BATCH_HEADER_BYTES } from './batching.ts'
import { brokerCpuUs } from './broker-load.ts'
import type { ClusterModel } from './cluster-model.ts'
import { assumedCurve, codecName, curveLikeMeasured, FittedCurve } from './codec-curve.ts'
import type { Configuration } from './configuration.ts'
import { consuming } from './consuming.ts'
import { producing } from './producing.ts'
import { storedBytes } from './storage.ts'
import type { Workload } from './workload.ts'

export interface Prediction {
  readonly recordsPerBatch: number
  /** Bytes of records before over after compression. */
  readonly ratio: number
  readonly codecSource: 'measured' | 'assumed'
  readonly wireBytesPerRecord: number
  /** In a batch of the same depth without a codec: what vendors bill who bill uncompressed bytes. */
  readonly logicalBytesPerRecord: number
  readonly batchesPerSecond: number
  readonly produceRequestsPerSecond: number
  readonly fetchRequestsPerSecond: number
  readonly producerCpuUsPerRecord: number
  /** Of all groups together. */
  readonly consumerCpuUsPerRecord: number
  readonly brokerCpuUsPerRecord: number
  readonly sendP50Ms: number
  readonly sendP99Ms: number
  readonly endToEndP99Ms: number
  /** What one producer holds in memory. */
  readonly bufferBytes: number
  /** One copy. */
  readonly localBytes: number
  readonly remoteBytes: number
  /** R4 */
  readonly saturated: boolean
}

/** @param curve of the configuration's codec, when it was fitted before */
export function predict(
  workload: Workload,
  configuration: Configuration,
  cluster: ClusterModel,
  curve: FittedCurve = curveOf(workload, configuration),
): Prediction {
  const produced = producing(workload, configuration, cluster.constants, curve)
  const consumed = consuming(workload, configuration, cluster, produced, curve)
  const { recordsPerSecond: rate, groups, framedBytes } = workload
  const wireBytesPerSecond = rate * produced.wireBytesPerRecord
  const stored = storedBytes({
    wireBytesPerSecond,
    partitions: configuration.partitions,
    retentionMs: configuration.retentionMs,
    localRetentionMs: configuration.localRetentionMs,
    retainedBytes: workload.retainedBytes,
  })
  return {
    recordsPerBatch: produced.depth,
    ratio: produced.ratio,
    codecSource: curve.curve.source,
    wireBytesPerRecord: produced.wireBytesPerRecord,
    logicalBytesPerRecord: framedBytes + BATCH_HEADER_BYTES / produced.depth,
    batchesPerSecond: rate / produced.depth,
    produceRequestsPerSecond: produced.requestsPerSecond,
    fetchRequestsPerSecond: consumed.requestsPerSecond,
    producerCpuUsPerRecord: produced.cpuUsPerRecord,
    consumerCpuUsPerRecord: consumed.cpuUsPerRecord,
    brokerCpuUsPerRecord: brokerCpuUs(cluster, configuration, groups.length, {
      records: rate,
      wireBytes: wireBytesPerSecond,
      uncompressedBytes: rate * framedBytes,
      produceRequests: produced.requestsPerSecond,
      fetchRequests: consumed.requestsPerSecond,
    }),
    sendP50Ms: produced.latency.p50,
    sendP99Ms: produced.latency.p99,
    endToEndP99Ms: consumed.endToEndP99Ms,
    bufferBytes: produced.bufferBytes,
    localBytes: stored.localBytes,
    remoteBytes: stored.remoteBytes,
    saturated: produced.saturated,
  }
}

/** The workload at the peak it is expected to reach (R3). */
export function atPeak(workload: Workload): Workload {
  return workload.peakMultiple === 1
    ? workload
    : { ...workload, recordsPerSecond: workload.recordsPerSecond * workload.peakMultiple, peakMultiple: 1 }
}

/** The workload's own curve for the codec, or one that is assumed, by other codecs on the same records where there are any. */
export function curveOf(
  workload: Pick<Workload, 'curves' | 'framedBytes'>,
  { codec, codecLevel }: Pick<Configuration, 'codec' | 'codecLevel'>,
): FittedCurve {
  const { curves, framedBytes } = workload
  const name = codecName(codec, codecLevel)
  for (const own of curves) {
    if (own.codec !== codec || own.points.length === 0 || codecName(own.codec, own.codecLevel) !== name) continue
    return new FittedCurve(own, framedBytes)
  }
  const like = curveLikeMeasured(codec, codecLevel, curves, framedBytes)
  return new FittedCurve(like ?? assumedCurve(codec, codecLevel, framedBytes), framedBytes)
}
