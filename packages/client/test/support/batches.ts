/** Batches as a producer reports them, and their records as an encoder holds them. */
import type { ProducerSettings } from '@mq/contract'
import { type BatchReport, type EncodedRecords, probeBatchOf } from '@mq/kafka'

export const SETTINGS: ProducerSettings = {
  codec: 'none',
  lingerMs: 1,
  batchBytes: 131_072,
  maxMessageBytes: 1_048_576,
  requestTimeoutMs: 30_000,
}

export function batchReport(settings: ProducerSettings, parts: Partial<BatchReport> = {}): BatchReport {
  return {
    topic: 't',
    partition: 2,
    records: 10,
    recordBytes: 2_000,
    uncompressedBytes: 2_100,
    wireBytes: 700,
    retries: 1,
    latencyMs: 12.5,
    openMs: 4,
    settings,
    compression: { ownUs: 250, handedBytes: 0, handedUs: 0 },
    ...parts,
  }
}

/** @param content of the record with that number: key and value */
export function encodedBatch(
  count: number,
  content: (index: number) => readonly [key: string | null, value: string],
): EncodedRecords {
  const batch = probeBatchOf(
    Array.from({ length: count }, (_, index) => {
      const [key, value] = content(index)
      return {
        key: key === null ? null : Buffer.from(key),
        value: Buffer.from(value),
        headers: undefined,
        timestampMs: 1_700_000_000_000,
      }
    }),
  )
  const bytes = Buffer.from(batch.records)
  return { count, baseTimestampMs: batch.baseTimestampMs, records: () => bytes }
}
