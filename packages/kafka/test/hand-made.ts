/** Record batches and fetch responses written byte by byte, so that tests can make what no broker would send. */
import type { Codec } from '@mq/contract'
import { writeVarint, writeVarlong } from '../src/protocol/varint.ts'
import { codecNumber, compressSync } from '../src/records/compression.ts'
import { crc32c } from '../src/records/crc32c.ts'

export interface HandRecord {
  readonly delta?: number
  readonly key?: string | Buffer | null
  readonly value?: string | Buffer | null
  readonly headers?: readonly (readonly [string, string | null])[]
  readonly timestampDelta?: number
}

export interface HandBatch {
  readonly baseOffset?: number
  readonly records?: readonly HandRecord[]
  readonly codec?: Codec
  readonly transactional?: boolean
  readonly control?: boolean
  readonly appendTime?: boolean
  readonly producerId?: bigint
  readonly baseTimestampMs?: number
  readonly maxTimestampMs?: number
  readonly leaderEpoch?: number
  readonly lastOffsetDelta?: number
  readonly recordCount?: number
  readonly magic?: number
  readonly attributes?: number
  /** Replaces the encoded records, before compression. */
  readonly body?: Buffer
  /** Replaces the compressed records. */
  readonly wire?: Buffer
  readonly breakCrc?: boolean
}

const scratch = Buffer.alloc(16)
const varint = (value: number): Buffer => Buffer.from(scratch.subarray(0, writeVarint(scratch, 0, value)))
const varlong = (value: number): Buffer => Buffer.from(scratch.subarray(0, writeVarlong(scratch, 0, value)))
const sized = (bytes: string | Buffer | null | undefined): Buffer => {
  if (bytes === null || bytes === undefined) return varint(-1)
  const raw = Buffer.from(bytes as string)
  return Buffer.concat([varint(raw.length), raw])
}

export function encodeRecord(record: HandRecord, index: number): Buffer {
  const headers = record.headers ?? []
  const body = Buffer.concat([
    Buffer.from([0]),
    varlong(record.timestampDelta ?? index),
    varint(record.delta ?? index),
    sized(record.key),
    sized(record.value),
    varint(headers.length),
    ...headers.flatMap(([key, value]) => [sized(key), sized(value)]),
  ])
  return Buffer.concat([varint(body.length), body])
}

export function encodeBatch(batch: HandBatch): Buffer {
  const records = batch.records ?? []
  const codec = batch.codec ?? 'none'
  const body = batch.body ?? Buffer.concat(records.map(encodeRecord))
  const wire = batch.wire ?? compressSync(codec, undefined, body)
  const header = Buffer.alloc(61)
  header.writeBigInt64BE(BigInt(batch.baseOffset ?? 0), 0)
  header.writeInt32BE(49 + wire.length, 8)
  header.writeInt32BE(batch.leaderEpoch ?? 0, 12)
  header.writeInt8(batch.magic ?? 2, 16)
  const attributes =
    codecNumber[codec] | (batch.appendTime ? 8 : 0) | (batch.transactional ? 16 : 0) | (batch.control ? 32 : 0)
  header.writeInt16BE(batch.attributes ?? attributes, 21)
  const lastDelta = batch.lastOffsetDelta ?? records.at(-1)?.delta ?? Math.max(0, records.length - 1)
  header.writeInt32BE(lastDelta, 23)
  header.writeBigInt64BE(BigInt(batch.baseTimestampMs ?? 1_700_000_000_000), 27)
  header.writeBigInt64BE(BigInt(batch.maxTimestampMs ?? 1_700_000_000_999), 35)
  header.writeBigInt64BE(batch.producerId ?? -1n, 43)
  header.writeInt16BE(0, 51)
  header.writeInt32BE(-1, 53)
  header.writeInt32BE(batch.recordCount ?? records.length, 57)
  const bytes = Buffer.concat([header, wire])
  bytes.writeUInt32BE((crc32c(bytes.subarray(21)) ^ (batch.breakCrc ? 1 : 0)) >>> 0, 17)
  return bytes
}

/** The marker with which a transaction ends. */
export function encodeMarker(baseOffset: number, producerId: bigint, kind: 'abort' | 'commit'): Buffer {
  const key = Buffer.from([0, 0, 0, kind === 'abort' ? 0 : 1])
  const value = Buffer.alloc(6)
  return encodeBatch({ baseOffset, producerId, transactional: true, control: true, records: [{ key, value }] })
}
