/**
 * What a topic of the generator costs a month, reckoned by hand from the reference: no code of the product is used here, so that a
 * mistake of its formulas is seen.
 *
 * F3 transfer, F4 storage with the segment that is still open, F5 brokers by the sizing rule; prices of Kafka on EC2 in us-east-1, three
 * zones, one copy.
 */
import type { TruthTopic } from './topics.ts'

const SECONDS_A_MONTH = 730 * 3_600
const USD_PER_GB_MOVED = 0.02
const USD_PER_GB_MONTH = 0.08
const USD_PER_VCPU_HOUR = 0.0408
const ZONES = 3
const DISK_SHARE = 0.6
const MIB = 1_048_576
const FOREVER_MS = 0

export interface TruthBill {
  readonly transferUsd: number
  readonly storageUsd: number
  readonly computeUsd: number
  readonly usd: number
}

/** @param storedBytes what its log holds now: the truth where nothing comes, or where compaction takes away */
export function truthBill(topic: TruthTopic, storedBytes: number): TruthBill {
  const bytes = wireBytesPerSecond(topic)
  const groups = topic.isRead ? 1 : 0
  const crossing = ((ZONES - 1) / ZONES) * (1 + groups)
  const transferUsd = ((bytes * SECONDS_A_MONTH) / 1e9) * crossing * USD_PER_GB_MOVED
  const storageUsd = (fullBytes(topic, bytes, storedBytes) / 1e9 / DISK_SHARE) * USD_PER_GB_MONTH
  const vcpus = Math.max(bytes / (5 * MIB), (bytes * groups) / (15 * MIB))
  const computeUsd = vcpus * 730 * USD_PER_VCPU_HOUR
  return { transferUsd, storageUsd, computeUsd, usd: transferUsd + storageUsd + computeUsd }
}

function fullBytes(topic: TruthTopic, bytesPerSecond: number, storedBytes: number): number {
  const retentionMs = Number(topic.configs['retention.ms'] ?? FOREVER_MS)
  if (retentionMs <= FOREVER_MS || bytesPerSecond === 0) return storedBytes
  const segmentMs = Number(topic.configs['segment.ms'])
  const open = Math.min((bytesPerSecond * segmentMs) / 1_000, topic.partitions * 1_024 ** 3)
  return Math.max(storedBytes, (bytesPerSecond * retentionMs) / 1_000 + open)
}

/** Of record format v2: header of a batch, framing of a record, and the marker of a transaction (H1). */
export function wireBytesPerSecond({ kind, recordsPerSecond, valueBytes, liveBatch }: TruthTopic): number {
  const header = 61
  // Length, attributes, time, offset, key of about 4 bytes with its length, length of the value, count of headers.
  const framing = 2 + 1 + 1 + 1 + 1 + KEY_BYTES + 2 + 1
  const marker = kind === 'transactions' ? 78 : 0
  return (recordsPerSecond / liveBatch) * (header + liveBatch * (framing + valueBytes) + marker)
}

export const KEY_BYTES = 4
