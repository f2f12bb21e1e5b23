/**
 * Slices as few bytes, and back: what makes months of 10,000 mQ IDs fit into one file.
 *
 * C1. Counts come back as they were, to the whole number.
 * C2. A histogram is kept as the four points that are asked for (p50, p90, p99 and the largest, to 5 %), each standing for its share of
 *     what was counted: its total comes back, and it merges with others nearly as the histogram itself would.
 * C3. Of the shape only sizes and depths are kept: keys and partitions are for the present.
 * C4. Bytes that are none of ours are refused with an error, never read beyond their end.
 */

import { emptyShape } from './shape.ts'
import { Sketch } from './sketch.ts'
import { type GroupCounts, noGroupCounts, noProducerCounts, type ProducerCounts, type Slice } from './slice.ts'

const BUCKET = Math.log(1.05)
const POINTS: readonly number[] = [0.5, 0.9, 0.99, 1]
const PRODUCER_KEYS = Object.keys(noProducerCounts()) as (keyof ProducerCounts)[]
const GROUP_KEYS = (Object.keys(noGroupCounts()) as (keyof GroupCounts)[]).filter(
  (key): key is Exclude<keyof GroupCounts, 'lagRecords'> => key !== 'lagRecords',
)

export class ByteWriter {
  #bytes = Buffer.allocUnsafe(512)
  #length = 0

  /** A whole number from 0 to 2^53. */
  number(value: number): this {
    let rest = Math.max(0, Math.round(value))
    this.#room(8)
    while (rest >= 0x80) {
      this.#bytes[this.#length++] = (rest % 0x80) | 0x80
      rest = Math.floor(rest / 0x80)
    }
    this.#bytes[this.#length++] = rest
    return this
  }

  bytes(value: Uint8Array): this {
    this.#room(value.length)
    this.#bytes.set(value, this.#length)
    this.#length += value.length
    return this
  }

  text(value: string): this {
    const bytes = Buffer.from(value)
    return this.number(bytes.length).bytes(bytes)
  }

  done(): Buffer {
    return this.#bytes.subarray(0, this.#length)
  }

  #room(more: number): void {
    if (this.#length + more <= this.#bytes.length) return
    const grown = Buffer.allocUnsafe((this.#length + more) * 2)
    grown.set(this.#bytes.subarray(0, this.#length))
    this.#bytes = grown
  }
}

export class ByteReader {
  readonly #bytes: Uint8Array
  #at = 0

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes
  }

  get isAtEnd(): boolean {
    return this.#at >= this.#bytes.length
  }

  number(): number {
    let value = 0
    for (let scale = 1; scale < 2 ** 56; scale *= 0x80) {
      const byte = this.#bytes[this.#at++]
      if (byte === undefined) throw new Error('a roll-up that ends too soon')
      value += (byte & 0x7f) * scale
      if (byte < 0x80) return value
    }
    throw new Error('a roll-up with a number beyond all numbers')
  }

  bytes(length: number): Uint8Array {
    const end = this.#at + length
    if (end > this.#bytes.length) throw new Error('a roll-up that ends too soon')
    const part = this.#bytes.subarray(this.#at, end)
    this.#at = end
    return part
  }

  text(): string {
    return Buffer.from(this.bytes(this.number())).toString()
  }
}

/** Names of groups that several slices share: each is kept once. */
export class NameTable {
  readonly names: string[]
  readonly #places: Map<string, number>

  constructor(names: readonly string[] = []) {
    this.names = [...names]
    this.#places = new Map(names.map((name, place) => [name, place]))
  }

  placeOf(name: string): number {
    const known = this.#places.get(name)
    if (known !== undefined) return known
    this.#places.set(name, this.names.length)
    return this.names.push(name) - 1
  }
}

export function encodeSlice(slice: Slice, table: NameTable): Buffer {
  const writer = new ByteWriter()
  for (const key of PRODUCER_KEYS) writer.number(slice.producer[key])
  writeSketch(writer, slice.sendLatency)
  writer.number(slice.groups.size)
  for (const [group, { counts, endToEnd }] of slice.groups) {
    writer.number(table.placeOf(group))
    for (const key of GROUP_KEYS) writer.number(counts[key])
    writeSketch(writer, endToEnd)
  }
  writer.number(slice.shape === null ? 0 : 1)
  if (slice.shape !== null) {
    writeSketch(writer, slice.shape.sizes)
    writeSketch(writer, slice.shape.depths)
  }
  return writer.done()
}

export function decodeSlice(bytes: Uint8Array, table: NameTable): Slice {
  const reader = new ByteReader(bytes)
  const producer = noProducerCounts()
  for (const key of PRODUCER_KEYS) producer[key] = reader.number()
  const sendLatency = readSketch(reader)
  const groups: Slice['groups'] = new Map()
  for (let left = reader.number(); left > 0; left--) {
    const group = table.names[reader.number()]
    if (group === undefined) throw new Error('a roll-up of a group without a name')
    const counts = noGroupCounts()
    for (const key of GROUP_KEYS) counts[key] = reader.number()
    groups.set(group, { counts, endToEnd: readSketch(reader) })
  }
  if (reader.number() === 0) return { producer, sendLatency, groups, shape: null }
  const shape = { ...emptyShape(), sizes: readSketch(reader), depths: readSketch(reader) }
  return { producer, sendLatency, groups, shape }
}

/** C2 */
function writeSketch(writer: ByteWriter, sketch: Sketch): void {
  writer.number(sketch.total)
  if (Math.round(sketch.total) < 1) return
  let previous = 0
  for (const value of sketch.quantiles(POINTS)) {
    const bucket = bucketOf(value)
    writer.number(bucket - previous)
    previous = bucket
  }
}

function readSketch(reader: ByteReader): Sketch {
  const sketch = new Sketch()
  const total = reader.number()
  if (total === 0) return sketch
  let bucket = 0
  let given = 0
  for (const point of POINTS) {
    bucket += reader.number()
    // The largest is there at least once, whatever its share comes to.
    const upTo = point === 1 ? total : Math.min(Math.ceil(point * total), total - 1)
    sketch.add(valueIn(bucket), upTo - given)
    given = Math.max(given, upTo)
  }
  return sketch
}

/** Zero has a bucket of its own; the middle of a bucket falls into it again. */
function bucketOf(value: number): number {
  return value < 1 ? 0 : 1 + Math.floor(Math.log(value) / BUCKET + 1e-9)
}

function valueIn(bucket: number): number {
  return bucket === 0 ? 0 : Math.exp((bucket - 0.5) * BUCKET)
}
