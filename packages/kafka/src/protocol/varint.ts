/**
 * Variable-length integers of the Kafka protocol, read and written in place.
 *
 * V1. A read never looks beyond `end`: bytes that run out are MQ_BATCH_CORRUPT, never `undefined` turned into a number.
 * V2. A 32-bit value takes at most 5 bytes and a 64-bit value at most 10; a longer one is MQ_BATCH_CORRUPT.
 * V3. A write returns the position after the last byte and assumes room for `MAX_VARINT_BYTES` (or `MAX_VARLONG_BYTES`).
 * V4. 64-bit values are JavaScript numbers: exact within 2^53, which covers every timestamp delta of real clocks.
 */
import { MqError } from '@mq/contract'

export const MAX_VARINT_BYTES = 5
export const MAX_VARLONG_BYTES = 10

/** A view of bytes with a position that the reads move. One instance is meant to be reused for many records. */
export class ByteCursor {
  buffer: Uint8Array
  position: number
  end: number

  constructor(buffer: Uint8Array, position = 0, end = buffer.length) {
    this.buffer = buffer
    this.position = position
    this.end = Math.min(end, buffer.length)
  }

  reset(buffer: Uint8Array, position: number, end: number): this {
    this.buffer = buffer
    this.position = position
    this.end = Math.min(end, buffer.length)
    return this
  }

  /** Zigzag int32. */
  readVarint(): number {
    const position = this.position
    if (position < this.end) {
      const byte = this.buffer[position] as number
      if (byte < 0x80) {
        this.position = position + 1
        return (byte >>> 1) ^ -(byte & 1)
      }
      if (position + 1 < this.end) {
        const second = this.buffer[position + 1] as number
        if (second < 0x80) {
          this.position = position + 2
          const value = (byte & 0x7f) | (second << 7)
          return (value >>> 1) ^ -(value & 1)
        }
      }
    }
    const value = this.readUnsignedVarint()
    return (value >>> 1) ^ -(value & 1)
  }

  /** Unsigned int32 (0 to 2^32 - 1). */
  readUnsignedVarint(): number {
    let position = this.position
    let value = 0
    for (let shift = 0; shift <= 28; shift += 7) {
      if (position >= this.end) throw cutShort(this.position, this.end)
      const byte = this.buffer[position++] as number
      if (shift === 28 && byte > 0x0f) throw tooLong(this.position, 32)
      value |= (byte & 0x7f) << shift
      if (byte < 0x80) {
        this.position = position
        return value >>> 0
      }
    }
    throw tooLong(this.position, 32)
  }

  /** Zigzag int64 as a number (V4). */
  readVarlong(): number {
    let position = this.position
    let low = 0
    // Four bytes hold 28 bits, which small-integer arithmetic does; beyond that the slow path takes over.
    for (let shift = 0; shift <= 21; shift += 7) {
      if (position >= this.end) throw cutShort(this.position, this.end)
      const byte = this.buffer[position++] as number
      low |= (byte & 0x7f) << shift
      if (byte < 0x80) {
        this.position = position
        return (low >>> 1) ^ -(low & 1)
      }
    }
    let value = BigInt(low)
    for (let shift = 28n; shift <= 63n; shift += 7n) {
      if (position >= this.end) throw cutShort(this.position, this.end)
      const byte = this.buffer[position++] as number
      if (shift === 63n && byte > 1) throw tooLong(this.position, 64)
      value |= BigInt(byte & 0x7f) << shift
      if (byte < 0x80) {
        this.position = position
        return Number((value >> 1n) ^ -(value & 1n))
      }
    }
    throw tooLong(this.position, 64)
  }
}

const cutShort = (position: number, end: number): MqError =>
  new MqError('MQ_BATCH_CORRUPT', `a variable-length integer at byte ${position} runs past the end at byte ${end}`)

const tooLong = (position: number, bits: number): MqError =>
  new MqError('MQ_BATCH_CORRUPT', `the variable-length integer at byte ${position} is wider than ${bits} bits`)

/** Writes a zigzag int32 and returns the position after it. */
export function writeVarint(buffer: Uint8Array, position: number, value: number): number {
  return writeUnsignedVarint(buffer, position, ((value << 1) ^ (value >> 31)) >>> 0)
}

/** Writes an unsigned int32 and returns the position after it. */
export function writeUnsignedVarint(buffer: Uint8Array, position: number, value: number): number {
  let rest = value
  let at = position
  while (rest > 0x7f) {
    buffer[at++] = (rest & 0x7f) | 0x80
    rest >>>= 7
  }
  buffer[at++] = rest
  return at
}

/** Writes a zigzag int64 given as a safe integer and returns the position after it. */
export function writeVarlong(buffer: Uint8Array, position: number, value: number): number {
  if (value >= -0x40000000 && value < 0x40000000) return writeVarint(buffer, position, value)
  // Zigzag without 32-bit operators: 2v for v >= 0, -2v - 1 below.
  let rest = value >= 0 ? BigInt(value) * 2n : BigInt(value) * -2n - 1n
  let at = position
  while (rest > 0x7fn) {
    buffer[at++] = Number(rest & 0x7fn) | 0x80
    rest >>= 7n
  }
  buffer[at++] = Number(rest)
  return at
}

/** Bytes a zigzag int32 takes. */
export function sizeOfVarint(value: number): number {
  return sizeOfUnsignedVarint(((value << 1) ^ (value >> 31)) >>> 0)
}

/** Bytes an unsigned int32 takes. */
export function sizeOfUnsignedVarint(value: number): number {
  return value < 0x80 ? 1 : value < 0x4000 ? 2 : value < 0x200000 ? 3 : value < 0x10000000 ? 4 : 5
}

/** Bytes a zigzag int64, given as a safe integer, takes. */
export function sizeOfVarlong(value: number): number {
  if (value >= -0x40000000 && value < 0x40000000) return sizeOfVarint(value)
  let rest = value >= 0 ? BigInt(value) * 2n : BigInt(value) * -2n - 1n
  let size = 1
  while (rest > 0x7fn) {
    rest >>= 7n
    size += 1
  }
  return size
}
