/**
 * Constants of the models from what was measured on a cluster.
 *
 * K1. Only what the runs can tell is replaced; everything else stays at its default.
 * K2. Where runs cannot tell two costs apart, their proportion stays that of the defaults and both are scaled together.
 * K3. Pure: the same runs give the same constants.
 */
import { type CodecCurve, type Configuration, DEFAULT_CONSTANTS, FittedCurve, type ModelConstants } from '@mq/economics'
import { leastSquares } from './least-squares.ts'
import type { HeardFigures } from './listener.ts'
import { median } from './quantile.ts'
import type { SentFigures } from './replay.ts'

export interface CalibrationRun {
  readonly configuration: Pick<Configuration, 'codec' | 'codecLevel' | 'lingerMs' | 'batchBytes' | 'fetchMinBytes'>
  readonly framedBytes: number
  /** Of the codec of the configuration; null where none was measured. */
  readonly curve: CodecCurve | null
  readonly sent: SentFigures
  readonly heard: HeardFigures | null
  /** CPU over the window; null where it was not measured. */
  readonly senderCpuUs: number | null
  readonly readerCpuUs: number | null
  readonly brokerCpuUs: number | null
}

export type Calibration = Partial<Omit<ModelConstants, 'source'>>

const LEAST_BROKER_RUNS = 4
/** A fetch over a produce request, in CPU of the broker. */
const FETCH_SHARE = 0.7

export function calibrate(runs: readonly CalibrationRun[]): Calibration {
  const sender = senderCpu(runs)
  return { ...latencies(runs), ...sender, ...readerCpu(runs, sender), ...brokerCpu(runs) }
}

/**
 * The way there and back from batches that leave at once; how much it varies from all batches that were not full, less what waiting
 * for their linger explains. Batches that leave at once are many, and a machine that is busy with them alone says little of others.
 */
function latencies(runs: readonly CalibrationRun[]): Calibration {
  const prompt = runs.filter(({ configuration }) => configuration.lingerMs === 0)
  if (prompt.length === 0) return {}
  const produceRttMs = median(prompt.map(({ sent }) => sent.sendP50Ms))
  const produceRttP99Ms = produceRttMs + median(runs.flatMap((run) => waySpreadMs(run) ?? []))
  const heard = prompt.flatMap(({ sent, heard: one, configuration }) =>
    one === null || configuration.fetchMinBytes > 1 ? [] : [{ sent, heard: one }],
  )
  if (heard.length === 0) return { produceRttMs, produceRttP99Ms }
  const fetchRttMs = median(heard.map((one) => Math.max(LEAST_FETCH_MS, one.heard.endToEndP50Ms - one.sent.sendP50Ms)))
  // Spreads of independent stretches add in squares: what sending does not explain is the fetch.
  const spread = median(
    heard.map((one) => {
      const whole = one.heard.endToEndP99Ms - one.heard.endToEndP50Ms
      const sending = one.sent.sendP99Ms - one.sent.sendP50Ms
      return Math.sqrt(Math.max(0, whole ** 2 - sending ** 2))
    }),
  )
  return { produceRttMs, produceRttP99Ms, fetchRttMs, fetchRttP99Ms: fetchRttMs + spread }
}

const LEAST_FETCH_MS = 0.3
/** A batch of so much of its limit may have left because it was full. */
const FULL_SHARE = 0.8

/** From the median to the p99 of sending, without the linger; null where batches may have been full. Spreads add in squares. */
function waySpreadMs({ configuration, sent, framedBytes }: CalibrationRun): number | null {
  if (sent.batches === 0) return null
  const depth = sent.records / sent.batches
  if (depth * framedBytes > configuration.batchBytes * FULL_SHARE) return null
  // Who opens a batch waits for all of the linger, the others for what is left of it.
  const openers = 1 / depth
  const waitMs = openers >= 0.5 ? 0 : (configuration.lingerMs * (0.5 - openers)) / (1 - openers)
  return Math.sqrt(Math.max(0, (sent.sendP99Ms - sent.sendP50Ms) ** 2 - waitMs ** 2))
}

/** K2: per record and byte, and per batch and request, each pair scaled together; compression comes from the curves. */
function senderCpu(runs: readonly CalibrationRun[]): Calibration {
  const base = DEFAULT_CONSTANTS
  const rows = runs.flatMap((run) => {
    const { sent, senderCpuUs, framedBytes } = run
    if (senderCpuUs === null || sent.records === 0) return []
    const y = Math.max(0, senderCpuUs - compressUsOf(run))
    const records = sent.records * (base.encodeUsPerRecord + base.encodeUsPerByte * framedBytes)
    return [{ x: [records, sent.batches * base.batchUs + sent.requests * base.requestUs], y }]
  })
  if (rows.length < 2) return {}
  const [perRecord, perRequest] = leastSquares(rows, 2) as [number, number]
  return {
    encodeUsPerRecord: base.encodeUsPerRecord * perRecord,
    encodeUsPerByte: base.encodeUsPerByte * perRecord,
    batchUs: base.batchUs * perRequest,
    requestUs: base.requestUs * perRequest,
  }
}

/** What is left of the reader's CPU when its batches and fetches are paid for at the sender's price of them. */
function readerCpu(runs: readonly CalibrationRun[], sender: Calibration): Calibration {
  const base = DEFAULT_CONSTANTS
  const { batchUs = base.batchUs, requestUs = base.requestUs } = sender
  const rows = runs.flatMap(({ sent, heard, readerCpuUs, framedBytes }) => {
    if (heard === null || readerCpuUs === null || heard.records === 0) return []
    const handling = sent.batches * batchUs + heard.fetchRequests * requestUs
    const y = Math.max(1, readerCpuUs - handling)
    return [{ x: [heard.records * (base.decodeUsPerRecord + base.decodeUsPerByte * framedBytes)], y }]
  })
  if (rows.length === 0) return {}
  const [scale] = leastSquares(rows, 1) as [number]
  return { decodeUsPerRecord: base.decodeUsPerRecord * scale, decodeUsPerByte: base.decodeUsPerByte * scale }
}

/** K2: every produced batch is also fetched, so the two requests come together; a fixed share stands for what runs cannot tell. */
function brokerCpu(runs: readonly CalibrationRun[]): Calibration {
  const rows = runs.flatMap(({ sent, heard, brokerCpuUs }) =>
    brokerCpuUs === null || heard === null
      ? []
      : [{ x: [sent.requests + FETCH_SHARE * heard.fetchRequests, sent.wireBytes + heard.wireBytes], y: brokerCpuUs }],
  )
  if (rows.length < LEAST_BROKER_RUNS) return {}
  const [usPerRequest, usPerByte] = leastSquares(rows, 2) as [number, number]
  return {
    brokerCpu: {
      kind: 'calibrated',
      usPerProduceRequest: usPerRequest,
      usPerFetchRequest: usPerRequest * FETCH_SHARE,
      usPerByteIn: usPerByte,
      usPerByteOut: usPerByte,
      usPerDecompressedByte: 0,
    },
  }
}

function compressUsOf({ curve, sent, framedBytes }: CalibrationRun): number {
  if (curve === null || sent.batches === 0) return 0
  const plain = (sent.records / sent.batches) * framedBytes
  return sent.batches * new FittedCurve(curve, framedBytes).compressUs(plain)
}
