/**
 * The demand of one mQ ID over time, in steps of equal length: what a forecast learns from.
 *
 * D1. A step that nobody saw, or in which demand was held back (throttled or shed), is NaN. It is not zero, and nothing is learnt
 *     from it: a forecast made from held-back demand would plan for the next outage to be as quiet.
 * D2. Demand follows the wall clock of the people behind it. A slot is a step of their week, Monday first; `localOffsetMs` says how far
 *     their clock is ahead of UTC, so that a change to summer time shifts no habit by an hour.
 */
import { MqError } from '@mq/contract'

export const HOUR_MS = 3_600_000
export const DAY_MS = 24 * HOUR_MS
export const WEEK_MS = 7 * DAY_MS
/** 1970-01-05 was a Monday. */
const FIRST_MONDAY_MS = 4 * DAY_MS

export interface DemandHistory {
  readonly startMs: number
  /** Divides an hour evenly. */
  readonly stepMs: number
  /** Per step, in any unit (records, bytes); NaN: unknown (D1). */
  readonly values: Float64Array
}

/** How far the wall clock is ahead of UTC at a moment, in ms (D2). */
export type LocalOffset = (atMs: number) => number

/** @throws MQ_WORKLOAD_INVALID for steps that do not divide an hour, and values that are negative or infinite */
export function checkHistory({ startMs, stepMs, values }: DemandHistory): void {
  if (!Number.isSafeInteger(startMs)) throw new MqError('MQ_WORKLOAD_INVALID', `A history cannot begin at ${startMs}`)
  if (!Number.isSafeInteger(stepMs) || stepMs < 1_000 || HOUR_MS % stepMs !== 0) {
    throw new MqError('MQ_WORKLOAD_INVALID', `Steps of ${stepMs} ms do not divide an hour`)
  }
  // A loop, not `find`: histories have 20,000 steps, and there are thousands of them.
  for (const value of values) {
    if (value < 0 || value === Number.POSITIVE_INFINITY) {
      throw new MqError('MQ_WORKLOAD_INVALID', `Demand of ${value} in a step is not possible`)
    }
  }
}

/** The slot of the week of each of `count` steps from `startMs` on. */
export function slotsFrom(startMs: number, stepMs: number, count: number, localOffsetMs?: LocalOffset): Uint16Array {
  const perWeek = WEEK_MS / stepMs
  const perHour = HOUR_MS / stepMs
  const slots = new Uint16Array(count)
  // Clocks change at full hours; within one a slot follows the other.
  for (let hour = 0; hour < count; hour += perHour) {
    const atMs = startMs + hour * stepMs
    const localMs = atMs + (localOffsetMs?.(atMs) ?? 0) - FIRST_MONDAY_MS
    let slot = Math.floor((((localMs % WEEK_MS) + WEEK_MS) % WEEK_MS) / stepMs)
    const end = Math.min(count, hour + perHour)
    for (let at = hour; at < end; at++) {
      slots[at] = slot
      slot = slot + 1 === perWeek ? 0 : slot + 1
    }
  }
  return slots
}
