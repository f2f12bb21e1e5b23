/**
 * The 61-byte header in front of every record batch (format version 2), and the walk from batch to batch.
 *
 * H1. A header is looked at only when all the bytes it announces are there; a last batch that is cut short is not a batch.
 * H2. Formats 0 and 1 are refused by name, never guessed at.
 * H3. Offsets are numbers: one beyond 2^53 - 1 is refused, so no arithmetic here can round.
 */
import { MqError } from '@mq/contract'

export const BATCH_HEADER_BYTES = 61
/** Base offset and length: what stands before the bytes that `batchLength` counts. */
export const BATCH_PREFIX_BYTES = 12

export const ATTRIBUTE_CODEC_MASK = 0x07
export const ATTRIBUTE_LOG_APPEND_TIME = 0x08
export const ATTRIBUTE_TRANSACTIONAL = 0x10
export const ATTRIBUTE_CONTROL = 0x20

export interface BatchHeader {
  /** Where the batch starts in its buffer. */
  readonly start: number
  /** Where the next one starts. */
  readonly end: number
  readonly baseOffset: number
  readonly lastOffset: number
  readonly leaderEpoch: number
  readonly crc: number
  readonly attributes: number
  readonly baseTimestampMs: number
  readonly maxTimestampMs: number
  readonly producerId: bigint
  readonly producerEpoch: number
  readonly baseSequence: number
  readonly recordCount: number
}

/** The whole size of the batch at `start`, when its prefix is there: what a fetch needs to make progress over a large one. */
export function announcedBytes(buffer: Buffer, start: number, end: number): number | undefined {
  if (end - start < BATCH_PREFIX_BYTES) return undefined
  return BATCH_PREFIX_BYTES + buffer.readInt32BE(start + 8)
}

/** Reads the header at `start`; undefined when the batch is not there to its end (H1). */
export function readBatchHeader(buffer: Buffer, start: number, end: number): BatchHeader | undefined {
  const bytes = announcedBytes(buffer, start, end)
  if (bytes === undefined) return undefined
  if (end - start > 16) {
    const magic = buffer.readInt8(start + 16)
    if (magic !== 2) {
      throw new MqError(
        'MQ_BATCH_UNSUPPORTED',
        `the batch at offset ${buffer.readBigInt64BE(start)} is in message format ${magic}; mQ reads format 2`,
        { details: { magic } },
      )
    }
  }
  if (bytes < BATCH_HEADER_BYTES) {
    throw corrupt(`the batch at offset ${buffer.readBigInt64BE(start)} announces ${bytes} bytes; a header has 61`)
  }
  if (bytes > end - start) return undefined
  const baseOffset = readOffset(buffer, start)
  const lastOffsetDelta = buffer.readInt32BE(start + 23)
  if (lastOffsetDelta < 0 || !Number.isSafeInteger(baseOffset + lastOffsetDelta)) {
    throw corrupt(`the batch at offset ${baseOffset} ends ${lastOffsetDelta} offsets after its start`)
  }
  return {
    start,
    end: start + bytes,
    baseOffset,
    lastOffset: baseOffset + lastOffsetDelta,
    leaderEpoch: buffer.readInt32BE(start + 12),
    crc: buffer.readUInt32BE(start + 17),
    attributes: buffer.readInt16BE(start + 21),
    baseTimestampMs: Number(buffer.readBigInt64BE(start + 27)),
    maxTimestampMs: Number(buffer.readBigInt64BE(start + 35)),
    producerId: buffer.readBigInt64BE(start + 43),
    producerEpoch: buffer.readInt16BE(start + 51),
    baseSequence: buffer.readInt32BE(start + 53),
    recordCount: buffer.readInt32BE(start + 57),
  }
}

function readOffset(buffer: Buffer, start: number): number {
  const high = buffer.readInt32BE(start)
  const offset = high * 4_294_967_296 + buffer.readUInt32BE(start + 4)
  if (high < 0 || !Number.isSafeInteger(offset)) {
    throw corrupt(`a batch claims offset ${buffer.readBigInt64BE(start)}, which is outside 0 to 2^53 - 1`)
  }
  return offset
}

export const corrupt = (what: string, details?: Readonly<Record<string, unknown>>): MqError =>
  new MqError('MQ_BATCH_CORRUPT', what, details === undefined ? {} : { details })
