/**
 * The demand of one mQ ID in the coming days: what is likely (q50), and what it stays below nine times of ten (q90) and 99 times of 100 (q99).
 *
 * F1. Pattern (pattern.ts) times the events that are expected (events.ts); quantiles from what past forecasts missed (residuals.ts).
 * F2. Less than two weeks of known demand show no week: the answer is `unknown`, with how much is there. Declared figures are somebody
 *     else's to use; nothing is made up here.
 * F3. Quantiles never cross, and never fall below zero.
 * F4. An event multiplies the quantiles, too: what it makes of the usual demand is no better known than that.
 */
import { MqError } from '@mq/contract'
import { checkEvent, type DemandEvent, multipleAt, withoutEvents } from './events.ts'
import { checkHistory, type DemandHistory, type LocalOffset, slotsFrom, WEEK_MS } from './history.ts'
import { Pattern } from './pattern.ts'
import { missesOf } from './residuals.ts'

/** Steps that have to be known before there is a pattern, as time (F2). */
export const NEEDED_MS = 2 * WEEK_MS
const LONGEST_MS = 5 * WEEK_MS

export interface ForecastOptions {
  readonly history: DemandHistory
  /** How far ahead, from the end of the history on; at most five weeks. */
  readonly horizonMs: number
  /** Past and coming ones. */
  readonly events?: readonly DemandEvent[]
  /** What overlapping events make together; the largest when left out. */
  readonly overlap?: 'largest' | 'product'
  /** UTC when left out. */
  readonly localOffsetMs?: LocalOffset
}

export type DemandForecast = KnownDemand | UnknownDemand

export interface KnownDemand {
  readonly state: 'known'
  readonly startMs: number
  readonly stepMs: number
  /** One value per step, in the unit of the history. */
  readonly q50: Float64Array
  readonly q90: Float64Array
  readonly q99: Float64Array
}

export interface UnknownDemand {
  readonly state: 'unknown'
  readonly knownMs: number
  readonly neededMs: number
}

/** @throws MQ_WORKLOAD_INVALID for a history, an event or a horizon that makes no sense */
export function forecastDemand(options: ForecastOptions): DemandForecast {
  const { history, horizonMs, events = [], overlap, localOffsetMs } = options
  checkHistory(history)
  for (const event of events) checkEvent(event)
  const { startMs, stepMs } = history
  const count = horizonMs / stepMs
  if (!Number.isInteger(count) || count < 1 || horizonMs > LONGEST_MS) {
    throw new MqError(
      'MQ_WORKLOAD_INVALID',
      `${horizonMs} ms is no horizon: whole steps of ${stepMs} ms, up to five weeks`,
    )
  }
  const values = withoutEvents(history, events)
  let known = 0
  for (const value of values) if (!Number.isNaN(value)) known++
  if (known * stepMs < NEEDED_MS) return { state: 'unknown', knownMs: known * stepMs, neededMs: NEEDED_MS }
  const perWeek = WEEK_MS / stepMs
  const all = slotsFrom(startMs, stepMs, values.length + count, localOffsetMs)
  const pattern = new Pattern(values, all, values.length, perWeek)
  const misses = missesOf(values, all, pattern, perWeek)
  const endMs = startMs + values.length * stepMs
  const [q50, q90, q99] = [new Float64Array(count), new Float64Array(count), new Float64Array(count)]
  for (let at = 0; at < count; at++) {
    const slot = all[values.length + at]!
    const usual = pattern.at(slot)
    const multiple = events.length === 0 ? 1 : multipleAt(events, endMs + at * stepMs, overlap)
    q50[at] = usual * multiple
    q90[at] = Math.max(q50[at]!, (usual + misses.above(slot, 'q90')) * multiple)
    q99[at] = Math.max(q90[at]!, (usual + misses.above(slot, 'q99')) * multiple)
  }
  return { state: 'known', startMs: endMs, stepMs, q50, q90, q99 }
}

/** What is usual in each step of a history, by its own pattern: to hold a past event against (`fitEvent`). */
export function usualDemand(
  history: DemandHistory,
  events: readonly DemandEvent[],
  localOffsetMs?: LocalOffset,
): Float64Array {
  checkHistory(history)
  const values = withoutEvents(history, events)
  const slots = slotsFrom(history.startMs, history.stepMs, values.length, localOffsetMs)
  const pattern = new Pattern(values, slots, values.length, WEEK_MS / history.stepMs)
  return Float64Array.from(slots, (slot) => pattern.at(slot))
}
