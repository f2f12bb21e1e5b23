/**
 * Writes the primitive values of the Kafka protocol, one after the other.
 *
 * W1. Small values gather in buffers that grow; a large one (a record batch) is kept as it lies and never copied: `chunks` is what a socket
 *     takes, in order.
 */

const FIRST_BYTES = 256
/** From here on bytes are kept instead of copied (W1). */
const KEPT_FROM_BYTES = 2_048
const NULL_LENGTH = -1

export class WireWriter {
  readonly #done: Buffer[] = []
  #buffer = Buffer.allocUnsafe(FIRST_BYTES)
  #start = 0
  #at = 0
  #bytes = 0

  /** Bytes written so far. */
  get size(): number {
    return this.#bytes + this.#at - this.#start
  }

  int8(value: number): this {
    const at = this.#room(1)
    this.#buffer.writeInt8(value, at)
    return this
  }

  int16(value: number): this {
    const at = this.#room(2)
    this.#buffer.writeInt16BE(value, at)
    return this
  }

  int32(value: number): this {
    const at = this.#room(4)
    this.#buffer.writeInt32BE(value, at)
    return this
  }

  int64(value: bigint): this {
    const at = this.#room(8)
    this.#buffer.writeBigInt64BE(value, at)
    return this
  }

  float64(value: number): this {
    const at = this.#room(8)
    this.#buffer.writeDoubleBE(value, at)
    return this
  }

  unsignedVarint(value: number): this {
    let rest = value
    for (; rest > 0x7f; rest >>>= 7) this.#byte((rest & 0x7f) | 0x80)
    return this.#byte(rest)
  }

  /** @param id as text with dashes */
  uuid(id: string): this {
    const at = this.#room(16)
    const written = this.#buffer.write(id.replaceAll('-', ''), at, 16, 'hex')
    if (written !== 16) throw new TypeError(`'${id}' is no UUID`)
    return this
  }

  text(text: string | null, isCompact: boolean): this {
    if (text === null) return isCompact ? this.unsignedVarint(0) : this.int16(NULL_LENGTH)
    const length = Buffer.byteLength(text)
    if (isCompact) this.unsignedVarint(length + 1)
    else this.int16(length)
    const at = this.#room(length)
    this.#buffer.write(text, at)
    return this
  }

  bytes(bytes: Buffer | null, isCompact: boolean): this {
    if (bytes === null) return isCompact ? this.unsignedVarint(0) : this.int32(NULL_LENGTH)
    if (isCompact) this.unsignedVarint(bytes.length + 1)
    else this.int32(bytes.length)
    return this.raw(bytes)
  }

  /** @param count undefined for an array that is null */
  count(count: number | undefined, isCompact: boolean): this {
    if (isCompact) return this.unsignedVarint((count ?? NULL_LENGTH) + 1)
    return this.int32(count ?? NULL_LENGTH)
  }

  raw(bytes: Buffer): this {
    if (bytes.length < KEPT_FROM_BYTES) {
      const at = this.#room(bytes.length)
      bytes.copy(this.#buffer, at)
      return this
    }
    this.#flush()
    this.#done.push(bytes)
    this.#bytes += bytes.length
    return this
  }

  /** Everything written, in order. */
  chunks(): readonly Buffer[] {
    this.#flush()
    return this.#done
  }

  /** Everything written, in one piece. */
  concat(): Buffer {
    return Buffer.concat(this.chunks())
  }

  #byte(value: number): this {
    const at = this.#room(1)
    this.#buffer[at] = value
    return this
  }

  /** @returns where so many bytes may be written */
  #room(length: number): number {
    if (this.#at + length > this.#buffer.length) {
      this.#flush()
      this.#buffer = Buffer.allocUnsafe(Math.max(length, this.#buffer.length * 2))
      this.#start = 0
      this.#at = 0
    }
    const at = this.#at
    this.#at += length
    return at
  }

  #flush(): void {
    if (this.#at === this.#start) return
    this.#done.push(this.#buffer.subarray(this.#start, this.#at))
    this.#bytes += this.#at - this.#start
    this.#start = this.#at
  }
}
