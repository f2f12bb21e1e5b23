/**
 * The check that every batch passes before the first record of it is handed out.
 *
 * R1. All records are walked: each fills exactly the bytes it announces, and together they fill the batch.
 * R2. Offsets rise strictly and stay inside the batch; holes, which compaction leaves, are fine.
 * R3. The work and the memory depend on the bytes that are there, never on a count or length that they claim.
 */

import { ByteCursor } from '../protocol/varint.ts'
import { corrupt } from './batch-header.ts'

/** Length, attributes, two deltas, two lengths and the number of headers: one byte each at least. */
const MIN_RECORD_BYTES = 7

export interface CheckedRecords {
  /** Where the first wanted record starts. */
  readonly position: number
  /** How many records there are from it to the end. */
  readonly count: number
}

/**
 * @param fromDelta records below this offset delta are not wanted: a fetch may start inside a batch
 * @throws MQ_BATCH_CORRUPT
 */
export function checkRecords(
  bytes: Buffer,
  recordCount: number,
  lastOffsetDelta: number,
  fromDelta: number,
): CheckedRecords {
  const end = bytes.length
  if (recordCount < 0 || recordCount * MIN_RECORD_BYTES > end) {
    throw corrupt(`a batch claims ${recordCount} records in ${end} bytes`)
  }
  const cursor = new ByteCursor(bytes)
  let previousDelta = -1
  let position = 0
  let skipped = 0
  for (let index = 0; index < recordCount; index += 1) {
    const start = cursor.position
    const length = cursor.readVarint()
    const recordEnd = cursor.position + length
    if (length < 0 || recordEnd > end) throw corrupt(`record ${index} of a batch runs past the end of it`)
    cursor.position += 1
    cursor.readVarlong()
    const delta = cursor.readVarint()
    if (delta <= previousDelta || delta > lastOffsetDelta) {
      throw corrupt(
        `record ${index} of a batch has offset delta ${delta} after ${previousDelta} (last ${lastOffsetDelta})`,
      )
    }
    previousDelta = delta
    const keyLength = cursor.readVarint()
    if (keyLength > 0) cursor.position += keyLength
    else if (keyLength < -1) throw corrupt(`record ${index} of a batch has a key of ${keyLength} bytes`)
    const valueLength = cursor.readVarint()
    if (valueLength > 0) cursor.position += valueLength
    else if (valueLength < -1) throw corrupt(`record ${index} of a batch has a value of ${valueLength} bytes`)
    const headerCount = cursor.readVarint()
    if (headerCount !== 0) checkHeaders(cursor, headerCount, index)
    if (cursor.position !== recordEnd) {
      throw corrupt(
        `record ${index} of a batch takes ${cursor.position - start} bytes and announces ${recordEnd - start}`,
      )
    }
    if (delta < fromDelta) {
      skipped = index + 1
      position = recordEnd
    }
  }
  if (cursor.position !== end) throw corrupt(`${end - cursor.position} bytes follow the last record of a batch`)
  return { position, count: recordCount - skipped }
}

function checkHeaders(cursor: ByteCursor, headerCount: number, index: number): void {
  // Two bytes each at least, so a hostile count ends with the bytes (R3).
  if (headerCount < 0 || headerCount * 2 > cursor.end - cursor.position) {
    throw corrupt(`record ${index} of a batch claims ${headerCount} headers`)
  }
  for (let header = 0; header < headerCount; header += 1) {
    const keyLength = cursor.readVarint()
    if (keyLength < 0) throw corrupt(`record ${index} of a batch has a header key of ${keyLength} bytes`)
    cursor.position += keyLength
    const valueLength = cursor.readVarint()
    if (valueLength > 0) cursor.position += valueLength
    else if (valueLength < -1) throw corrupt(`record ${index} of a batch has a header value of ${valueLength} bytes`)
  }
}
