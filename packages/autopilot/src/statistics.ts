/**
 * The tests that decide whether a change did anything. Pure.
 *
 * Z1. Mann-Whitney's U asks only for order, so neither outliers nor the shape of a distribution decide. Exact for small samples
 *     without ties, the normal approximation with the correction for ties otherwise.
 * Z2. A p-value here is one-sided: how likely so much improvement is when the change does nothing.
 * Z3. The same numbers always give the same answer: the bootstrap draws from a generator with a fixed seed.
 */
import { seeded } from '@mq/economics'
import {
  cumulativeStdNormalProbability,
  median,
  quantile,
  sampleWithReplacement,
  wilcoxonRankSum,
} from 'simple-statistics'

/** Above this many observations the exact distribution is not counted out. */
const EXACT_UP_TO = 40
const RESAMPLES = 400
const SEED = 0x9e3779b9

export { median }

/** How likely it is that `after` comes out this low against `before` by chance (Z1, Z2). */
export function mannWhitneyLess(after: readonly number[], before: readonly number[]): number {
  const [n, m] = [after.length, before.length]
  if (n === 0 || m === 0) return 1
  const u = wilcoxonRankSum([...after], [...before]) - (n * (n + 1)) / 2
  const ties = tiesOf([...after, ...before])
  if (ties === 0 && n + m <= EXACT_UP_TO) return exactLess(u, n, m)
  const total = n + m
  const variance = ((n * m) / 12) * (total + 1 - ties / (total * (total - 1)))
  if (variance <= 0) return 1
  return cumulativeStdNormalProbability((u - (n * m) / 2 + 0.5) / Math.sqrt(variance))
}

/** Sum of t^3 - t over groups of equal values. */
function tiesOf(values: readonly number[]): number {
  const counts = new Map<number, number>()
  for (const value of values) counts.set(value, (counts.get(value) ?? 0) + 1)
  let sum = 0
  for (const count of counts.values()) sum += count ** 3 - count
  return sum
}

/** P(U <= u): arrangements counted by the recurrence of Mann and Whitney. */
function exactLess(u: number, n: number, m: number): number {
  // ways[j][v]: arrangements of i values of one side among j of the other with statistic v, grown one value at a time.
  let ways: number[][] = Array.from({ length: m + 1 }, () => [1])
  for (let i = 1; i <= n; i++) {
    const next: number[][] = [[1]]
    for (let j = 1; j <= m; j++) {
      const row = new Array<number>(i * j + 1).fill(0)
      for (const [value, count] of ways[j]!.entries()) row[value + j] = (row[value + j] ?? 0) + count
      for (const [value, count] of next[j - 1]!.entries()) row[value] = row[value]! + count
      next.push(row)
    }
    ways = next
  }
  const row = ways[m]!
  const total = row.reduce((sum, count) => sum + count, 0)
  const upTo = row.slice(0, Math.floor(u) + 1).reduce((sum, count) => sum + count, 0)
  return upTo / total
}

/** Relative change of the median with its 95 % bootstrap interval (Z3). */
export function medianChange(
  after: readonly number[],
  before: readonly number[],
): { readonly changeShare: number; readonly low: number; readonly high: number } {
  const change = (a: readonly number[], b: readonly number[]): number => median([...a]) / median([...b]) - 1
  const random = seeded(SEED)
  const drawn: number[] = []
  for (let round = 0; round < RESAMPLES; round++) {
    drawn.push(
      change(
        sampleWithReplacement([...after], after.length, random),
        sampleWithReplacement([...before], before.length, random),
      ),
    )
  }
  return { changeShare: change(after, before), low: quantile(drawn, 0.025), high: quantile(drawn, 0.975) }
}
