/**
 * Taking the records out of a batch again: to send them in two smaller ones, or to send them elsewhere.
 *
 * R1. Records come out in their order, whole, with their own timestamps; the padding header stays behind.
 * R2. The parts of a split batch settle the whole: once both are settled, with the receipt of the first part or with an error.
 */
import { HEADER_BYTES, PADDING_HEADER } from './batch-encoder.ts'
import { PendingBatch } from './pending-batch.ts'
import type { EncodedHeaders } from './record-headers.ts'
import { ByteCursor, sizeOfVarint, writeVarint } from './varint.ts'

const PADDING_NAME = Buffer.from(PADDING_HEADER)

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

/**
 * Two batches with the records of one, in order. The buffers of the parts are their own; that of the whole stays reserved
 * until both are settled, and stands for them in the memory budget.
 */
export function splitBatch(whole: PendingBatch, release: () => void): PendingBatch[] {
  const records = recordsOf(whole)
  const middle = records.length >> 1
  const parts = [records.slice(0, middle), records.slice(middle)].map((half) => {
    const part = new PendingBatch(Buffer.allocUnsafeSlow(whole.encoder.bytes.length + 128), whole.openedAtMs, false)
    for (const { key, value, headers, timestampMs } of half) {
      const needed = part.encoder.tryAppend(key, value, headers, timestampMs, Number.MAX_SAFE_INTEGER)
      if (needed !== 0) throw new RangeError(`A part of a batch of ${whole.encoder.length} bytes needs ${needed}`)
    }
    return part
  })
  settleWith(whole, parts, release)
  return parts
}

function settleWith(whole: PendingBatch, parts: readonly PendingBatch[], release: () => void): void {
  void Promise.allSettled(parts.map((part) => part.promise)).then((results) => {
    const failed = results.find((result) => result.status === 'rejected')
    if (failed !== undefined) whole.reject(failed.reason)
    else if (results[0]?.status === 'fulfilled') whole.resolve(results[0].value)
    release()
  })
}
