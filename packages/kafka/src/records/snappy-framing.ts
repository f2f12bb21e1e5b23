/**
 * Snappy as Kafka writes it: raw snappy blocks behind the 16-byte header of Java's snappy library.
 *
 * Y1. Written data always has the header and blocks of at most 32 KiB, as Java's own producer writes them.
 * Y2. Read data may have the header (also again between blocks, as joined streams do) or be one raw block.
 * Y3. Every block says its size; the sizes are added up and compared with `maxBytes` before anything is decompressed.
 */
import { MqError } from '@mq/contract'
import { snappy } from './native-codecs.ts'

const HEADER = Buffer.from([0x82, 0x53, 0x4e, 0x41, 0x50, 0x50, 0x59, 0x00, 0, 0, 0, 1, 0, 0, 0, 1])
const MAGIC_BYTES = 8
const HEADER_START = 0x82534e41
const BLOCK_BYTES = 32 * 1024
// A buffer handed over by native code costs more to register than these bytes cost to copy.
const COPY = { copyOutputData: true } as const

const failed = (what: string, cause?: unknown): MqError =>
  new MqError('MQ_CODEC_FAILED', `snappy data cannot be decompressed: ${what}`, cause === undefined ? {} : { cause })

export function compressSnappy(data: Buffer): Buffer {
  const parts: Buffer[] = [HEADER]
  for (let start = 0; start < data.length; start += BLOCK_BYTES) {
    const block = snappy().compressSync(data.subarray(start, start + BLOCK_BYTES), COPY)
    const length = Buffer.allocUnsafe(4)
    length.writeUInt32BE(block.length)
    parts.push(length, block)
  }
  return Buffer.concat(parts)
}

export function decompressSnappy(data: Buffer, maxBytes: number): Buffer {
  if (data.length < HEADER.length || data.compare(HEADER, 0, MAGIC_BYTES, 0, MAGIC_BYTES) !== 0) {
    declaredBytes(data, maxBytes)
    return uncompressBlock(data)
  }
  const blocks: Buffer[] = []
  let total = 0
  let position = HEADER.length
  while (position < data.length) {
    if (position + 4 > data.length) throw failed('it ends inside a block length')
    const length = data.readUInt32BE(position)
    if (length === HEADER_START) {
      position += HEADER.length
      continue
    }
    position += 4
    if (length > data.length - position) throw failed(`a block of ${length} bytes runs past the end`)
    const block = data.subarray(position, position + length)
    total += declaredBytes(block, maxBytes)
    if (total > maxBytes) throw tooLarge(maxBytes)
    blocks.push(block)
    position += length
  }
  if (blocks.length === 1) return uncompressBlock(blocks[0] as Buffer)
  const output = Buffer.allocUnsafe(total)
  let written = 0
  for (const block of blocks) {
    const bytes = uncompressBlock(block)
    if (written + bytes.length > total) throw failed('a block is larger than it says')
    bytes.copy(output, written)
    written += bytes.length
  }
  return output.subarray(0, written)
}

function uncompressBlock(block: Buffer): Buffer {
  try {
    return snappy().uncompressSync(block, COPY) as Buffer
  } catch (error) {
    throw failed('a block is malformed', error)
  }
}

/** The size a raw block says it grows to: an unsigned varint at its start. */
function declaredBytes(block: Buffer, maxBytes: number): number {
  let size = 0
  let scale = 1
  for (let index = 0; index < 5; index += 1) {
    const byte = block[index]
    if (byte === undefined) throw failed('a block is cut short')
    size += (byte & 0x7f) * scale
    if (byte < 0x80) {
      if (size > maxBytes) throw tooLarge(maxBytes)
      return size
    }
    scale *= 128
  }
  throw failed('a block does not start with its size')
}

const tooLarge = (maxBytes: number): MqError => failed(`it would grow to more than the allowed ${maxBytes} bytes`)
