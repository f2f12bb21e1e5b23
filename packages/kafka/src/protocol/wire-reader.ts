/**
 * Reads the primitive values of the Kafka protocol, front to back.
 *
 * R1. Nothing is read beyond the end: bytes that run out, and lengths that cannot be, are MQ_PROTOCOL_VIOLATION.
 * R2. The work is bounded by the bytes there are: a count of elements above the bytes that are left is refused before the first is read.
 * R3. Bytes are views into the buffer that is read, text is copied.
 */
import { MqError } from '@mq/contract'

const NULL_LENGTH = -1
/** An unsigned varint of 32 bits takes at most so many bytes. */
const MAX_VARINT_SHIFT = 28

export class WireReader {
  readonly #buffer: Buffer
  #position: number

  constructor(buffer: Buffer, position = 0) {
    this.#buffer = buffer
    this.#position = position
  }

  get position(): number {
    return this.#position
  }

  /** Bytes that are not read yet. */
  get left(): number {
    return this.#buffer.length - this.#position
  }

  int8(): number {
    return this.#buffer.readInt8(this.#advance(1))
  }

  int16(): number {
    return this.#buffer.readInt16BE(this.#advance(2))
  }

  int32(): number {
    return this.#buffer.readInt32BE(this.#advance(4))
  }

  int64(): bigint {
    return this.#buffer.readBigInt64BE(this.#advance(8))
  }

  float64(): number {
    return this.#buffer.readDoubleBE(this.#advance(8))
  }

  unsignedVarint(): number {
    let value = 0
    for (let shift = 0; shift <= MAX_VARINT_SHIFT; shift += 7) {
      const byte = this.#buffer[this.#advance(1)]!
      if (shift === MAX_VARINT_SHIFT && byte > 0x0f) break
      value |= (byte & 0x7f) << shift
      if (byte < 0x80) return value >>> 0
    }
    throw violation(`the number at byte ${this.#position} has more than 32 bits`)
  }

  /** As text with dashes. */
  uuid(): string {
    const start = this.#advance(16)
    const hex = this.#buffer.toString('hex', start, start + 16)
    return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`
  }

  text(isCompact: boolean): string | null {
    const length = isCompact ? this.unsignedVarint() - 1 : this.int16()
    if (length === NULL_LENGTH) return null
    const start = this.#advance(length)
    return this.#buffer.toString('utf8', start, start + length)
  }

  /** A view (R3). */
  bytes(isCompact: boolean): Buffer | null {
    const length = isCompact ? this.unsignedVarint() - 1 : this.int32()
    return length === NULL_LENGTH ? null : this.take(length)
  }

  take(length: number): Buffer {
    const start = this.#advance(length)
    return this.#buffer.subarray(start, start + length)
  }

  /** The count of an array (R2); undefined for one that is null. */
  count(isCompact: boolean): number | undefined {
    const count = isCompact ? this.unsignedVarint() - 1 : this.int32()
    if (count === NULL_LENGTH) return undefined
    if (count < 0 || count > this.left) throw violation(`${count} elements are announced in ${this.left} bytes`)
    return count
  }

  /** @param onTag is given each field by its tag; what it does not read is passed over */
  tags(onTag?: (tag: number, field: WireReader) => void): void {
    for (let left = this.unsignedVarint(); left > 0; left--) {
      const tag = this.unsignedVarint()
      const field = this.take(this.unsignedVarint())
      onTag?.(tag, new WireReader(field))
    }
  }

  #advance(length: number): number {
    const start = this.#position
    if (length < 0 || length > this.#buffer.length - start) {
      throw violation(`${length} bytes are announced at byte ${start} of ${this.#buffer.length}`)
    }
    this.#position = start + length
    return start
  }
}

function violation(what: string): MqError {
  return new MqError('MQ_PROTOCOL_VIOLATION', what)
}
