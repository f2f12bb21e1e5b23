/**
 * How far one group was behind over time, as roll-ups of a minute, a quarter of an hour and three hours.
 *
 * H1. Bounded: an hour, a day, two weeks.
 * H2. A window in which nothing was known holds null; one in which nobody looked is not there.
 */
import type { LagPoint, LagTrend } from '@mq/contract'

interface Tier {
  readonly resolutionMs: number
  readonly windows: number
}

const MINUTE_MS = 60_000
export const TIERS: readonly Tier[] = [
  { resolutionMs: MINUTE_MS, windows: 60 },
  { resolutionMs: 15 * MINUTE_MS, windows: 96 },
  { resolutionMs: 180 * MINUTE_MS, windows: 112 },
]
/** Over what a trend is told, and what change is one: a tenth, and more than a handful. */
const TREND_MINUTES = 10
const TREND_SHARE = 0.1
const TREND_RECORDS = 10

/** start / resolution, max records, last records, max ms. */
export type PackedPoint = [number, number | null, number | null, number | null]

export class LagHistory {
  readonly #tiers: PackedPoint[][]

  constructor(packed: readonly (readonly PackedPoint[])[] = []) {
    this.#tiers = TIERS.map((_, index) => (packed[index] ?? []).map((point) => [...point] as PackedPoint))
  }

  packed(): readonly (readonly PackedPoint[])[] {
    return this.#tiers
  }

  add(nowMs: number, records: number | null, lagMs: number | null): void {
    for (const [index, { resolutionMs, windows }] of TIERS.entries()) {
      const points = this.#tiers[index]!
      const number = Math.floor(nowMs / resolutionMs)
      const last = points.at(-1)
      if (last !== undefined && last[0] >= number) {
        last[1] = greater(last[1], records)
        last[2] = records
        last[3] = greater(last[3], lagMs)
        continue
      }
      points.push([number, records, records, lagMs])
      while (points.length > 0 && points[0]![0] <= number - windows) points.shift()
    }
  }

  points(): LagPoint[] {
    return TIERS.flatMap(({ resolutionMs }, index) =>
      this.#tiers[index]!.map(([number, maxRecords, lastRecords, maxMs]) => ({
        startMs: number * resolutionMs,
        resolutionMs,
        maxRecords,
        lastRecords,
        maxMs: maxMs === null ? null : Math.round(maxMs),
      })),
    ).toSorted((a, b) => a.startMs - b.startMs)
  }

  /** The last 60 minutes; null where nothing is known. */
  recent(nowMs: number): (number | null)[] {
    const byNumber = new Map(this.#tiers[0]!.map(([number, records]) => [number, records]))
    const now = Math.floor(nowMs / MINUTE_MS)
    const all = Array.from({ length: 60 }, (_, index) => byNumber.get(now - 59 + index) ?? null)
    const first = all.findIndex((records) => records !== null)
    return first < 0 ? [] : all.slice(first)
  }

  trend(nowMs: number): LagTrend | null {
    const since = Math.floor(nowMs / MINUTE_MS) - TREND_MINUTES
    const known = this.#tiers[0]!.filter(([number, , last]) => number >= since && last !== null)
    if (known.length < 2) return null
    const [first, last] = [known[0]![2]!, known.at(-1)![2]!]
    const change = last - first
    if (Math.abs(change) <= Math.max(TREND_RECORDS, TREND_SHARE * Math.max(first, last))) return 'steady'
    return change > 0 ? 'growing' : 'falling'
  }
}

function greater(a: number | null, b: number | null): number | null {
  if (a === null || b === null) return a ?? b
  return Math.max(a, b)
}
