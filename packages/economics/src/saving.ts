/**
 * F10: what a change saves a month, by meter, with the range the uncertain inputs leave.
 *
 * V1. A saving is before minus after, and negative when the change costs more.
 * V2. The range comes from what is uncertain: a codec ratio that was assumed rather than measured, and prices that nobody verified.
 */

import type { Cost, CostLine } from './cost.ts'
import type { Candidate } from './optimum.ts'
import type { BytesBasis, Meter } from './price-book.ts'

export interface MeterSaving {
  readonly meter: Meter
  readonly basis: BytesBasis
  readonly beforeUsdPerMonth: number
  readonly afterUsdPerMonth: number
}

export interface Saving {
  readonly usdPerMonth: number
  /** Of the cost before; 0 when that was nothing. */
  readonly share: number
  readonly range: { readonly fromUsdPerMonth: number; readonly toUsdPerMonth: number }
  readonly byMeter: readonly MeterSaving[]
  readonly notes: readonly string[]
}

/** Relative error of a ratio that was measured on the mQ ID, and of one assumed from other JSON. */
const RATIO_ERROR = { measured: 0.05, assumed: 0.3 } as const
const PRICE_ERROR = { verified: 0, 'second-hand': 0.1, unverified: 0.3 } as const

export function saving(before: Cost, after: Cost, codecSource: 'measured' | 'assumed' = 'measured'): Saving {
  const meters = [...new Set([...before.lines, ...after.lines].map(({ meter }) => meter))]
  const byMeter = meters.map((meter): MeterSaving => {
    const of = (cost: Cost): CostLine[] => cost.lines.filter((line) => line.meter === meter)
    const sum = (lines: readonly CostLine[]): number => lines.reduce((total, line) => total + line.usdPerMonth, 0)
    return {
      meter,
      basis: [...of(before), ...of(after)][0]!.basis,
      beforeUsdPerMonth: sum(of(before)),
      afterUsdPerMonth: sum(of(after)),
    }
  })
  const usdPerMonth = before.usdPerMonth - after.usdPerMonth
  const ofWire = (cost: Cost): number =>
    cost.lines.filter(({ basis }) => basis === 'wire').reduce((sum, line) => sum + line.usdPerMonth, 0)
  const ratioSpread = ofWire(after) * RATIO_ERROR[codecSource]
  const priceSpread = byMeter.reduce((sum, { meter, beforeUsdPerMonth, afterUsdPerMonth }) => {
    const line = [...before.lines, ...after.lines].find((each) => each.meter === meter)!
    return sum + Math.abs(beforeUsdPerMonth - afterUsdPerMonth) * PRICE_ERROR[line.confidence]
  }, 0)
  const spread = Math.hypot(ratioSpread, priceSpread)
  return {
    usdPerMonth,
    share: before.usdPerMonth > 0 ? usdPerMonth / before.usdPerMonth : 0,
    range: { fromUsdPerMonth: usdPerMonth - spread, toUsdPerMonth: usdPerMonth + spread },
    byMeter,
    notes: byMeter.some(
      ({ meter, beforeUsdPerMonth, afterUsdPerMonth }) =>
        meter === 'broker-compute' && beforeUsdPerMonth > afterUsdPerMonth,
    )
      ? ['broker CPU is saved on the bill once a whole broker can be released']
      : [],
  }
}

/** The saving of going from one candidate to another (V2). */
export function savingOf(from: Candidate, to: Candidate): Saving {
  return saving(from.cost, to.cost, to.prediction.codecSource)
}
