/**
 * The LZ4 frame format as Kafka uses it, decoded.
 *
 * Z1. The size of the result is known, by walking the blocks, before a byte of it is allocated; over `maxBytes` nothing is.
 * Z2. Every read and every copy stays inside its buffer; a frame that would leave it is MQ_CODEC_FAILED.
 * Z3. Blocks are independent (Kafka forbids dependent ones), but a block that reaches back into the one before is still inside
 *     the result, so it is decoded rather than refused.
 * Z4. Checksums of blocks and content are skipped, not verified: the batch's CRC32C already covers every byte of the frame.
 */
import { MqError } from '@mq/contract'

const MAGIC = 0x184d2204
const VERSION_MASK = 0xc0
const VERSION_1 = 0x40
const FLAG_BLOCK_CHECKSUM = 0x10
const FLAG_CONTENT_SIZE = 0x08
const FLAG_DICTIONARY = 0x01
const UNCOMPRESSED = 0x80000000
const MIN_MATCH = 4

interface FrameShape {
  readonly firstBlock: number
  readonly blockChecksumBytes: number
  readonly blockMaxBytes: number
}

const failed = (what: string): MqError => new MqError('MQ_CODEC_FAILED', `lz4 data cannot be decompressed: ${what}`)

function readShape(data: Buffer): FrameShape {
  if (data.length < 11) throw failed(`a frame takes at least 11 bytes, these are ${data.length}`)
  if (data.readUInt32LE(0) !== MAGIC) throw failed('the frame does not start with the lz4 magic number')
  const flags = data[4] as number
  if ((flags & VERSION_MASK) !== VERSION_1) throw failed(`frame version ${flags >>> 6} is unknown`)
  if ((flags & FLAG_DICTIONARY) !== 0) throw failed('the frame asks for a dictionary')
  const sizeCode = ((data[5] as number) >>> 4) & 0x07
  if (sizeCode < 4) throw failed(`block size code ${sizeCode} is unknown`)
  const headerBytes = 4 + 2 + ((flags & FLAG_CONTENT_SIZE) === 0 ? 0 : 8)
  const expected = (xxh32(data, 4, headerBytes) >>> 8) & 0xff
  if (data[headerBytes] !== expected) throw failed('the frame header does not match its checksum')
  return {
    firstBlock: headerBytes + 1,
    blockChecksumBytes: (flags & FLAG_BLOCK_CHECKSUM) === 0 ? 0 : 4,
    blockMaxBytes: 1 << (8 + 2 * sizeCode),
  }
}

/** Decodes one frame; `maxBytes` bounds the result (Z1). */
export function decompressLz4Frame(data: Buffer, maxBytes: number): Buffer {
  const shape = readShape(data)
  const output = Buffer.allocUnsafeSlow(measure(data, shape, maxBytes))
  let position = shape.firstBlock
  let written = 0
  for (;;) {
    const header = data.readUInt32LE(position)
    position += 4
    if (header === 0) return output.subarray(0, written)
    const length = header & 0x7fffffff
    if (header >= UNCOMPRESSED) {
      data.copy(output, written, position, position + length)
      written += length
    } else {
      written = decodeBlock(data, position, position + length, output, written)
    }
    position += length + shape.blockChecksumBytes
  }
}

/** The room the result needs: exact when it must be, else a cheap bound of it. */
function measure(data: Buffer, shape: FrameShape, maxBytes: number): number {
  // No byte of a block can stand for more than 255 bytes of the result.
  const cheap = walkBlocks(data, shape, (start, end) => Math.min(shape.blockMaxBytes, (end - start) * 255))
  // Taken only while it wastes little: the result stays in memory as long as a record of it does.
  if (cheap <= maxBytes && cheap <= 65_536 + data.length * 8) return cheap
  const exact = walkBlocks(data, shape, (start, end) => measureBlock(data, start, end, maxBytes))
  if (exact > maxBytes) throw failed(`it would grow to more than the allowed ${maxBytes} bytes`)
  return exact
}

function walkBlocks(data: Buffer, shape: FrameShape, sizeOf: (start: number, end: number) => number): number {
  let position = shape.firstBlock
  let total = 0
  for (;;) {
    if (position + 4 > data.length) throw failed('the frame is cut short')
    const header = data.readUInt32LE(position)
    position += 4
    if (header === 0) return total
    const length = header & 0x7fffffff
    if (length > data.length - position) throw failed('a block runs past the end of the frame')
    if (length > shape.blockMaxBytes) throw failed(`a block of ${length} bytes is over the frame's own limit`)
    total += header >= UNCOMPRESSED ? length : sizeOf(position, position + length)
    position += length + shape.blockChecksumBytes
  }
}

function measureBlock(data: Uint8Array, start: number, end: number, maxBytes: number): number {
  let position = start
  let size = 0
  while (position < end) {
    const token = data[position++] as number
    let literals = token >>> 4
    if (literals === 15) {
      let byte = 255
      while (byte === 255) {
        if (position >= end) throw failed('a block ends inside a length')
        byte = data[position++] as number
        literals += byte
      }
    }
    size += literals
    position += literals
    if (position >= end) break
    position += 2
    let match = token & 0x0f
    if (match === 15) {
      let byte = 255
      while (byte === 255) {
        if (position >= end) throw failed('a block ends inside a length')
        byte = data[position++] as number
        match += byte
      }
    }
    size += match + MIN_MATCH
    if (size > maxBytes) throw failed(`it would grow to more than the allowed ${maxBytes} bytes`)
  }
  return size
}

function decodeBlock(input: Uint8Array, start: number, end: number, output: Uint8Array, written: number): number {
  const limit = output.length
  let from = start
  let to = written
  while (from < end) {
    const token = input[from++] as number
    let literals = token >>> 4
    if (literals === 15) {
      let byte = 255
      while (byte === 255) {
        if (from >= end) throw failed('a block ends inside a length')
        byte = input[from++] as number
        literals += byte
      }
    }
    if (from + literals > end || to + literals > limit) throw failed('a run of bytes leaves its block')
    if (literals > 48) {
      output.set(input.subarray(from, from + literals), to)
      from += literals
      to += literals
    } else {
      const stop = from + literals
      while (from < stop) output[to++] = input[from++] as number
    }
    if (from === end) return to
    if (from + 2 > end) throw failed('a block ends inside a distance')
    const distance = (input[from] as number) | ((input[from + 1] as number) << 8)
    from += 2
    if (distance === 0 || distance > to) throw failed(`a copy reaches ${distance} bytes back from byte ${to}`)
    let match = token & 0x0f
    if (match === 15) {
      let byte = 255
      while (byte === 255) {
        if (from >= end) throw failed('a block ends inside a length')
        byte = input[from++] as number
        match += byte
      }
    }
    match += MIN_MATCH
    if (to + match > limit) throw failed('a copy leaves its block')
    let source = to - distance
    if (match > 64 && distance >= match) {
      output.copyWithin(to, source, source + match)
      to += match
    } else {
      const stop = to + match
      while (to < stop) output[to++] = output[source++] as number
    }
  }
  return to
}

/** xxHash32 with seed 0 of fewer than 16 bytes, which is all that a frame header ever has. */
function xxh32(data: Buffer, start: number, end: number): number {
  let hash = (0x165667b1 + (end - start)) | 0
  let position = start
  for (; position + 4 <= end; position += 4) {
    hash = (hash + Math.imul(data.readUInt32LE(position), 0xc2b2ae3d)) | 0
    hash = Math.imul((hash << 17) | (hash >>> 15), 0x27d4eb2f)
  }
  for (; position < end; position += 1) {
    hash = (hash + Math.imul(data[position] as number, 0x165667b1)) | 0
    hash = Math.imul((hash << 11) | (hash >>> 21), 0x9e3779b1)
  }
  hash = Math.imul(hash ^ (hash >>> 15), 0x85ebca77)
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae3d)
  return (hash ^ (hash >>> 16)) >>> 0
}
