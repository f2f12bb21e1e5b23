/**
 * Just enough of the Kafka protocol's primitive types to read a record batch. Written apart from the client's own codec on purpose:
 * a mistake made twice would not be found.
 */

export class WireReader {
  readonly bytes: Buffer
  at: number

  constructor(bytes: Buffer, at = 0) {
    this.bytes = bytes
    this.at = at
  }

  int8(): number {
    this.at += 1
    return this.bytes.readInt8(this.at - 1)
  }
  int16(): number {
    this.at += 2
    return this.bytes.readInt16BE(this.at - 2)
  }
  int32(): number {
    this.at += 4
    return this.bytes.readInt32BE(this.at - 4)
  }
  uint32(): number {
    this.at += 4
    return this.bytes.readUInt32BE(this.at - 4)
  }
  int64(): bigint {
    this.at += 8
    return this.bytes.readBigInt64BE(this.at - 8)
  }
  uvarint(): bigint {
    let value = 0n
    for (let shift = 0n; ; shift += 7n) {
      const byte = this.bytes.readUInt8(this.at++)
      value |= BigInt(byte & 0x7f) << shift
      if (byte < 0x80) return value
    }
  }
  varint(): bigint {
    const zigzag = this.uvarint()
    return (zigzag >> 1n) ^ -(zigzag & 1n)
  }
  take(length: number): Buffer {
    if (this.at + length > this.bytes.length) throw new RangeError('the bytes end too early')
    this.at += length
    return this.bytes.subarray(this.at - length, this.at)
  }
  /** Length as a signed varint, -1 for null: keys, values and headers of a record. */
  varbytes(): Buffer | null {
    const length = Number(this.varint())
    return length < 0 ? null : this.take(length)
  }
}
