/**
 * The weekly pattern of a demand: what is usual in each slot of the week, and how high demand stands now.
 *
 * P1. It is the mean of three simple members, each robust against one odd week: the median of the slot over the last weeks, at
 *     today's level; an average that trusts recent weeks more, with each slot's lowest and highest week cut to the next one; and the
 *     hours of the day times the days of the week, at today's level. The mean of three beat each of them, and their median, on every
 *     series tried (`./mq measure forecast`).
 * P2. Today's level is the ratio of the last fourteen days to the pattern, recent days first, and believed by 60 %: a level that moved
 *     this week moves back as often as it stays.
 * P3. A slot without any known value is filled from its time of day and its day of the week.
 */

/** Weeks that a pattern is made of. */
const WEEKS = 8
/** Share that a week keeps beside the one after it. */
const KEEP_PER_WEEK = 0.65
const WEIGHTS = Float64Array.from({ length: WEEKS }, (_, week) => KEEP_PER_WEEK ** week)
const LEVEL_DAYS = 14
const LEVEL_KEEP_PER_DAY = 0.7
const LEVEL_BELIEF = 0.6
/** A day's ratio beyond this is an event or an outage, not a level. */
const LEVEL_BOUND = 3

export class Pattern {
  readonly #usual: Float64Array
  /** Of all slots. */
  readonly mean: number

  /**
   * @param end learns from the values before it
   * @param perWeek slots of a week
   */
  constructor(values: Float64Array, slots: Uint16Array, end: number, perWeek: number) {
    const { medians, recents } = slotsOf(values, slots, end, perWeek)
    const shape = shapeOf(medians, perWeek)
    for (let slot = 0; slot < perWeek; slot++) {
      if (!Number.isNaN(medians[slot]!)) continue
      medians[slot] = shape[slot]!
      recents[slot] = shape[slot]!
    }
    const level = levelOf(values, slots, end, medians)
    this.#usual = new Float64Array(perWeek)
    for (let slot = 0; slot < perWeek; slot++) {
      this.#usual[slot] = (medians[slot]! * level + recents[slot]! + shape[slot]! * level) / 3
    }
    this.mean = mean(this.#usual, 0, perWeek, 1)
  }

  /** The usual demand in a slot of the week. */
  at(slot: number): number {
    return this.#usual[slot]!
  }
}

interface Slots {
  readonly medians: Float64Array
  readonly recents: Float64Array
}

/** Median and recent average of each slot; NaN where nothing is known. */
function slotsOf(values: Float64Array, slots: Uint16Array, end: number, perWeek: number): Slots {
  const seen = new Float64Array(perWeek * WEEKS)
  const counts = new Uint8Array(perWeek)
  // Newest first, with a week to spare for slots that miss one.
  const from = Math.max(0, end - (WEEKS + 1) * perWeek)
  for (let at = end - 1; at >= from; at--) {
    const value = values[at]!
    const slot = slots[at]!
    if (Number.isNaN(value) || counts[slot] === WEEKS) continue
    seen[slot * WEEKS + counts[slot]!++] = value
  }
  const medians = new Float64Array(perWeek).fill(Number.NaN)
  const recents = new Float64Array(perWeek).fill(Number.NaN)
  const sorted = new Float64Array(WEEKS)
  for (let slot = 0; slot < perWeek; slot++) {
    const count = counts[slot]!
    if (count === 0) continue
    const first = slot * WEEKS
    for (let at = 0; at < count; at++) insert(sorted, at, seen[first + at]!)
    medians[slot] = count % 2 === 1 ? sorted[count >> 1]! : (sorted[(count >> 1) - 1]! + sorted[count >> 1]!) / 2
    const low = sorted[count < 4 ? 0 : 1]!
    const high = sorted[count < 4 ? count - 1 : count - 2]!
    let sum = 0
    let weights = 0
    for (let at = 0; at < count; at++) {
      const value = seen[first + at]!
      sum += WEIGHTS[at]! * (value < low ? low : value > high ? high : value)
      weights += WEIGHTS[at]!
    }
    recents[slot] = sum / weights
  }
  return { medians, recents }
}

/** Puts a value into its place among the `count` sorted ones. */
function insert(sorted: Float64Array, count: number, value: number): void {
  let at = count
  while (at > 0 && sorted[at - 1]! > value) {
    sorted[at] = sorted[at - 1]!
    at--
  }
  sorted[at] = value
}

/** Hours of the day times days of the week, of the slots that are known. */
function shapeOf(medians: Float64Array, perWeek: number): Float64Array {
  const perDay = perWeek / 7
  const all = mean(medians, 0, perWeek, 1)
  const shape = new Float64Array(perWeek)
  if (Number.isNaN(all) || all === 0) return shape
  const days = Array.from({ length: 7 }, (_, day) => mean(medians, day * perDay, (day + 1) * perDay, 1))
  for (let time = 0; time < perDay; time++) {
    const usual = mean(medians, time, perWeek, perDay)
    for (let day = 0; day < 7; day++) {
      const ofDay = days[day]!
      const ofTime = Number.isNaN(usual) ? all : usual
      shape[day * perDay + time] = Number.isNaN(ofDay) ? ofTime : (ofTime * ofDay) / all
    }
  }
  return shape
}

function mean(values: Float64Array, from: number, to: number, step: number): number {
  let sum = 0
  let count = 0
  for (let at = from; at < to; at += step) {
    const value = values[at]!
    if (Number.isNaN(value)) continue
    sum += value
    count++
  }
  return count === 0 ? Number.NaN : sum / count
}

/** How high the last days stand over the pattern (P2). */
function levelOf(values: Float64Array, slots: Uint16Array, end: number, medians: Float64Array): number {
  const perDay = medians.length / 7
  let sum = 0
  let weights = 0
  let weight = 1
  for (let day = 0; day < LEVEL_DAYS; day++, weight *= LEVEL_KEEP_PER_DAY) {
    const from = end - (day + 1) * perDay
    if (from < 0) break
    let seen = 0
    let usual = 0
    let known = 0
    for (let at = from; at < from + perDay; at++) {
      if (Number.isNaN(values[at]!)) continue
      seen += values[at]!
      usual += medians[slots[at]!]!
      known++
    }
    // Half a day says little of a day.
    if (known < perDay / 2 || usual <= 0) continue
    sum += weight * Math.min(LEVEL_BOUND, Math.max(1 / LEVEL_BOUND, seen / usual))
    weights += weight
  }
  return weights === 0 ? 1 : 1 + LEVEL_BELIEF * (sum / weights - 1)
}
