/**
 * Just enough of the Kafka protocol's primitive types to play a broker. Written apart from the client's own codec on purpose:
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
  /** A string of a flexible version. */
  compactString(): string | null {
    const length = Number(this.uvarint()) - 1
    return length < 0 ? null : this.take(length).toString()
  }
  /** A string before flexible versions. */
  string(): string | null {
    const length = this.int16()
    return length < 0 ? null : this.take(length).toString()
  }
  compactArray<T>(one: () => T): T[] | null {
    const length = Number(this.uvarint()) - 1
    return length < 0 ? null : Array.from({ length }, one)
  }
  tags(): void {
    for (let left = this.uvarint(); left > 0n; left--) {
      this.uvarint()
      this.take(Number(this.uvarint()))
    }
  }
}

export class WireWriter {
  #parts: Buffer[] = []

  int8(value: number): this {
    return this.#number(1, (buffer) => buffer.writeInt8(value))
  }
  int16(value: number): this {
    return this.#number(2, (buffer) => buffer.writeInt16BE(value))
  }
  int32(value: number): this {
    return this.#number(4, (buffer) => buffer.writeInt32BE(value))
  }
  int64(value: bigint): this {
    return this.#number(8, (buffer) => buffer.writeBigInt64BE(value))
  }
  raw(bytes: Buffer): this {
    this.#parts.push(bytes)
    return this
  }
  uvarint(value: number): this {
    const bytes: number[] = []
    let rest = value
    for (; rest >= 0x80; rest = Math.floor(rest / 128)) bytes.push((rest % 128) + 128)
    bytes.push(rest)
    return this.raw(Buffer.from(bytes))
  }
  compactString(text: string | null): this {
    if (text === null) return this.uvarint(0)
    const bytes = Buffer.from(text)
    return this.uvarint(bytes.length + 1).raw(bytes)
  }
  compactArray<T>(items: readonly T[], one: (item: T) => void): this {
    this.uvarint(items.length + 1)
    for (const item of items) one(item)
    return this
  }
  tags(): this {
    return this.uvarint(0)
  }
  done(): Buffer {
    return Buffer.concat(this.#parts)
  }

  #number(size: number, write: (buffer: Buffer) => void): this {
    const buffer = Buffer.alloc(size)
    write(buffer)
    return this.raw(buffer)
  }
}
