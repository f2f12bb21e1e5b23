/**
 * Telemetry: what a client tells the control plane about itself, every 10 seconds and on close.
 *
 * T1. Counts are deltas of the window, so that a lost report loses its window and nothing else.
 * T2. Latencies travel as encoded HDR histograms (microseconds, 2 significant digits) that merge; never as percentiles.
 * T3. Payloads, keys and header values never leave the process.
 */
import { z } from 'zod'
import { Codec } from './binding.ts'
import { MqId, Name } from './mq-id.ts'

const count = z.number().int().min(0)

/** HDR histogram in hdr-histogram-js' compressed V2 base64 form, values in microseconds. */
export const EncodedHistogram = z.string().max(65_536)

export const ProducerTelemetry = z.object({
  mqId: MqId,
  epoch: z.number().int().min(1),
  records: count,
  batches: count,
  requests: count,
  recordBytes: count.describe('Keys and values as the application gave them'),
  batchBytesUncompressed: count,
  batchBytesWire: count,
  retries: count,
  errors: count,
  throttledMs: count,
  bufferBytesMax: count,
  codec: Codec,
  lingerMs: z.number(),
  sendLatencyUs: EncodedHistogram,
})

export const ConsumerTelemetry = z.object({
  mqId: MqId,
  group: Name,
  epoch: z.number().int().min(1),
  records: count,
  recordBytes: count,
  wireBytes: count,
  handlerErrors: count,
  redeliveries: count,
  commits: count,
  rebalances: count,
  lagRecords: count.nullable(),
  endToEndLatencyUs: EncodedHistogram,
})

export const TelemetryReport = z.object({
  app: Name,
  instance: z.string().min(1).max(100).describe('Unique to the process'),
  version: z.string().max(40),
  windowStartMs: z.number().int(),
  windowMs: z.number().int().min(1),
  cpuUs: count.describe('CPU of the whole process in the window'),
  rssBytes: count,
  bindings: z
    .array(z.object({ mqId: MqId, incarnation: z.number().int(), revision: z.number().int() }))
    .describe('What the client is running on'),
  producers: z.array(ProducerTelemetry).max(1_000),
  consumers: z.array(ConsumerTelemetry).max(1_000),
})
export type ProducerTelemetry = z.output<typeof ProducerTelemetry>
export type ConsumerTelemetry = z.output<typeof ConsumerTelemetry>
export type TelemetryReport = z.output<typeof TelemetryReport>
