/**
 * What a configuration will do with a workload on a cluster: bytes, requests, CPU and latency (F1, F2, F6, F7, F8).
 *
 * R1. Pure: the same input gives the same prediction.
 * R2. Bytes on the wire of a record: (61 + records / ratio) / depth. The header is never compressed; a batch that would grow, or is
 *     too small to gain anything, goes uncompressed, as mQ sends it.
 * R3. Latency holds for the rate given; the rate of an expected peak is asked for by its own prediction (`atPeak`).
 * R4. A partition that cannot carry its share of the rate is `saturated`: its latency is the deadline of sends, not a guess.
 */
import {
  BATCH_HEADER_BYTES,
  type Batching,
  closeBatch,
  maxRecordsPerBatch,
  type OpenBatch,
  openBatch,
} from './batching.ts'
import type { ClusterModel } from './cluster-model.ts'
import { assumedCurve, codecName, FittedCurve } from './codec-curve.ts'
import type { Configuration } from './configuration.ts'
import type { ModelConstants } from './model-constants.ts'
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

/** Latency of what never gets through: the deadline of a send. */
export const SATURATED_MS = 120_000
/** mQ leaves batches of fewer bytes of records as they are. */
const SMALLEST_COMPRESSED_BYTES = 128
const REQUEST_BYTES = 1_048_576
const MIB = 1_024 ** 2

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

/** The workload's own curve for the codec, or the assumed one. */
export function curveOf(
  workload: Pick<Workload, 'curves' | 'framedBytes'>,
  { codec, codecLevel }: Pick<Configuration, 'codec' | 'codecLevel'>,
): FittedCurve {
  const name = codecName(codec, codecLevel)
  for (const own of workload.curves) {
    if (own.codec !== codec || own.points.length === 0 || codecName(own.codec, own.codecLevel) !== name) continue
    return new FittedCurve(own, workload.framedBytes)
  }
  return new FittedCurve(assumedCurve(codec, codecLevel, workload.framedBytes), workload.framedBytes)
}

export interface Latency {
  readonly mean: number
  readonly p50: number
  readonly p99: number
}

export interface Produced {
  readonly depth: number
  readonly ratio: number
  readonly wireBytesPerRecord: number
  readonly requestsPerSecond: number
  readonly cpuUsPerRecord: number
  readonly latency: Latency
  readonly bufferBytes: number
  readonly saturated: boolean
}

/** What producers do: F1, F2, F7 and the sending half of F8. */
export function producing(
  workload: Workload,
  configuration: Pick<Configuration, 'partitions' | 'lingerMs' | 'batchBytes'>,
  constants: ModelConstants,
  curve: FittedCurve,
): Produced {
  const open = openBatches(workload, configuration, constants)
  return closeBatches(open, workload, constants, curve)
}

export interface OpenShare {
  readonly open: OpenBatch
  /** Of all records. */
  readonly share: number
}

/** The open batches of one producer, by linger alone: the same for every codec. */
export function openBatches(
  workload: Workload,
  configuration: Pick<Configuration, 'partitions' | 'lingerMs' | 'batchBytes'>,
  constants: ModelConstants,
): readonly OpenShare[] {
  const { partitions } = configuration
  const maxRecords = maxRecordsPerBatch(configuration.batchBytes, workload.framedBytes)
  const lingerMs = configuration.lingerMs === 0 ? 0 : configuration.lingerMs + constants.timerMs / 2
  const perProducer = workload.recordsPerSecond / 1_000 / workload.producers
  const { dispersion } = workload
  const one = (recordsPerMs: number, share: number, slots: number): OpenShare => ({
    open: openBatch({ recordsPerMs, dispersion, lingerMs, maxRecords, slots }),
    share,
  })
  // Without keys one partition is filled after the other, and all of them may be on the wire.
  if (!workload.keyed) return [one(perProducer, 1, partitions)]
  const busiest = Math.min(1, Math.max(1 / partitions, workload.busiestPartitionShare))
  const rest = 1 - busiest
  if (rest < 1e-9 || busiest * partitions < 1 + 1e-9) return [one(perProducer * busiest, 1, 1)]
  return [one(perProducer * busiest, busiest, 1), one((perProducer * rest) / (partitions - 1), rest, 1)]
}

/** The same batches, compressed and sent. */
export function closeBatches(
  opens: readonly OpenShare[],
  workload: Workload,
  constants: ModelConstants,
  curve: FittedCurve,
): Produced {
  const { framedBytes, recordsPerSecond, producers } = workload
  let batches = 0
  let wireBytes = 0
  let compressUs = 0
  let worst: Latency = { mean: 0, p50: 0, p99: 0 }
  let mean = 0
  let saturated = false
  for (const { open, share } of opens) {
    let flight = flightOf(open.lingered, framedBytes, constants, curve)
    let batching = closeBatch(open, flight.ms)
    // A batch grows while the one before is on the wire, and a longer batch takes longer: three rounds settle it.
    for (let round = 0; round < 3 && batching.depth !== open.lingered; round++) {
      flight = flightOf(batching.depth, framedBytes, constants, curve)
      batching = closeBatch(open, flight.ms)
    }
    const { depth } = batching
    batches += share / depth
    wireBytes += (share * flight.wireBytes) / flight.depth
    compressUs += (share * flight.compressUs) / flight.depth
    saturated ||= batching.saturated
    const latency = sendLatency(batching, flight, constants)
    mean += share * latency.mean
    if (share >= 0.01 && latency.p99 >= worst.p99) worst = latency
  }
  const requests = batches / requestsShare(recordsPerSecond, batches, wireBytes, producers)
  const bufferedMs = saturated ? SATURATED_MS : mean
  return {
    depth: 1 / batches,
    ratio: framedBytes / Math.max(1e-9, wireBytes - BATCH_HEADER_BYTES * batches),
    wireBytesPerRecord: wireBytes * constants.wireBias,
    requestsPerSecond: recordsPerSecond * requests,
    cpuUsPerRecord:
      constants.encodeUsPerRecord +
      constants.encodeUsPerByte * framedBytes +
      compressUs +
      constants.batchUs * batches +
      constants.requestUs * requests,
    latency: saturated ? { mean: SATURATED_MS, p50: SATURATED_MS, p99: SATURATED_MS } : worst,
    bufferBytes: (recordsPerSecond / producers / 1_000) * bufferedMs * framedBytes,
    saturated,
  }
}

interface Flight {
  readonly depth: number
  readonly ms: number
  readonly wireBytes: number
  readonly compressUs: number
}

/** R2 */
function flightOf(depth: number, framedBytes: number, constants: ModelConstants, curve: FittedCurve): Flight {
  const plain = depth * framedBytes
  const isCompressed = curve.curve.codec !== 'none' && plain >= SMALLEST_COMPRESSED_BYTES
  const records = isCompressed ? Math.min(plain, plain / curve.ratio(depth)) : plain
  const compressUs = isCompressed ? curve.compressUs(plain) : 0
  const wireBytes = BATCH_HEADER_BYTES + records
  return { depth, ms: constants.produceRttMs + (constants.ackMsPerMb * wireBytes) / 1e6, wireBytes, compressUs }
}

/** F8: waiting and the way there and back are independent, so that means add and what lies beyond them adds in squares. */
function sendLatency(batching: Batching, flight: Flight, constants: ModelConstants): Latency {
  const compressMs = flight.compressUs / 1_000
  const busy = Math.min(0.98, batching.utilisation)
  // Full batches stand in line for their partition; others grow instead.
  const queueMs = batching.full ? (busy * flight.ms) / (2 * (1 - busy)) : 0
  const mean = batching.waitMeanMs + compressMs + queueMs + flight.ms
  const wait = batching.waitP99Ms - batching.waitMeanMs
  const flown = constants.produceRttP99Ms - constants.produceRttMs
  const queued = queueMs * 3.6
  const tail = Math.sqrt(wait * wait + flown * flown + queued * queued)
  return { mean, p50: batching.waitP50Ms + compressMs + queueMs + flight.ms, p99: mean + tail }
}

/** Batches that are ready together for one broker share a request, up to 1 MiB. */
function requestsShare(
  recordsPerSecond: number,
  batchesPerRecord: number,
  wireBytesPerRecord: number,
  producers: number,
): number {
  const batchesPerMs = (recordsPerSecond * batchesPerRecord) / 1_000 / producers
  const room = Math.max(1, REQUEST_BYTES / Math.max(1, wireBytesPerRecord / batchesPerRecord))
  return Math.min(room, 1 + batchesPerMs)
}

export interface Consumed {
  readonly requestsPerSecond: number
  readonly cpuUsPerRecord: number
  readonly endToEndP99Ms: number
}

/** What consumers do: F6 and the receiving half of F8. */
export function consuming(
  workload: Workload,
  configuration: Pick<Configuration, 'partitions' | 'fetchMinBytes' | 'fetchMaxWaitMs' | 'followerFetch'>,
  cluster: Pick<ClusterModel, 'brokers' | 'leadingBrokers' | 'constants'>,
  produced: Produced,
  curve: FittedCurve,
): Consumed {
  const { constants } = cluster
  const links = linksOf(workload, configuration.partitions, cluster.leadingBrokers ?? cluster.brokers)
  const { requestsPerSecond, waitMs } = fetching(workload.recordsPerSecond, configuration, links, produced, constants)
  const rate = workload.recordsPerSecond
  return {
    requestsPerSecond,
    cpuUsPerRecord:
      decodingUs(workload.framedBytes, links.length, constants, produced.depth, curve) +
      (rate > 0 ? (constants.requestUs * requestsPerSecond) / rate : 0),
    endToEndP99Ms: endToEndP99Ms(produced, constants, waitMs, configuration.followerFetch),
  }
}

/** Connections over which each reading group polls: its members times the brokers that lead for them. */
export function linksOf(workload: Pick<Workload, 'groups'>, partitions: number, brokers: number): readonly number[] {
  return workload.groups
    .filter(({ members }) => members > 0)
    .map(({ members }) => members * Math.min(brokers, Math.ceil(partitions / members)))
}

/** F6: between a poll that finds nothing and one answer for every batch; never faster than the way there and back. */
export function fetching(
  recordsPerSecond: number,
  { fetchMinBytes, fetchMaxWaitMs }: Pick<Configuration, 'fetchMinBytes' | 'fetchMaxWaitMs'>,
  links: readonly number[],
  produced: Pick<Produced, 'wireBytesPerRecord' | 'depth'>,
  constants: Pick<ModelConstants, 'fetchRttMs'>,
): { readonly requestsPerSecond: number; readonly waitMs: number } {
  const bytesPerSecond = recordsPerSecond * produced.wireBytesPerRecord
  const batchesPerSecond = recordsPerSecond / produced.depth
  const missing = Math.max(0, fetchMinBytes - produced.wireBytesPerRecord * produced.depth)
  let requestsPerSecond = 0
  let waitMs = 0
  for (const count of links) {
    const wanted = Math.min(
      bytesPerSecond / count / Math.max(1, fetchMinBytes),
      batchesPerSecond / count,
      1_000 / Math.max(0.1, constants.fetchRttMs),
    )
    requestsPerSecond += count * Math.max(1_000 / fetchMaxWaitMs, wanted)
    if (missing > 0) {
      const fillMs = bytesPerSecond > 0 ? (missing * count * 1_000) / bytesPerSecond : Number.POSITIVE_INFINITY
      waitMs = Math.max(waitMs, Math.min(fetchMaxWaitMs, fillMs))
    }
  }
  return { requestsPerSecond, waitMs }
}

/** CPU of taking one record out of its batch, in every group. */
export function decodingUs(
  framedBytes: number,
  groups: number,
  constants: ModelConstants,
  depth: number,
  curve: FittedCurve,
): number {
  return (
    groups *
    (constants.decodeUsPerRecord +
      constants.decodeUsPerByte * framedBytes +
      (curve.decompressUs(depth * framedBytes) + constants.batchUs) / depth)
  )
}

/** F8, the receiving half: a poll that waits for more bytes, and a follower that is behind. */
export function endToEndP99Ms(
  { latency, saturated }: Pick<Produced, 'latency' | 'saturated'>,
  constants: ModelConstants,
  waitMs: number,
  followerFetch: boolean,
): number {
  if (saturated) return SATURATED_MS
  const sent = latency.p99 - latency.mean
  const fetched = constants.fetchRttP99Ms - constants.fetchRttMs
  const behind = followerFetch ? constants.followerFetchP99Ms : 0
  const tail = Math.sqrt(sent * sent + fetched * fetched + (waitMs * waitMs) / 4 + behind * behind)
  return latency.mean + constants.fetchRttMs + waitMs / 2 + tail
}

export interface BrokerWork {
  readonly records: number
  readonly wireBytes: number
  readonly uncompressedBytes: number
  readonly produceRequests: number
  readonly fetchRequests: number
}

/** F6 for one record, of all brokers together; 0 without records. */
export function brokerCpuUs(
  cluster: ClusterModel,
  { replication, codec }: Pick<Configuration, 'replication' | 'codec'>,
  groups: number,
  work: BrokerWork,
): number {
  if (work.records === 0) return 0
  const { perWireByte, perProduceRequest, perFetchRequest, perUncompressedByte } = brokerUs(
    cluster,
    replication,
    groups,
  )
  return (
    (perWireByte * work.wireBytes +
      perProduceRequest * work.produceRequests +
      perFetchRequest * work.fetchRequests +
      (codec === 'none' ? 0 : perUncompressedByte * work.uncompressedBytes)) /
    work.records
  )
}

export interface BrokerUs {
  readonly perWireByte: number
  readonly perProduceRequest: number
  readonly perFetchRequest: number
  /** Of compressed batches. */
  readonly perUncompressedByte: number
}

/** F6: CPU of all brokers together, by what they are asked for. */
export function brokerUs(cluster: ClusterModel, replication: number, groups: number): BrokerUs {
  const cpu = cluster.constants.brokerCpu
  if (cpu.kind === 'sizing-rule') {
    // The rule says what to buy; what of it is used is the ceiling.
    const vcpuSeconds = Math.max(1 / (cpu.inMibPerSecond * MIB), groups / (cpu.outMibPerSecond * MIB)) * replication
    return {
      perWireByte: vcpuSeconds * cluster.cpuCeiling * 1e6,
      perProduceRequest: 0,
      perFetchRequest: 0,
      perUncompressedByte: 0,
    }
  }
  return {
    perWireByte: cpu.usPerByteIn * replication + cpu.usPerByteOut * groups,
    perProduceRequest: cpu.usPerProduceRequest,
    perFetchRequest: cpu.usPerFetchRequest,
    perUncompressedByte: cpu.usPerDecompressedByte,
  }
}
