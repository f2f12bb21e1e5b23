/**
 * Slices as few bytes, and back: what makes months of 10,000 mQ IDs fit into one file.
 *
 * C1. Counts come back as they were, to the whole number.
 * C2. A histogram is kept either by buckets of 8 % width, which merge like the histogram itself, or as the four points that are asked
 *     for (p50, p90, p99 and the largest), each standing for its share of what was counted. Either way its total comes back.
 * C3. Of the shape only sizes and depths are kept, as four points: keys and partitions are for the present.
 * C4. Bytes that are none of ours are refused with an error, never read beyond their end.
 */

import { emptyShape } from './shape.ts'
import { Sketch } from './sketch.ts'
import { type GroupCounts, noGroupCounts, noProducerCounts, type ProducerCounts, type Slice } from './slice.ts'

/** How much of a histogram is kept (C2). */
export type Detail = 'buckets' | 'points'

const BUCKET = Math.log(1.08)
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

export function encodeSlice(slice: Slice, detail: Detail): Buffer {
  const writer = new ByteWriter()
  for (const key of PRODUCER_KEYS) writer.number(slice.producer[key])
  writeSketch(writer, slice.sendLatency, detail)
  writer.number(slice.groups.size)
  for (const [group, { counts, endToEnd }] of slice.groups) {
    writer.text(group)
    for (const key of GROUP_KEYS) writer.number(counts[key])
    writeSketch(writer, endToEnd, detail)
  }
  writer.number(slice.shape === null ? 0 : 1)
  if (slice.shape !== null) {
    writeSketch(writer, slice.shape.sizes, 'points')
    writeSketch(writer, slice.shape.depths, 'points')
  }
  return writer.done()
}

export function decodeSlice(bytes: Uint8Array): Slice {
  const reader = new ByteReader(bytes)
  const producer = noProducerCounts()
  for (const key of PRODUCER_KEYS) producer[key] = reader.number()
  const sendLatency = readSketch(reader)
  const groups: Slice['groups'] = new Map()
  for (let left = reader.number(); left > 0; left--) {
    const group = reader.text()
    const counts = noGroupCounts()
    for (const key of GROUP_KEYS) counts[key] = reader.number()
    groups.set(group, { counts, endToEnd: readSketch(reader) })
  }
  if (reader.number() === 0) return { producer, sendLatency, groups, shape: null }
  const shape = { ...emptyShape(), sizes: readSketch(reader), depths: readSketch(reader) }
  return { producer, sendLatency, groups, shape }
}

/** C2 */
function writeSketch(writer: ByteWriter, sketch: Sketch, detail: Detail): void {
  const counts = new Map<number, number>()
  if (detail === 'buckets') {
    for (const [value, count] of sketch.entries()) {
      const bucket = bucketOf(value)
      counts.set(bucket, (counts.get(bucket) ?? 0) + count)
    }
  } else if (sketch.total > 0) {
    let share = 0
    for (const point of POINTS) {
      const bucket = bucketOf(sketch.quantile(point)!)
      counts.set(bucket, (counts.get(bucket) ?? 0) + (point - share) * sketch.total)
      share = point
    }
  }
  const whole = wholeCounts(counts)
  writer.number(whole.length)
  let previous = 0
  for (const [bucket, count] of whole) {
    writer.number(bucket - previous).number(count)
    previous = bucket
  }
}

function readSketch(reader: ByteReader): Sketch {
  const sketch = new Sketch()
  let bucket = 0
  for (let left = reader.number(); left > 0; left--) {
    bucket += reader.number()
    sketch.add(valueIn(bucket), reader.number())
  }
  return sketch
}

/** Fractions rounded so that the sum stays. */
function wholeCounts(counts: ReadonlyMap<number, number>): [bucket: number, count: number][] {
  let exact = 0
  let given = 0
  const whole: [number, number][] = []
  for (const [bucket, count] of [...counts].sort(([a], [b]) => a - b)) {
    exact += count
    const rounded = Math.round(exact) - given
    if (rounded <= 0) continue
    given += rounded
    whole.push([bucket, rounded])
  }
  return whole
}

/** Zero has a bucket of its own; the middle of a bucket falls into it again. */
function bucketOf(value: number): number {
  return value < 1 ? 0 : 1 + Math.floor(Math.log(value) / BUCKET + 1e-9)
}

function valueIn(bucket: number): number {
  return bucket === 0 ? 0 : Math.exp((bucket - 0.5) * BUCKET)
}
