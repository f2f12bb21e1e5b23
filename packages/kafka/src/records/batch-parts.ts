/**
 * Taking the records out of a batch again: to send them in two smaller ones, without some of them, or elsewhere.
 *
 * R1. Records come out in their order, whole, with their own timestamps; the padding header stays behind.
 * R2. Records keep their promises. One whose records stand in both parts of a split batch settles when both are settled.
 * R3. A part is never longer than the batch it comes from: it keeps the base of its timestamps.
 */

import { PendingBatch } from '../produce/pending-batch.ts'
import type { SendPromise } from '../produce/send-promise.ts'
import { ByteCursor, sizeOfVarint, writeVarint } from '../protocol/varint.ts'
import { HEADER_BYTES } from './batch-encoder.ts'
import { PADDING_HEADER } from './padding-header.ts'
import type { EncodedHeaders } from './record-headers.ts'

/** How much longer the time of a record may get. */
const MOST_TIME_BYTES = 10
const PADDING_NAME = Buffer.from(PADDING_HEADER)

/** By the place of a record in its batch, and its promise. */
export type IsGone = (index: number, sent: SendPromise) => boolean

export interface HeldRecord {
  readonly key: Buffer | null
  readonly value: Buffer | null
  readonly headers: EncodedHeaders | undefined
  readonly timestampMs: number
}

/** R1. Views into the batch: valid until it is settled. */
export function recordsOf(batch: PendingBatch): HeldRecord[] {
  const { encoder } = batch
  return readRecords(encoder.bytes.subarray(HEADER_BYTES, encoder.length), encoder)
}

/** R1. Views into uncompressed records of our own encoder. */
export function readRecords(
  bytes: Buffer,
  { count, baseTimestampMs }: { readonly count: number; readonly baseTimestampMs: number },
): HeldRecord[] {
  const cursor = new ByteCursor(bytes)
  const field = (): Buffer | null => {
    const length = cursor.readVarint()
    if (length < 0) return null
    const start = cursor.position
    cursor.position += length
    return bytes.subarray(start, cursor.position)
  }
  const records: HeldRecord[] = []
  for (let index = 0; index < count; index++) {
    cursor.readVarint() // length
    cursor.position++ // attributes
    const timestampMs = baseTimestampMs + cursor.readVarlong()
    cursor.readVarint() // offset
    const key = field()
    const value = field()
    const headersAt = cursor.position
    const named = cursor.readVarint()
    let paddedAt = -1
    for (let left = named; left > 0; left--) {
      const startsAt = cursor.position
      if (field()?.equals(PADDING_NAME) === true) paddedAt = startsAt
      field()
    }
    const headers =
      named === 0
        ? undefined
        : paddedAt < 0
          ? bytes.subarray(headersAt, cursor.position)
          : withoutLast(bytes.subarray(headersAt, paddedAt), named)
    records.push({ key, value, headers, timestampMs })
  }
  return records
}

/** The same headers with the count one less: the padding is the last one. */
function withoutLast(headers: Buffer, named: number): EncodedHeaders | undefined {
  if (named === 1) return undefined
  const count = sizeOfVarint(named)
  const fewer = Buffer.allocUnsafe(sizeOfVarint(named - 1) + headers.length - count)
  headers.copy(fewer, writeVarint(fewer, 0, named - 1), count)
  return fewer
}

/** Two batches with the records of one, in order, in buffers of their own. `release` is called when both are done with. */
export function splitBatch(whole: PendingBatch, release: () => void): PendingBatch[] {
  const records = recordsOf(whole)
  const middle = records.length >> 1
  let left = 2
  const bounds = [
    [0, middle],
    [middle, records.length],
  ] as const
  return bounds.map(([from, to]) => {
    const part = batchLike(whole, Buffer.allocUnsafeSlow(whole.encoder.bytes.length), false)
    for (const record of records.slice(from, to)) append(part, record)
    let at = 0
    for (const { sent, count } of whole.slices) {
      const own = Math.min(at + count, to) - Math.max(at, from)
      // It stands in both parts from now on.
      if (own > 0 && own < count && from > 0) sent.split()
      if (own > 0) part.add(sent, own)
      at += count
    }
    part.onReleased = () => {
      left--
      if (left === 0) release()
    }
    return part
  })
}

/**
 * The same batch without some of its records, not sealed; in the same buffer, or in one of its own when times are changed. Only for a batch
 * that is certainly not stored.
 * @param times others for some of those that are left, by their places in the batch
 * @returns undefined when none is left
 */
export function withoutRecords(
  batch: PendingBatch,
  isGone: IsGone,
  times?: ReadonlyMap<number, number>,
): PendingBatch | undefined {
  const { pooled } = batch
  const old = batch.encoder.bytes
  const records = recordsOf(batch)
  const base = times?.values().next().value
  // Times that are corrected differently take more bytes.
  const room = old.length + (times?.size ?? 0) * MOST_TIME_BYTES
  const rest = batchLike(batch, Buffer.allocUnsafe(room), pooled && times === undefined, base)
  let index = 0
  for (const { sent, count } of batch.slices) {
    let kept = 0
    for (const end = index + count; index < end; index++) {
      if (isGone(index, sent)) continue
      const timestampMs = times?.get(index)
      append(rest, timestampMs === undefined ? records[index]! : { ...records[index]!, timestampMs })
      kept++
    }
    if (kept > 0) rest.add(sent, kept)
  }
  if (rest.encoder.count === 0) return undefined
  if (times === undefined) {
    rest.encoder.moveTo(old)
    rest.onReleased = batch.onReleased
  } else rest.corrections = batch.corrections + 1
  return rest
}

function batchLike(
  { openedAtMs, encoder, attempts, corrections, lastTrouble }: PendingBatch,
  buffer: Buffer,
  pooled: boolean,
  baseTimestampMs = encoder.baseTimestampMs,
): PendingBatch {
  const batch = new PendingBatch(buffer, openedAtMs, pooled, baseTimestampMs)
  batch.attempts = attempts
  batch.corrections = corrections
  batch.lastTrouble = lastTrouble
  return batch
}

function append({ encoder }: PendingBatch, { key, value, headers, timestampMs }: HeldRecord): void {
  const needed = encoder.tryAppend(key, value, headers, timestampMs, Number.MAX_SAFE_INTEGER)
  if (needed !== 0) throw new RangeError(`A part of a batch in ${encoder.bytes.length} bytes needs ${needed}`)
}
