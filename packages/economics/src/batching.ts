/**
 * F1: how many records a batch holds, and how long they wait for each other.
 *
 * F1a. A batch opens with its first record, and leaves when its linger ends, when it is full, or, while an earlier batch of the same
 *      partition is on the wire, when that one is acknowledged: mQ keeps one request for a partition in flight, so at high rates
 *      batches grow by themselves.
 * F1b. `batchBytes` counts bytes before compression, the header of 61 bytes included.
 * F1c. More linger, more room or a slower acknowledgement never make a batch smaller.
 * F1d. How long records wait for a batch to fill is reckoned at a rate a fifth below the usual: latency is a promise, a mean rate is not.
 */

export const BATCH_HEADER_BYTES = 61

/** One open batch at a time, fed by arrivals. */
export interface Stream {
  readonly recordsPerMs: number
  /** 1 for Poisson arrivals; see Workload. */
  readonly dispersion: number
  readonly lingerMs: number
  /** Most records a batch can hold. */
  readonly maxRecords: number
  /** From sending a batch to its acknowledgement; 0 when that does not matter. */
  readonly flightMs: number
  /** Batches that may be on the wire at the same time: 1 for a partition, all partitions for records without keys. */
  readonly slots: number
}

export interface Batching {
  /** Records in a batch, mean. */
  readonly depth: number
  readonly full: boolean
  readonly waitMeanMs: number
  readonly waitP50Ms: number
  readonly waitP99Ms: number
  /** Share of the time the way out is taken. */
  readonly utilisation: number
  /** More arrives than can ever leave. */
  readonly saturated: boolean
}

/** Records of `framedBytes` that fit into a batch (F1b). */
export function maxRecordsPerBatch(batchBytes: number, framedBytes: number): number {
  return Math.max(1, Math.floor((batchBytes - BATCH_HEADER_BYTES) / framedBytes))
}

/** A batch by its linger alone, before what the acknowledgement of the one before makes of it. */
export interface OpenBatch {
  readonly stream: Omit<Stream, 'flightMs'>
  /** Records that gather within the linger. */
  readonly lingered: number
}

export function batchingOf(stream: Stream): Batching {
  return closeBatch(openBatch(stream), stream.flightMs)
}

export function openBatch(stream: Omit<Stream, 'flightMs'>): OpenBatch {
  const { recordsPerMs: lambda, dispersion, lingerMs, maxRecords } = stream
  // Who comes in a burst comes with the first record: that is (dispersion + 1) / 2 records without any linger.
  const mean = Math.max(1, (dispersion + 1) / 2 + lambda * lingerMs)
  return { stream, lingered: lambda <= 0 ? 1 : expectedMin(maxRecords, mean, dispersion * (mean - 1)) }
}

/** F1a */
export function closeBatch({ stream, lingered }: OpenBatch, flightMs: number): Batching {
  const { recordsPerMs: lambda, dispersion, lingerMs, maxRecords, slots } = stream
  if (lambda <= 0) {
    return {
      depth: 1,
      full: false,
      waitMeanMs: lingerMs,
      waitP50Ms: lingerMs,
      waitP99Ms: lingerMs,
      utilisation: 0,
      saturated: false,
    }
  }
  const inFlight = (lambda * flightMs) / slots
  const depth = Math.min(maxRecords, Math.max(lingered, inFlight))
  const full = lambda * lingerMs + 1 >= maxRecords || inFlight >= maxRecords
  const fillMs = (maxRecords - 1) / lambda
  const longestMs = Math.max(lingerMs, flightMs / slots)
  const windowMs = full ? Math.min(fillMs, longestMs) : Math.max(lingerMs, inFlight > lingered ? flightMs / slots : 0)
  // Who opens the batch waits for all of it, the others for what is left of it (in a full batch the last one for nothing).
  const openers = full ? 0 : Math.min(1, Math.max(1, (dispersion + 1) / 2) / depth)
  return {
    depth,
    full,
    waitMeanMs: openers * windowMs + ((1 - openers) * windowMs) / 2,
    waitP50Ms: quantile(windowMs, openers, 0.5),
    waitP99Ms: full ? Math.min(longestMs, fillP99Ms(stream, fillMs)) : quantile(windowMs, openers, 0.99),
    utilisation: Math.min(1, inFlight / depth),
    saturated: inFlight > maxRecords,
  }
}

/** A rate that falls by a fifth for a while must not break a promise. */
const STEADY_SHARE = 0.8

/** How long a batch takes to fill when arrivals are slow: the linger still ends it. */
function fillP99Ms({ recordsPerMs, dispersion, maxRecords }: OpenBatch['stream'], fillMs: number): number {
  const spreadMs = Math.sqrt(Math.max(1, dispersion) * (maxRecords - 1)) / recordsPerMs
  return fillMs / STEADY_SHARE + 1.5 * spreadMs
}

/** Of a wait that is `window` for a share of the records and even between 0 and `window` for the rest. */
function quantile(windowMs: number, atWindow: number, q: number): number {
  return atWindow >= 1 - q ? windowMs : windowMs * (1 - (1 - q - atWindow) / (1 - atWindow))
}

/** E[min(max, X)] for X = 1 + Poisson where mean - 1 = variance, and its normal stand-in elsewhere (F1c). */
export function expectedMin(max: number, mean: number, variance: number): number {
  if (max <= 1) return 1
  const m = mean - 1
  if (m <= 0) return 1
  if (Math.abs(variance - m) < 1e-9 && m < 50) {
    if (max > m + 12 * Math.sqrt(m) + 12) return mean
    let probability = Math.exp(-m)
    let below = 0
    let sum = 0
    for (let k = 0; k < max - 1; k++) {
      below += probability
      sum += probability * (k + 1)
      probability *= m / (k + 1)
    }
    return sum + (1 - below) * max
  }
  const sd = Math.sqrt(variance)
  if (sd === 0 || mean + 6 * sd < max) return Math.min(max, mean)
  if (mean - 6 * sd > max) return max
  const z = (max - mean) / sd
  return Math.max(1, mean - (mean - max) * (1 - normalCdf(z)) - sd * normalPdf(z))
}

function normalPdf(z: number): number {
  return Math.exp((-z * z) / 2) / Math.sqrt(2 * Math.PI)
}

/** Zelen and Severo's approximation; within 7.5e-8. */
function normalCdf(z: number): number {
  const t = 1 / (1 + 0.2316419 * Math.abs(z))
  const tail =
    normalPdf(z) * t * (0.31938153 + t * (-0.356563782 + t * (1.781477937 + t * (-1.821255978 + t * 1.330274429))))
  return z >= 0 ? 1 - tail : tail
}
