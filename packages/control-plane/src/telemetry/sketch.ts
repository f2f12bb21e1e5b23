/**
 * A histogram that merges: counts by value (microseconds, bytes, records), as few entries as were seen.
 *
 * K1. What comes from outside is bounded before it is decoded: size after inflating, digits and range are checked first.
 * K2. A histogram that cannot be read is an error of the report that carried it and changes nothing.
 */
import { inflateSync } from 'node:zlib'
import { build, decodeFromCompressedBase64, encodeIntoCompressedBase64 } from 'hdr-histogram-js'

const MAX_INFLATED_BYTES = 262_144
/** A day: more is no latency but a clock. */
const MAX_VALUE_US = 86_400_000_000
const MAX_TRACKABLE = 2 ** 43
const MAX_ENTRIES = 8_192
const HEADER_BYTES = 40
const COMPRESSED_COOKIE = 0x1c849304
const PLAIN_COOKIE = 0x1c849303

const FIRST_ENTRIES = 16
const NO_VALUES = new Float32Array(0)
const NO_COUNTS = new Float64Array(0)

export class Sketch {
  /** By rising value, twelve bytes an entry: there is one of these for every ten seconds of every mQ ID and group. */
  #values = NO_VALUES
  #counts = NO_COUNTS
  #size = 0
  #total = 0

  get total(): number {
    return this.#total
  }

  /** Reads hdr-histogram's compressed V2 form (K1); an empty text is an empty histogram. */
  static decode(encoded: string): Sketch {
    const sketch = new Sketch()
    if (encoded === '') return sketch
    checkEncoded(encoded)
    const histogram = decodeFromCompressedBase64(encoded, 32, false)
    // The library counts in 32 bits here; the iteration yields only values that were seen.
    for (const { value, count } of recorded(histogram)) sketch.add(value, count)
    return sketch
  }

  add(valueUs: number, count: number): void {
    if (count <= 0) return
    const value = Math.fround(Math.min(Math.max(0, Math.round(valueUs)), MAX_VALUE_US))
    const at = this.#placeOf(value)
    if (at < this.#size && this.#values[at] === value) this.#counts[at]! += count
    else {
      if (this.#size >= MAX_ENTRIES) return
      this.#insert(at, value, count)
    }
    this.#total += count
  }

  /** Adds `factor` times what another one counted. */
  merge(other: Sketch, factor = 1): void {
    if (other.#size === 0 || factor <= 0) return
    const values = new Float32Array(this.#size + other.#size)
    const counts = new Float64Array(this.#size + other.#size)
    let [size, mine, theirs] = [0, 0, 0]
    while (mine < this.#size || theirs < other.#size) {
      const own = mine < this.#size ? this.#values[mine]! : Number.POSITIVE_INFINITY
      const more = theirs < other.#size ? other.#values[theirs]! : Number.POSITIVE_INFINITY
      let count = 0
      if (own <= more) count += this.#counts[mine++]!
      if (more <= own) {
        // Beyond the bound only values that are known already count on.
        const added = own === more || size + this.#size - mine < MAX_ENTRIES ? other.#counts[theirs]! * factor : 0
        theirs++
        this.#total += added
        count += added
        if (count === 0) continue
      }
      values[size] = Math.min(own, more)
      counts[size++] = count
    }
    this.#values = values.length === size ? values : values.slice(0, size)
    this.#counts = counts.length === size ? counts : counts.slice(0, size)
    this.#size = size
  }

  /** What was seen, by rising value. */
  entries(): [value: number, count: number][] {
    return Array.from({ length: this.#size }, (_, at) => [this.#values[at]!, this.#counts[at]!])
  }

  mean(): number | null {
    if (this.#total === 0) return null
    let sum = 0
    for (let at = 0; at < this.#size; at++) sum += this.#values[at]! * this.#counts[at]!
    return sum / this.#total
  }

  /** The value below which `share` of what was seen lies, in milliseconds; null when nothing was seen. */
  quantileMs(share: number): number | null {
    const value = this.quantile(share)
    return value === null ? null : value / 1_000
  }

  /** As counted: microseconds for latencies, bytes for sizes. */
  quantile(share: number): number | null {
    return this.quantiles([share])[0] ?? null
  }

  /** Of rising shares, in one go; none when nothing was seen. */
  quantiles(shares: readonly number[]): number[] {
    if (this.#total === 0) return []
    let at = 0
    let seen = this.#counts[0]!
    return shares.map((share) => {
      // A weighted sum of histograms does not count whole records.
      const rank = Math.max(Math.min(1, this.#total), share * this.#total) - 1e-9 * this.#total
      while (seen < rank && at + 1 < this.#size) seen += this.#counts[++at]!
      return this.#values[at]!
    })
  }

  /** As clients report them. */
  encode(): string {
    if (this.#total === 0) return ''
    const histogram = build({ bitBucketSize: 64, numberOfSignificantValueDigits: 2, autoResize: true })
    for (const [value, count] of this.entries()) histogram.recordValueWithCount(value, Math.max(1, Math.round(count)))
    return encodeIntoCompressedBase64(histogram)
  }

  #placeOf(value: number): number {
    // Histograms are read by rising value.
    if (this.#size > 0 && value > this.#values[this.#size - 1]!) return this.#size
    let [low, high] = [0, this.#size]
    while (low < high) {
      const middle = (low + high) >>> 1
      if (this.#values[middle]! < value) low = middle + 1
      else high = middle
    }
    return low
  }

  #insert(at: number, value: number, count: number): void {
    if (this.#size === this.#values.length) {
      const room = Math.max(FIRST_ENTRIES, Math.ceil(this.#size * 1.5))
      const [values, counts] = [new Float32Array(room), new Float64Array(room)]
      values.set(this.#values)
      counts.set(this.#counts)
      this.#values = values
      this.#counts = counts
    }
    this.#values.copyWithin(at + 1, at, this.#size)
    this.#counts.copyWithin(at + 1, at, this.#size)
    this.#values[at] = value
    this.#counts[at] = count
    this.#size++
  }
}

/** Throws unless the header is that of a histogram of a bounded size (K1). */
function checkEncoded(encoded: string): void {
  const bytes = Buffer.from(encoded, 'base64')
  if (bytes.length < 8 || (bytes.readInt32BE(0) & ~0xf0) !== COMPRESSED_COOKIE) throw new Error('not a V2 histogram')
  const length = bytes.readInt32BE(4)
  if (length < 0 || length > bytes.length - 8) throw new Error('a histogram shorter than it says')
  const plain = inflateSync(bytes.subarray(8, 8 + length), { maxOutputLength: MAX_INFLATED_BYTES })
  if (plain.length < HEADER_BYTES || (plain.readInt32BE(0) & ~0xf0) !== PLAIN_COOKIE)
    throw new Error('not a V2 histogram')
  const digits = plain.readInt32BE(12)
  const lowest = plain.readBigInt64BE(16)
  const highest = plain.readBigInt64BE(24)
  if (digits < 0 || digits > 3) throw new Error(`a histogram of ${digits} digits`)
  if (lowest < 1n || lowest > 1_000_000n || highest < lowest * 2n || highest > BigInt(MAX_TRACKABLE)) {
    throw new Error('a histogram of an absurd range')
  }
}

function* recorded(
  histogram: ReturnType<typeof decodeFromCompressedBase64>,
): Generator<{ value: number; count: number }> {
  const inner = histogram as unknown as {
    countsArrayLength: number
    getCountAtIndex(index: number): number
    valueFromIndex(index: number): number
    highestEquivalentValue(value: number): number
  }
  for (let index = 0; index < inner.countsArrayLength; index++) {
    const count = inner.getCountAtIndex(index)
    if (count > 0) yield { value: inner.highestEquivalentValue(inner.valueFromIndex(index)), count }
  }
}
