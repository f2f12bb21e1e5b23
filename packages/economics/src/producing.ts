/**
 * What producers do with a configuration: batches, bytes, CPU and the sending half of latency (F1, F2, F7, F8).
 *
 * R2. Bytes on the wire of a record: (61 + records / ratio) / depth. The header is never compressed; a batch that would grow, or is
 *     too small to gain anything, goes uncompressed, as mQ sends it.
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
import type { FittedCurve } from './codec-curve.ts'
import type { Configuration } from './configuration.ts'
import type { ModelConstants } from './model-constants.ts'
import type { Workload } from './workload.ts'

/** Latency of what never gets through: the deadline of a send. */
export const SATURATED_MS = 120_000
/** mQ leaves batches of fewer bytes of records as they are. */
const SMALLEST_COMPRESSED_BYTES = 128
const REQUEST_BYTES = 1_048_576

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
