/** The few statistics the measurements need. */

/** Middle value; the mean of the two middle ones when their number is even. Throws on an empty list. */
export function median(values: readonly number[]): number {
  if (values.length === 0) throw new Error('the median of no values')
  const sorted = [...values].sort((a, b) => a - b)
  const middle = sorted.length >> 1
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2
}

/** Nearest-rank percentile of an ascending list: the smallest value with at least `percent` of the values at or below it. */
export function percentile(sorted: ArrayLike<number>, percent: number): number {
  if (sorted.length === 0) throw new Error('the percentile of no values')
  const rank = Math.ceil((percent / 100) * sorted.length)
  return sorted[Math.min(sorted.length - 1, Math.max(0, rank - 1))]!
}

/** p50, p99 and the longest of some times, to a tenth. Throws on an empty list. */
export function percentiles(values: readonly number[]): { p50: number; p99: number; max: number } {
  const sorted = Float64Array.from(values).sort()
  const at = (percent: number): number => round(percentile(sorted, percent), 1)
  return { p50: at(50), p99: at(99), max: at(100) }
}

/**
 * The median and its 95 % interval by order statistics: the ranks n/2 -+ 0.98 sqrt(n), which hold whatever the distribution.
 * @param values enough of them for ranks to be inside: 6 or more
 */
export function medianInterval(values: readonly number[]): {
  readonly median: number
  readonly low: number
  readonly high: number
} {
  const sorted = [...values].sort((a, b) => a - b)
  const half = 0.98 * Math.sqrt(sorted.length)
  const at = (rank: number): number => sorted[Math.min(sorted.length - 1, Math.max(0, rank))]!
  return {
    median: median(sorted),
    low: at(Math.floor(sorted.length / 2 - half) - 1),
    high: at(Math.ceil(sorted.length / 2 + half)),
  }
}

/** Median, minimum and maximum of one figure over the rounds. */
export interface Spread {
  readonly median: number
  readonly min: number
  readonly max: number
}

export function spread(values: readonly number[]): Spread {
  return { median: median(values), min: Math.min(...values), max: Math.max(...values) }
}

export function roundedSpread(values: readonly number[], digits = 2): Spread {
  const { median, min, max } = spread(values)
  return { median: round(median, digits), min: round(min, digits), max: round(max, digits) }
}

/** Rounded to `digits` decimals, for people and for JSON. */
export function round(value: number, digits = 0): number {
  const scale = 10 ** digits
  return Math.round(value * scale) / scale
}
