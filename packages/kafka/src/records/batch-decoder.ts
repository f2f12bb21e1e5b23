/**
 * From the bytes of one partition in a fetch response to record batches that may be handed out.
 *
 * X1. The CRC covers everything behind it and is checked first: a batch that fails it is not looked into.
 * X2. A batch is handed out whole and checked (`checkRecords`), or not at all; nothing is skipped in silence.
 * X3. READ_COMMITTED follows the broker's list of aborted transactions in order of first offset: a producer is "aborting" from that
 *     offset to its abort marker, or to the end of the response. A producer may abort any number of times in one response.
 * X4. Control batches, aborted data, batches emptied by compaction and records below the wanted offset are passed over, and the
 *     position moves over them.
 * X5. Batches are decoded one at a time as they are asked for, so the memory in use is that of one batch.
 */
import { type Codec, MqError } from '@mq/contract'
import { ByteCursor } from '../protocol/varint.ts'
import {
  ATTRIBUTE_CODEC_MASK,
  ATTRIBUTE_CONTROL,
  ATTRIBUTE_LOG_APPEND_TIME,
  ATTRIBUTE_TRANSACTIONAL,
  BATCH_HEADER_BYTES,
  type BatchHeader,
  corrupt,
  readBatchHeader,
} from './batch-header.ts'
import { codecs, decompress } from './compression.ts'
import { crc32c } from './crc32c.ts'
import { checkRecords } from './record-check.ts'
import { RecordIterator, type RecordSource } from './record-view.ts'

const CRC_COVERS_FROM = 21
const CONTROL_ABORT = 0

export interface AbortedTransaction {
  readonly producerId: bigint
  readonly firstOffset: number
}

export interface RecordSection {
  readonly topic: string
  readonly partition: number
  readonly buffer: Buffer
  readonly start: number
  readonly end: number
  /** Records below it are dropped. */
  readonly fetchOffset: number
  /** Undefined when everything is to be read; else the broker's list, in any order. */
  readonly aborted: readonly AbortedTransaction[] | undefined
  /** A batch that decompresses to more is MQ_CODEC_FAILED. */
  readonly maxBatchBytes: number
}

/** What `subarray` of a Buffer makes. */
const BufferView = (
  Buffer as unknown as { [Symbol.species]: new (memory: ArrayBufferLike, start: number, length: number) => Buffer }
)[Symbol.species]

/** A batch whose records may be handed out. */
export class DecodedBatch implements RecordSource {
  readonly topic: string
  readonly partition: number
  readonly baseOffset: number
  readonly baseTimestampMs: number
  readonly appendTimestampMs: number | undefined
  readonly bytes: Buffer
  readonly leaderEpoch: number
  readonly nextOffset: number
  /** Records to hand out; zero for a stretch that only moves the position. */
  readonly count: number
  /** On the wire. */
  readonly wireBytes: number
  readonly codec: Codec
  readonly #position: number
  readonly #memory: ArrayBufferLike
  readonly #memoryOffset: number

  constructor(
    section: RecordSection,
    header: BatchHeader,
    codec: Codec,
    bytes: Buffer,
    position: number,
    count: number,
  ) {
    this.topic = section.topic
    this.partition = section.partition
    this.baseOffset = header.baseOffset
    this.baseTimestampMs = header.baseTimestampMs
    this.appendTimestampMs = (header.attributes & ATTRIBUTE_LOG_APPEND_TIME) === 0 ? undefined : header.maxTimestampMs
    this.bytes = bytes
    this.leaderEpoch = header.leaderEpoch
    this.nextOffset = header.lastOffset + 1
    this.count = count
    this.wireBytes = header.end - header.start
    this.codec = codec
    this.#position = position
    this.#memory = bytes.buffer
    this.#memoryOffset = bytes.byteOffset
  }

  /** As `bytes.subarray`, which asks for the memory anew at every call: that takes as long as all the rest of it. */
  view(start: number, length: number): Buffer {
    return new BufferView(this.#memory, this.#memoryOffset + start, length)
  }

  [Symbol.iterator](): RecordIterator {
    return new RecordIterator(this, this.#position, this.count)
  }
}

const NO_BYTES = Buffer.alloc(0)

/** Decodes the batches of one section in order (X5). */
export class BatchDecoder {
  readonly #section: RecordSection
  readonly #transactions: AbortedTransaction[]
  readonly #aborting = new Set<bigint>()
  #position: number
  #nextAborted = 0

  constructor(section: RecordSection) {
    this.#section = section
    this.#position = section.start
    this.#transactions =
      section.aborted === undefined ? [] : section.aborted.toSorted((a, b) => a.firstOffset - b.firstOffset)
  }

  /** Bytes not decoded yet. */
  get remainingBytes(): number {
    return this.#section.end - this.#position
  }

  /**
   * The next batch with records; when only a stretch without any is left, one of count 0 that carries the position over it;
   * undefined at the end. After an error the decoder stays where it is: asking again gives the same error.
   */
  next(): DecodedBatch | undefined {
    let passed: DecodedBatch | undefined
    for (;;) {
      const section = this.#section
      const header = readBatchHeader(section.buffer, this.#position, section.end)
      if (header === undefined) {
        this.#position = section.end
        return passed
      }
      const batch = this.#decode(header)
      this.#position = header.end
      if (batch.count > 0) return batch
      if (batch.nextOffset > section.fetchOffset) passed = batch
    }
  }

  #decode(header: BatchHeader): DecodedBatch {
    const section = this.#section
    const crc = crc32c(section.buffer.subarray(header.start + CRC_COVERS_FROM, header.end))
    if (crc !== header.crc) {
      throw corrupt(
        `the batch at offset ${header.baseOffset} of ${section.topic}/${section.partition} does not match its checksum`,
        { topic: section.topic, partition: section.partition, offset: header.baseOffset },
      )
    }
    const codec = this.#codec(header)
    if (this.#isPassedOver(header) || header.lastOffset < section.fetchOffset) {
      return new DecodedBatch(section, header, codec, NO_BYTES, 0, 0)
    }
    try {
      const compressed = section.buffer.subarray(header.start + BATCH_HEADER_BYTES, header.end)
      const bytes = codec === 'none' ? compressed : decompress(codec, compressed, section.maxBatchBytes)
      const lastDelta = header.lastOffset - header.baseOffset
      const checked = checkRecords(bytes, header.recordCount, lastDelta, section.fetchOffset - header.baseOffset)
      return new DecodedBatch(section, header, codec, bytes, checked.position, checked.count)
    } catch (error) {
      if (!(error instanceof MqError)) throw error
      throw new MqError(
        error.code,
        `batch at offset ${header.baseOffset} of ${section.topic}/${section.partition}: ${error.message}`,
        { cause: error, details: { topic: section.topic, partition: section.partition, offset: header.baseOffset } },
      )
    }
  }

  #codec(header: BatchHeader): Codec {
    const number = header.attributes & ATTRIBUTE_CODEC_MASK
    const codec = codecs[number]
    if (codec === undefined) {
      throw new MqError(
        'MQ_CODEC_FAILED',
        `the batch at offset ${header.baseOffset} of ${this.#section.topic}/${this.#section.partition} names codec ${number}, which does not exist`,
      )
    }
    return codec
  }

  /** Whether a batch carries no data for the reader; keeps track of which producers are aborting (X3). */
  #isPassedOver(header: BatchHeader): boolean {
    const isControl = (header.attributes & ATTRIBUTE_CONTROL) !== 0
    if (this.#section.aborted !== undefined && header.producerId >= 0n) {
      for (;;) {
        const next = this.#transactions[this.#nextAborted]
        if (next === undefined || next.firstOffset > header.lastOffset) break
        this.#aborting.add(next.producerId)
        this.#nextAborted += 1
      }
      if (isControl) {
        if (this.#isAbortMarker(header)) this.#aborting.delete(header.producerId)
      } else if ((header.attributes & ATTRIBUTE_TRANSACTIONAL) !== 0) {
        return this.#aborting.has(header.producerId)
      }
    }
    return isControl
  }

  #isAbortMarker(header: BatchHeader): boolean {
    if (header.recordCount !== 1) return false
    const cursor = new ByteCursor(this.#section.buffer, header.start + BATCH_HEADER_BYTES, header.end)
    cursor.readVarint()
    cursor.position += 1
    cursor.readVarlong()
    cursor.readVarint()
    // The key of a control record is a version and a type, two bytes each.
    if (cursor.readVarint() < 4 || cursor.position + 4 > header.end) {
      throw corrupt(
        `the control batch at offset ${header.baseOffset} of ${this.#section.topic} has a key that is cut short`,
      )
    }
    return this.#section.buffer.readInt16BE(cursor.position + 2) === CONTROL_ABORT
  }
}
