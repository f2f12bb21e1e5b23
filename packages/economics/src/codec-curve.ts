/**
 * How well a codec does on the records of one mQ ID, by the number of records in a batch.
 *
 * C1. Between measured depths the ratio follows F2: rho(d) = rhoInf - (rhoInf - rho1) / (1 + (d - 1) / h); at a measured depth it is
 *     the measured one.
 * C2. Deeper batches never compress worse, in the model, and noise that says so is levelled; but for zstd, which looks for longer
 *     repetitions from 16 KiB of records on: where it was measured to do worse beyond that, it does so from there on.
 * C3. What is assumed says so. A measured curve always wins over an assumed one.
 * C4. A codec that was not measured yet is assumed to do better or worse on these records than on usual ones as the nearest codec does
 *     that was: records compress as they do whatever the codec.
 */
import type { Codec } from '@mq/contract'

/** One measurement: the records of one batch, without the 61 bytes of its header, which no codec touches. */
export interface CodecPoint {
  /** Records in the batch. */
  readonly depth: number
  readonly uncompressedBytes: number
  readonly compressedBytes: number
  /** CPU of compressing the whole batch. */
  readonly compressUs: number
  readonly decompressUs: number | null
}

export interface CodecCurve {
  readonly codec: Codec
  /** Null for codecs without levels, and for lz4, whose level stays unset. */
  readonly codecLevel: number | null
  readonly source: 'measured' | 'assumed'
  readonly points: readonly CodecPoint[]
}

interface CodecFacts {
  /** Depth at which half of the way to rhoInf is gone (F2). */
  readonly halfDepth: number
  readonly rhoInf: number
  readonly compressMbPerSecond: number
  readonly decompressMbPerSecond: number
}

/** Reference measurements on JSON events, one core; replaced by the mQ ID's own as soon as there are any (C3). */
const FACTS: Readonly<Record<string, CodecFacts>> = {
  none: {
    halfDepth: 1,
    rhoInf: 1,
    compressMbPerSecond: Number.POSITIVE_INFINITY,
    decompressMbPerSecond: Number.POSITIVE_INFINITY,
  },
  'gzip-1': { halfDepth: 7.5, rhoInf: 3.7, compressMbPerSecond: 170, decompressMbPerSecond: 569 },
  'gzip-6': { halfDepth: 7.5, rhoInf: 4.1, compressMbPerSecond: 90, decompressMbPerSecond: 624 },
  'gzip-9': { halfDepth: 7.5, rhoInf: 4.15, compressMbPerSecond: 70, decompressMbPerSecond: 632 },
  snappy: { halfDepth: 5, rhoInf: 2.5, compressMbPerSecond: 220, decompressMbPerSecond: 259 },
  lz4: { halfDepth: 5, rhoInf: 2.6, compressMbPerSecond: 230, decompressMbPerSecond: 261 },
  'zstd-1': { halfDepth: 11, rhoInf: 4.5, compressMbPerSecond: 700, decompressMbPerSecond: 2_180 },
  'zstd-3': { halfDepth: 11, rhoInf: 4.55, compressMbPerSecond: 500, decompressMbPerSecond: 1_905 },
  'zstd-6': { halfDepth: 11, rhoInf: 4.75, compressMbPerSecond: 150, decompressMbPerSecond: 1_791 },
  'zstd-9': { halfDepth: 11, rhoInf: 4.9, compressMbPerSecond: 90, decompressMbPerSecond: 1_862 },
}
/** Depths at which an assumed curve is written down. */
const ASSUMED_DEPTHS = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000] as const
/** zstd's own tables of parameters change with the size of what is compressed, here the most (`ZSTD_getCParams`). */
const ZSTD_STEP_BYTES = 16 * 1_024
/** A fall by less is how batches differ. */
const STEP_NOISE = 0.02
/** Starting a compressor for one batch. */
const COMPRESS_CALL_US = 8
const DECOMPRESS_CALL_US = 4

/** `zstd-1`, `lz4`, `none`. */
export function codecName(codec: Codec, codecLevel: number | null): string {
  return codecLevel === null || codec === 'none' || codec === 'lz4' || codec === 'snappy'
    ? codec
    : `${codec}-${codecLevel}`
}

function factsOf(codec: Codec, codecLevel: number | null): CodecFacts {
  const exact = FACTS[codecName(codec, codecLevel)]
  if (exact !== undefined) return exact
  const levels = Object.keys(FACTS)
    .filter((name) => name.startsWith(`${codec}-`))
    .map((name) => Number(name.slice(codec.length + 1)))
  const wanted = codecLevel ?? (codec === 'gzip' ? 6 : 3)
  const nearest = levels.toSorted((a, b) => Math.abs(a - wanted) - Math.abs(b - wanted))[0]!
  return FACTS[`${codec}-${nearest}`]!
}

/** What JSON events of that size do with the codec, where nothing was measured (C3). */
export function assumedCurve(codec: Codec, codecLevel: number | null, framedBytes: number): CodecCurve {
  const facts = factsOf(codec, codecLevel)
  // 0.95 for events of 100 bytes, 1.5 for those of 1 KB (zstd, gzip); snappy and lz4 gain about a third of that on one record.
  const within = Math.min(1, Math.max(0, Math.log(framedBytes / 100) / Math.log(10)))
  const rho1 = codec === 'none' ? 1 : 0.95 + within * (codec === 'snappy' || codec === 'lz4' ? 0.15 : 0.5)
  const points = ASSUMED_DEPTHS.map((depth) => {
    const uncompressedBytes = depth * framedBytes
    const rho = facts.rhoInf - (facts.rhoInf - rho1) / (1 + (depth - 1) / facts.halfDepth)
    return {
      depth,
      uncompressedBytes,
      compressedBytes: uncompressedBytes / rho,
      compressUs: codec === 'none' ? 0 : COMPRESS_CALL_US + uncompressedBytes / facts.compressMbPerSecond,
      decompressUs: codec === 'none' ? 0 : DECOMPRESS_CALL_US + uncompressedBytes / facts.decompressMbPerSecond,
    }
  })
  return { codec, codecLevel, source: 'assumed', points }
}

/** C4. The assumed curve as the nearest of the measured ones lets expect; undefined when none was measured. */
export function curveLikeMeasured(
  codec: Codec,
  codecLevel: number | null,
  measured: readonly CodecCurve[],
  framedBytes: number,
): CodecCurve | undefined {
  if (codec === 'none') return undefined
  const assumed = assumedCurve(codec, codecLevel, framedBytes)
  const known = measured.filter((one) => one.codec !== 'none' && usable(one.points).length > 0)
  const nearest = known.toSorted(
    (a, b) => distance(a, codec, codecLevel) - distance(b, codec, codecLevel) || deepest(b) - deepest(a),
  )[0]
  if (nearest === undefined) return undefined
  const its = new FittedCurve(nearest, framedBytes)
  const usual = new FittedCurve(assumedCurve(nearest.codec, nearest.codecLevel, framedBytes), framedBytes)
  const points = assumed.points.map((point) => ({
    ...point,
    compressedBytes: (point.compressedBytes * usual.ratio(point.depth)) / its.ratio(point.depth),
  }))
  return { ...assumed, points }
}

/** Codecs that also code by frequency gain from the same records; those that only look for repetitions gain less. */
const FAMILY: Readonly<Record<Codec, number>> = { none: 0, gzip: 1, zstd: 1, lz4: 2, snappy: 2 }
/** More than levels are apart. */
const OTHER_CODEC = 100
const OTHER_FAMILY = 1_000

function distance(curve: CodecCurve, codec: Codec, codecLevel: number | null): number {
  if (curve.codec !== codec) return FAMILY[curve.codec] === FAMILY[codec] ? OTHER_CODEC : OTHER_FAMILY
  return Math.abs((curve.codecLevel ?? 0) - (codecLevel ?? 0))
}

function deepest({ points }: CodecCurve): number {
  return Math.max(0, ...points.map(({ depth }) => depth))
}

/** A curve ready to be asked many times. */
export class FittedCurve {
  readonly curve: CodecCurve
  readonly #halfDepth: number
  /** By rising depth: 1 / (1 + (d - 1) / h), which falls, and the ratio, which rises but for a step (C2). */
  readonly #x: Float64Array
  readonly #rho: Float64Array
  /** Between which points the step is: before the one of that index; 0 for none. And above which depth. */
  #stepBefore = 0
  #stepDepth = Number.POSITIVE_INFINITY
  readonly #compress: Line
  readonly #decompress: Line

  constructor(curve: CodecCurve, framedBytes: number) {
    this.curve = curve
    const facts = factsOf(curve.codec, curve.codecLevel)
    this.#halfDepth = facts.halfDepth
    const points = usable(curve.points)
    const base =
      points.length >= 2 ? points : likeOne(assumedCurve(curve.codec, curve.codecLevel, framedBytes), points[0])
    this.#x = Float64Array.from(base, (point) => this.#at(point.depth))
    this.#rho = Float64Array.from(base, (point) => point.uncompressedBytes / point.compressedBytes)
    this.#level(base, framedBytes)
    this.#compress = lineThrough(base.map((point) => [point.uncompressedBytes, point.compressUs]))
    const known = base.filter((point) => point.decompressUs !== null)
    this.#decompress =
      known.length > 0
        ? lineThrough(known.map((point) => [point.uncompressedBytes, point.decompressUs!]))
        : { at0: DECOMPRESS_CALL_US, perByte: 1 / facts.decompressMbPerSecond }
  }

  /** Bytes before over bytes after, for a batch of that many records. */
  ratio(depth: number): number {
    if (this.curve.codec === 'none') return 1
    const x = this.#at(Math.max(1, depth))
    const xs = this.#x
    const rhos = this.#rho
    const last = xs.length - 1
    if (last === 0 || x >= xs[0]!) return rhos[0]!
    let right = 1
    while (right < last && xs[right]! > x) right++
    if (this.#stepBefore > 0) {
      const isBeyond = depth > this.#stepDepth
      if (right === this.#stepBefore && x > xs[right]!) return rhos[isBeyond ? right : right - 1]!
      // One measurement alone beyond the step: how it goes on is not known.
      if (right === this.#stepBefore && right === last) return rhos[last]!
    }
    const x0 = xs[right - 1]!
    const x1 = xs[right]!
    // Beyond the last measurement the line of the last two goes on: x ends at 0, so it is bounded.
    return rhos[right - 1]! + ((rhos[right]! - rhos[right - 1]!) * (x - x0)) / (x1 - x0)
  }

  /** C2 */
  #level(points: readonly CodecPoint[], framedBytes: number): void {
    const rho = this.#rho
    const mayStep = this.curve.codec === 'zstd' && this.curve.source === 'measured'
    for (let i = 1; i < rho.length; i++) {
      const isAcross =
        points[i - 1]!.uncompressedBytes <= ZSTD_STEP_BYTES && points[i]!.uncompressedBytes > ZSTD_STEP_BYTES
      if (mayStep && isAcross && rho[i]! < rho[i - 1]! * (1 - STEP_NOISE)) {
        this.#stepBefore = i
        this.#stepDepth = ZSTD_STEP_BYTES / framedBytes
      } else rho[i] = Math.max(rho[i]!, rho[i - 1]!)
    }
  }

  compressUs(uncompressedBytes: number): number {
    return this.curve.codec === 'none' ? 0 : this.#compress.at0 + this.#compress.perByte * uncompressedBytes
  }

  decompressUs(uncompressedBytes: number): number {
    return this.curve.codec === 'none' ? 0 : this.#decompress.at0 + this.#decompress.perByte * uncompressedBytes
  }

  #at(depth: number): number {
    return 1 / (1 + (depth - 1) / this.#halfDepth)
  }
}

interface Line {
  readonly at0: number
  readonly perByte: number
}

/** One point for every depth, by rising depth, without what cannot be. */
function usable(points: readonly CodecPoint[]): readonly CodecPoint[] {
  let isClean = true
  let last = 0
  for (const { depth, uncompressedBytes, compressedBytes } of points) {
    if (!(depth >= 1 && depth > last && uncompressedBytes > 0 && compressedBytes > 0)) isClean = false
    last = depth
  }
  return isClean ? points : merged(points)
}

function merged(points: readonly CodecPoint[]): CodecPoint[] {
  const byDepth = new Map<number, CodecPoint[]>()
  for (const point of points) {
    if (!(point.depth >= 1) || !(point.uncompressedBytes > 0) || !(point.compressedBytes > 0)) continue
    const same = byDepth.get(point.depth)
    if (same === undefined) byDepth.set(point.depth, [point])
    else same.push(point)
  }
  return [...byDepth]
    .toSorted(([a], [b]) => a - b)
    .map(([depth, same]) => {
      const sum = (of: (point: CodecPoint) => number): number => same.reduce((total, point) => total + of(point), 0)
      const timed = same.filter((point) => point.decompressUs !== null)
      return {
        depth,
        uncompressedBytes: sum((point) => point.uncompressedBytes) / same.length,
        compressedBytes: sum((point) => point.compressedBytes) / same.length,
        compressUs: sum((point) => point.compressUs) / same.length,
        decompressUs:
          timed.length === 0 ? null : timed.reduce((total, point) => total + point.decompressUs!, 0) / timed.length,
      }
    })
}

/** The assumed shape through the one measured point. */
function likeOne(assumed: CodecCurve, measured: CodecPoint | undefined): readonly CodecPoint[] {
  if (measured === undefined) return assumed.points
  const shape = new FittedCurve(assumed, measured.uncompressedBytes / measured.depth)
  const ratio = measured.uncompressedBytes / measured.compressedBytes / shape.ratio(measured.depth)
  const speed = measured.compressUs / Math.max(1e-9, shape.compressUs(measured.uncompressedBytes))
  return assumed.points.map((point) => ({
    ...point,
    compressedBytes: point.compressedBytes / ratio,
    compressUs: point.compressUs * speed,
  }))
}

/** Least squares, with both coefficients at zero or more. */
function lineThrough(points: readonly (readonly [number, number])[]): Line {
  const n = points.length
  const meanX = points.reduce((sum, [x]) => sum + x, 0) / n
  const meanY = points.reduce((sum, [, y]) => sum + y, 0) / n
  const varX = points.reduce((sum, [x]) => sum + (x - meanX) ** 2, 0)
  const slope = varX > 0 ? points.reduce((sum, [x, y]) => sum + (x - meanX) * (y - meanY), 0) / varX : 0
  if (slope > 0 && meanY - slope * meanX >= 0) return { at0: meanY - slope * meanX, perByte: slope }
  const through0 = points.reduce((sum, [x, y]) => sum + x * y, 0) / points.reduce((sum, [x]) => sum + x * x, 0)
  return { at0: 0, perByte: Math.max(0, through0) }
}
