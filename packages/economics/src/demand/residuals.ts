/**
 * How far demand strays from its pattern: the quantiles of what past forecasts missed.
 *
 * R1. They are empirical. The pattern is fitted as it would have been two, four and six weeks ago, and each fit is held against the
 *     two weeks that followed it: the horizon that a forecast is made for, not the fit of what it already saw.
 * R2. They belong to classes of hours, working days and weekends apart, each with its neighbouring hours: nights stray less than evenings.
 * R3. Misses are counted in the mean of the pattern, so that they grow and shrink with the demand. They are not counted in the usual demand of
 *     their slot or hour: in short steps that is near zero at night, and quantiles became those of noise (pinball loss 0.81 against 0.79).
 */
import { Pattern } from './pattern.ts'

const FITS = 3
const CLASSES = 48
/** Misses looked at in an hour: more of them change no quantile. */
const PER_HOUR = 4
/** Misses that a class can have: of five working days in each of two weeks, and one day to spare. */
const MOST = FITS * 11 * PER_HOUR

export interface Misses {
  /** What demand is above its pattern with a probability of 1 - share, by slot of the week. */
  above(slot: number, share: 'q90' | 'q99'): number
}

/**
 * @param pattern that of the forecast, for the units it is in
 * @param perWeek slots of a week
 */
export function missesOf(values: Float64Array, slots: Uint16Array, pattern: Pattern, perWeek: number): Misses {
  const classOf = classesOf(perWeek)
  const own = Array.from({ length: CLASSES }, () => new Float64Array(MOST))
  const counts = new Uint16Array(CLASSES)
  const every = Math.max(1, Math.floor(perWeek / 168 / PER_HOUR))
  for (const { from, to } of stretches(values.length, perWeek)) {
    const past = new Pattern(values, slots, from, perWeek)
    const unit = past.mean || 1
    for (let at = from; at < to; at += every) {
      const miss = values[at]! - past.at(slots[at]!)
      const number = classOf[slots[at]!]!
      // A class is never full before its time, but for weeks in which the clock was set.
      if (!Number.isNaN(miss) && counts[number]! < MOST) own[number]![counts[number]!++] = miss / unit
    }
  }
  const q90 = new Float64Array(CLASSES)
  const q99 = new Float64Array(CLASSES)
  for (let number = 0; number < CLASSES; number++) {
    const misses = joined(neighbours(number).map((one) => own[one]!.subarray(0, counts[one]))).sort()
    q90[number] = quantile(misses, 0.9) * pattern.mean
    q99[number] = quantile(misses, 0.99) * pattern.mean
  }
  return { above: (slot, share) => (share === 'q90' ? q90 : q99)[classOf[slot]!]! }
}

/** The past forecasts (R1): each fit learns from what is before `from`. */
function stretches(length: number, perWeek: number): { readonly from: number; readonly to: number }[] {
  const found: { readonly from: number; readonly to: number }[] = []
  for (let fit = 1; fit <= FITS; fit++) {
    const from = length - 2 * fit * perWeek
    if (from < 2 * perWeek) break
    found.push({ from, to: from + 2 * perWeek })
  }
  // Too short for that: the last week against the weeks before.
  return found.length > 0 ? found : [{ from: Math.max(0, length - perWeek), to: length }]
}

/** Hour of the day of each slot, those of weekends apart (R2). */
function classesOf(perWeek: number): Uint8Array {
  const perDay = perWeek / 7
  const classes = new Uint8Array(perWeek)
  for (let slot = 0; slot < perWeek; slot++) {
    classes[slot] = (slot < 5 * perDay ? 0 : 24) + Math.floor((slot % perDay) / (perDay / 24))
  }
  return classes
}

function neighbours(number: number): number[] {
  const first = number < 24 ? 0 : 24
  return [-1, 0, 1].map((step) => first + ((number - first + step + 24) % 24))
}

function joined(parts: readonly Float64Array[]): Float64Array {
  const all = new Float64Array(parts.reduce((sum, part) => sum + part.length, 0))
  let at = 0
  for (const part of parts) {
    all.set(part, at)
    at += part.length
  }
  return all
}

/** By linear interpolation, as spreadsheets do; 0 for none. */
function quantile(sorted: Float64Array, share: number): number {
  if (sorted.length === 0) return 0
  const place = (sorted.length - 1) * share
  const low = Math.floor(place)
  const high = Math.min(sorted.length - 1, low + 1)
  return sorted[low]! + (place - low) * (sorted[high]! - sorted[low]!)
}
