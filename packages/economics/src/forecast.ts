/**
 * Where the cost of a month will end, from what was spent so far.
 *
 * E1. With less than a day of the month there is no daily rhythm to see: the rate so far is carried on, and the range is wide.
 * E2. The forecast is never below what was already spent.
 */
import { MqError } from '@mq/contract'

export interface SpentDay {
  readonly startMs: number
  /** Up to a day; less for the current one. */
  readonly coveredMs: number
  readonly usd: number
}

export interface Forecast {
  readonly spentUsd: number
  readonly monthEndUsd: number
  readonly range: { readonly fromUsd: number; readonly toUsd: number }
  /** What is known of the month. */
  readonly coveredMs: number
}

const DAY_MS = 86_400_000
const WEEK = 7
/** Share of the rest that is uncertain, before there are days to measure it by. */
const UNKNOWN_SPREAD = 0.5

/** @param days of this month and, if they are known, of the four weeks before; any order */
export function forecastMonthEnd(input: {
  readonly monthStartMs: number
  readonly monthEndMs: number
  readonly nowMs: number
  readonly days: readonly SpentDay[]
}): Forecast {
  const { monthStartMs, monthEndMs, nowMs, days } = input
  if (!(monthStartMs <= nowMs && nowMs <= monthEndMs)) {
    throw new MqError('MQ_WORKLOAD_INVALID', `${nowMs} is not within the month from ${monthStartMs} to ${monthEndMs}`)
  }
  for (const { usd, coveredMs } of days) {
    if (!Number.isFinite(usd) || usd < 0 || !(coveredMs > 0 && coveredMs <= DAY_MS)) {
      throw new MqError('MQ_WORKLOAD_INVALID', `A day of ${coveredMs} ms cannot have cost ${usd} USD`)
    }
  }
  const thisMonth = days.filter(({ startMs }) => startMs >= monthStartMs && startMs < monthEndMs)
  const spentUsd = thisMonth.reduce((sum, { usd }) => sum + usd, 0)
  const coveredMs = thisMonth.reduce((sum, day) => sum + day.coveredMs, 0)
  const leftMs = monthEndMs - nowMs
  const rates = days
    .filter((day) => day.coveredMs >= DAY_MS / 24)
    .map((day) => ({ ...day, perDay: (day.usd / day.coveredMs) * DAY_MS }))
  if (rates.length === 0) {
    return { spentUsd, monthEndUsd: spentUsd, range: { fromUsd: spentUsd, toUsd: spentUsd }, coveredMs }
  }
  const weekday = (ms: number): number => Math.floor(ms / DAY_MS) % WEEK
  const all = weighted(rates.map(({ perDay, coveredMs: weight }) => [perDay, weight]))
  const byWeekday = (day: number): number => {
    const same = rates.filter(({ startMs }) => weekday(startMs) === day)
    return rates.length >= 2 * WEEK && same.length > 0
      ? weighted(same.map(({ perDay, coveredMs: weight }) => [perDay, weight]))
      : all
  }
  let rest = 0
  for (let at = nowMs; at < monthEndMs; ) {
    const next = Math.min(monthEndMs, (Math.floor(at / DAY_MS) + 1) * DAY_MS)
    rest += (byWeekday(weekday(at)) * (next - at)) / DAY_MS
    at = next
  }
  const spread =
    rates.length < 2
      ? UNKNOWN_SPREAD * rest
      : uncertainty(
          rates.map(({ perDay }) => perDay),
          leftMs / DAY_MS,
        )
  return {
    spentUsd,
    monthEndUsd: spentUsd + rest,
    range: { fromUsd: Math.max(spentUsd, spentUsd + rest - spread), toUsd: spentUsd + rest + spread },
    coveredMs,
  }
}

function weighted(values: readonly (readonly [number, number])[]): number {
  const weight = values.reduce((sum, [, w]) => sum + w, 0)
  return values.reduce((sum, [value, w]) => sum + value * w, 0) / weight
}

/** Two standard errors of the mean rate over the days left, and of the days themselves. */
function uncertainty(perDay: readonly number[], daysLeft: number): number {
  const mean = perDay.reduce((sum, value) => sum + value, 0) / perDay.length
  const variance = perDay.reduce((sum, value) => sum + (value - mean) ** 2, 0) / (perDay.length - 1)
  return 2 * Math.sqrt(variance * (daysLeft + daysLeft ** 2 / perDay.length))
}
