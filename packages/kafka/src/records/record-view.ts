/**
 * Records as views: positions into the buffer of their batch, made into keys, values and headers when somebody asks.
 *
 * W1. A view is made only over records that `checkRecords` has walked to the end, so no read of it can leave the batch.
 * W2. A view allocates nothing but itself; every getter makes a new object, so take what is needed once.
 * W3. The header that pads a short batch is no header of the application and is left out.
 * W4. Buffers handed out share the memory of the batch: whoever keeps one keeps the batch alive.
 */

import { ByteCursor } from '../protocol/varint.ts'
import { PADDING_HEADER } from './padding-header.ts'

/** What all records of one batch have in common. */
export interface RecordSource {
  readonly topic: string
  readonly partition: number
  readonly baseOffset: number
  readonly baseTimestampMs: number
  /** Set when the broker stamps the batch: the same time for every record. */
  readonly appendTimestampMs: number | undefined
  /** The records without the batch's header, decompressed. */
  readonly bytes: Buffer
  /** Some of them, in the same memory. */
  view(start: number, length: number): Buffer
}

export interface RecordHeader {
  readonly key: string
  readonly value: Buffer | null
}

const NO_HEADERS: readonly RecordHeader[] = []

/** One record of a fetched batch. */
export class FetchedRecord {
  readonly #source: RecordSource
  readonly #offsetDelta: number
  readonly #timestampDelta: number
  readonly #keyStart: number
  readonly #keyLength: number
  readonly #valueStart: number
  readonly #valueLength: number

  constructor(
    source: RecordSource,
    offsetDelta: number,
    timestampDelta: number,
    keyStart: number,
    keyLength: number,
    valueStart: number,
    valueLength: number,
  ) {
    this.#source = source
    this.#offsetDelta = offsetDelta
    this.#timestampDelta = timestampDelta
    this.#keyStart = keyStart
    this.#keyLength = keyLength
    this.#valueStart = valueStart
    this.#valueLength = valueLength
  }

  get topic(): string {
    return this.#source.topic
  }

  get partition(): number {
    return this.#source.partition
  }

  get offset(): bigint {
    return BigInt(this.#source.baseOffset + this.#offsetDelta)
  }

  /** The offset without a bigint; exact, as offsets beyond 2^53 - 1 are refused. */
  get offsetNumber(): number {
    return this.#source.baseOffset + this.#offsetDelta
  }

  get timestampMs(): number {
    return this.#source.appendTimestampMs ?? this.#source.baseTimestampMs + this.#timestampDelta
  }

  get key(): Buffer | null {
    if (this.#keyLength < 0) return null
    return this.#source.view(this.#keyStart, this.#keyLength)
  }

  /** The key as UTF-8 text, without a buffer on the way. */
  keyString(): string | null {
    if (this.#keyLength < 0) return null
    return this.#source.bytes.toString('utf8', this.#keyStart, this.#keyStart + this.#keyLength)
  }

  /** A 32-bit unsigned hash of the key, seeded; -1 without a key. Made from the bytes in place, to tell keys apart cheaply. */
  keyHash(seed: number): number {
    if (this.#keyLength < 0) return -1
    const { bytes } = this.#source
    const end = this.#keyStart + this.#keyLength
    let hash = 0x811c9dc5 ^ Math.imul(seed, 0x9e3779b1)
    for (let at = this.#keyStart; at < end; at++) hash = Math.imul(hash ^ bytes[at]!, 0x01000193)
    return hash >>> 0
  }

  get value(): Buffer | null {
    if (this.#valueLength < 0) return null
    return this.#source.view(this.#valueStart, this.#valueLength)
  }

  /** The value as UTF-8 text, without a buffer on the way. */
  valueString(): string | null {
    if (this.#valueLength < 0) return null
    return this.#source.bytes.toString('utf8', this.#valueStart, this.#valueStart + this.#valueLength)
  }

  /** Bytes of key and value together. */
  get payloadBytes(): number {
    return Math.max(this.#keyLength, 0) + Math.max(this.#valueLength, 0)
  }

  /** False says for certain that there are none, without decoding any. */
  get hasHeaders(): boolean {
    return this.#source.bytes[this.#headersStart] !== 0
  }

  /** In the order they were written; a key may occur more than once. */
  get headers(): readonly RecordHeader[] {
    if (!this.hasHeaders) return NO_HEADERS
    const bytes = this.#source.bytes
    const cursor = new ByteCursor(bytes, this.#headersStart)
    const headers: RecordHeader[] = []
    for (let rest = cursor.readVarint(); rest > 0; rest -= 1) {
      const keyLength = cursor.readVarint()
      const key = bytes.toString('utf8', cursor.position, cursor.position + keyLength)
      cursor.position += keyLength
      const valueLength = cursor.readVarint()
      const start = cursor.position
      if (valueLength > 0) cursor.position += valueLength
      if (key === PADDING_HEADER) continue
      headers.push({ key, value: valueLength < 0 ? null : bytes.subarray(start, start + valueLength) })
    }
    return headers
  }

  /** Where the count of headers stands: right behind the value. */
  get #headersStart(): number {
    return this.#valueLength < 0 ? this.#valueStart : this.#valueStart + this.#valueLength
  }
}

/** Walks the checked records of a batch. It is its own result object, so a `for of` over it allocates only the records. */
export class RecordIterator implements IterableIterator<FetchedRecord> {
  readonly #source: RecordSource
  readonly #bytes: Buffer
  #position: number
  #remaining: number
  done = false
  value: FetchedRecord = undefined as unknown as FetchedRecord

  /** @param position of the first record wanted @param count records from there on, all checked */
  constructor(source: RecordSource, position: number, count: number) {
    this.#source = source
    this.#bytes = source.bytes
    this.#position = position
    this.#remaining = count
  }

  [Symbol.iterator](): this {
    return this
  }

  /** Hot. The usual record is read here, whatever is longer by `#readLong`. */
  next(): IteratorResult<FetchedRecord, undefined> {
    if (this.#remaining === 0) {
      this.done = true
      this.value = undefined as unknown as FetchedRecord
      return this as unknown as IteratorReturnResult<undefined>
    }
    this.#remaining -= 1
    // Spelled out, with the position in a variable: as calls this takes half as long again, and it is done for every record.
    const bytes = this.#bytes
    let at = this.#position
    let byte = bytes[at++]!
    let length = byte & 0x7f
    if (byte > 0x7f) {
      byte = bytes[at++]!
      length |= (byte & 0x7f) << 7
      if (byte > 0x7f) return this.#readLong()
    }
    const end = at + (length >>> 1)
    at++
    byte = bytes[at++]!
    let time = byte & 0x7f
    if (byte > 0x7f) {
      byte = bytes[at++]!
      time |= (byte & 0x7f) << 7
      if (byte > 0x7f) return this.#readLong()
    }
    byte = bytes[at++]!
    let offset = byte & 0x7f
    if (byte > 0x7f) {
      byte = bytes[at++]!
      offset |= (byte & 0x7f) << 7
      if (byte > 0x7f) return this.#readLong()
    }
    byte = bytes[at++]!
    let keyLength = byte & 0x7f
    if (byte > 0x7f) {
      byte = bytes[at++]!
      keyLength |= (byte & 0x7f) << 7
      if (byte > 0x7f) return this.#readLong()
    }
    keyLength = (keyLength >>> 1) ^ -(keyLength & 1)
    const keyStart = at
    if (keyLength > 0) at += keyLength
    byte = bytes[at++]!
    let valueLength = byte & 0x7f
    if (byte > 0x7f) {
      byte = bytes[at++]!
      valueLength |= (byte & 0x7f) << 7
      if (byte > 0x7f) return this.#readLong()
    }
    this.#position = end
    this.value = new FetchedRecord(
      this.#source,
      offset >>> 1,
      (time >>> 1) ^ -(time & 1),
      keyStart,
      keyLength,
      at,
      (valueLength >>> 1) ^ -(valueLength & 1),
    )
    return this as unknown as IteratorYieldResult<FetchedRecord>
  }

  #readLong(): IteratorResult<FetchedRecord, undefined> {
    const cursor = new ByteCursor(this.#bytes, this.#position)
    const length = cursor.readVarint()
    this.#position = cursor.position + length
    cursor.position += 1
    const timestampDelta = cursor.readVarlong()
    const offsetDelta = cursor.readVarint()
    const keyLength = cursor.readVarint()
    const keyStart = cursor.position
    if (keyLength > 0) cursor.position = keyStart + keyLength
    const valueLength = cursor.readVarint()
    const valueStart = cursor.position
    this.value = new FetchedRecord(
      this.#source,
      offsetDelta,
      timestampDelta,
      keyStart,
      keyLength,
      valueStart,
      valueLength,
    )
    return this as unknown as IteratorYieldResult<FetchedRecord>
  }
}
