/**
 * A look at some of the records of an encoded batch, without taking it apart.
 *
 * L1. Every `every`-th record is shown, the first one included, until `most` were; the others cost the reading of their length.
 */
import type { EncodedRecords } from '../produce/producer-observer.ts'
import { ByteCursor } from '../protocol/varint.ts'

/** How many of the first records fit into that many bytes, and how many bytes they take. */
export function recordsWithin(encoded: EncodedRecords, maxBytes: number): { count: number; bytes: number } {
  const all = encoded.records()
  if (all.length <= maxBytes) return { count: encoded.count, bytes: all.length }
  const cursor = new ByteCursor(all)
  let bytes = 0
  for (let count = 0; count < encoded.count; count++) {
    const end = cursor.readVarint() + cursor.position
    if (end > maxBytes) return { count, bytes }
    bytes = end
    cursor.position = end
  }
  return { count: encoded.count, bytes }
}

/** @param visit gets where the key lies (-1 without one), how long it is, and the bytes of key, value and headers together */
export function sampleRecords(
  encoded: EncodedRecords,
  every: number,
  most: number,
  visit: (bytes: Buffer, keyStart: number, keyBytes: number, contentBytes: number) => void,
): void {
  const bytes = encoded.records()
  const cursor = new ByteCursor(bytes)
  let shown = 0
  for (let index = 0; index < encoded.count && shown < most; index++) {
    const end = cursor.readVarint() + cursor.position
    if (index % every === 0) {
      shown++
      cursor.position++ // attributes
      cursor.readVarlong()
      cursor.readVarint()
      const keyBytes = cursor.readVarint()
      const keyStart = keyBytes < 0 ? -1 : cursor.position
      if (keyBytes > 0) cursor.position += keyBytes
      const valueBytes = cursor.readVarint()
      if (valueBytes > 0) cursor.position += valueBytes
      // The count of headers is framing; a record without any has one byte of it.
      cursor.readVarint()
      const headersBytes = end - cursor.position
      visit(bytes, keyStart, keyBytes, Math.max(0, keyBytes) + Math.max(0, valueBytes) + Math.max(0, headersBytes))
    }
    cursor.position = end
  }
}
