/** Reports of clients as tests make them up, and a traffic that takes them. */
import type { ProducerTelemetry, ShadowSample, TelemetryReport } from '@mq/contract'
import { systemDeps } from '@mq/kafka'
import { build, encodeIntoCompressedBase64 } from 'hdr-histogram-js'
import { Traffic } from '../src/telemetry/traffic.ts'
import { telemetryReport } from './harness.ts'

export const ID = 'orders.placed'

export function encoded(values: readonly (readonly [value: number, count: number])[]): string {
  const histogram = build({ bitBucketSize: 32, numberOfSignificantValueDigits: 2, autoResize: true })
  for (const [value, count] of values) histogram.recordValueWithCount(value, count)
  return encodeIntoCompressedBase64(histogram)
}

export const sample = (parts: Partial<ShadowSample> = {}): ShadowSample => ({
  codec: 'zstd',
  codecLevel: 1,
  depth: 16,
  batches: 4,
  uncompressedBytes: 61 + 16 * 210,
  compressedBytes: 61 + 16 * 70,
  compressUs: 20,
  decompressUs: 6,
  ...parts,
})

export const producer = (parts: Partial<ProducerTelemetry> = {}): ProducerTelemetry => ({
  mqId: ID,
  epoch: 1,
  records: 6_000,
  batches: 60,
  requests: 30,
  recordBytes: 1_200_000,
  batchBytesUncompressed: 1_260_000 + 60 * 61,
  batchBytesWire: 300_000,
  retries: 0,
  errors: 0,
  throttledMs: 0,
  bufferBytesMax: 100,
  codec: 'zstd',
  codecLevel: 1,
  lingerMs: 10,
  sendLatencyUs: encoded([[2_000, 6_000]]),
  activeMs: 10_000,
  batchBytesLimit: 131_072,
  trial: null,
  cpuUs: 12_000,
  compressUs: 6_000,
  batchDepths: encoded([[100, 60]]),
  recordSizes: encoded([[200, 6_000]]),
  partitionRecords: [
    [0, 3_000],
    [1, 2_000],
    [3, 1_000],
  ],
  partitionsSeen: 3,
  dispersion: 3,
  keys: { sampled: 1_000, keyed: 900, registers: Buffer.alloc(256, 1).toString('base64'), topShares: [0.5, 0.1] },
  ...parts,
})

export function open() {
  let nowMs = 1_800_000_000_000
  const clock = { nowMs: () => nowMs, monotonicMs: () => nowMs }
  const deps = {
    ...systemDeps,
    clock,
    advance: (ms: number): void => {
      nowMs += ms
    },
  }
  const traffic = new Traffic({ deps, isKnown: (id) => id === ID })
  const report = (parts: Partial<TelemetryReport>): void => traffic.take(telemetryReport(parts))
  return { deps, traffic, report }
}
