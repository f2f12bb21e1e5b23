/**
 * A slow and plain reading of one record batch (format v2), to hold against what the client writes.
 *
 * B1. Everything is checked that a broker checks: length, magic, CRC, counts, and that the records end where the batch ends.
 * B2. Beyond that it is held to what mQ's producer writes, unless the batch may be of any client.
 */
import { decompress } from '@mq/kafka'
import { WireReader } from './wire.ts'

export interface ReferenceRecord {
  readonly key: Buffer | null
  readonly value: Buffer | null
  readonly headers: readonly (readonly [string, Buffer | null])[]
  readonly timestampMs: bigint
  readonly offsetDelta: number
}

export interface ReferenceBatch {
  readonly bytes: number
  readonly codec: 'none' | 'gzip' | 'snappy' | 'lz4' | 'zstd'
  readonly producerId: bigint
  readonly producerEpoch: number
  readonly baseSequence: number
  readonly maxTimestampMs: bigint
  readonly records: readonly ReferenceRecord[]
}

const CODECS = ['none', 'gzip', 'snappy', 'lz4', 'zstd'] as const

/** CRC-32C bit by bit, from the polynomial. */
export function referenceCrc32c(bytes: Uint8Array): number {
  let crc = 0xffffffff
  for (const byte of bytes) {
    crc ^= byte
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0x82f63b78 : crc >>> 1
  }
  return ~crc >>> 0
}

/** Whether the checksum of a batch is that of its bytes. */
export function hasRightCrc(bytes: Buffer): boolean {
  return bytes.length > 21 && bytes.readUInt32BE(17) === referenceCrc32c(bytes.subarray(21))
}

/** @param isOfAnyClient B2 */
export function readReferenceBatch(bytes: Buffer, { isOfAnyClient = false } = {}): ReferenceBatch {
  const reader = new WireReader(bytes)
  const baseOffset = reader.int64()
  expect('batch length', reader.int32(), bytes.length - 12)
  const leaderEpoch = reader.int32()
  if (!isOfAnyClient) {
    expect('base offset', baseOffset, 0n)
    expect('leader epoch', leaderEpoch, -1)
  }
  expect('magic', reader.int8(), 2)
  const crc = reader.uint32()
  expect('CRC', crc, referenceCrc32c(bytes.subarray(21)))
  const attributes = reader.int16()
  const codec = CODECS[attributes & 7]
  if (codec === undefined || attributes >> 3 !== 0) throw new Error(`attributes are ${attributes}`)
  const lastOffsetDelta = reader.int32()
  const baseTimestampMs = reader.int64()
  const maxTimestampMs = reader.int64()
  const producerId = reader.int64()
  const producerEpoch = reader.int16()
  const baseSequence = reader.int32()
  const count = reader.int32()
  expect('last offset delta', lastOffsetDelta, count - 1)
  const data = bytes.subarray(reader.at)
  const records = readRecords(codec === 'none' ? data : decompress(codec, data, 64 * 1_048_576), count, baseTimestampMs)
  const times = records.map((record) => record.timestampMs).sort((a, b) => Number(a - b))
  if (!isOfAnyClient) expect('greatest timestamp', maxTimestampMs, times.at(-1) ?? -1n)
  return { bytes: bytes.length, codec, producerId, producerEpoch, baseSequence, maxTimestampMs, records }
}

function readRecords(data: Buffer, count: number, baseTimestampMs: bigint): ReferenceRecord[] {
  const reader = new WireReader(data)
  const records = Array.from({ length: count }, (_, index): ReferenceRecord => {
    const length = Number(reader.varint())
    const end = reader.at + length
    expect('attributes of a record', reader.int8(), 0)
    const timestampMs = baseTimestampMs + reader.varint()
    const offsetDelta = Number(reader.varint())
    expect('offset of a record', offsetDelta, index)
    const key = reader.varbytes()
    const value = reader.varbytes()
    const headers = Array.from(
      { length: Number(reader.varint()) },
      () => [reader.varbytes()?.toString() ?? '', reader.varbytes()] as const,
    )
    expect('end of a record', reader.at, end)
    return { key, value, headers, timestampMs, offsetDelta }
  })
  expect('end of the records', reader.at, data.length)
  return records
}

function expect<T>(what: string, actual: T, expected: T): void {
  if (actual !== expected) throw new Error(`${what} is ${String(actual)}, not ${String(expected)}`)
}
