/**
 * `mq measure forecast`: how good forecasts of demand are on real series that they have not seen, and how long those of many mQ IDs take.
 *
 * FM1. The series are departures of real flights per hour and per five minutes, one for each of the busiest airports (`vega-datasets`, half
 *      of 2001): they have banks, nights, weekends, holidays and changes of the timetable. Each is cut at several moments; ten weeks before
 *      the cut are the history, two weeks after it the truth.
 * FM2. The peer is the seasonal naive forecast: the last week again. As a quantile it is given the quantiles of its own misses within the
 *      history (`withQuantiles`), which makes it a far better peer than the bare last week (`bare`); both ratios are printed.
 * FM3. The time is that of one thread over histories of five-minute steps, every one a different cut of the real series.
 */
import { forecastDemand, type Quantiles, scoreOf } from '@mq/economics'
import { z } from 'zod'
import { FlightsFile } from '../examples/flights/flights-file.ts'
import { readFlags } from './flags.ts'
import { machineFacts } from './machine.ts'
import { publish } from './publish.ts'
import { Machine } from './results.ts'
import { median, percentile, round } from './statistics.ts'

const USAGE = `mq measure forecast [--json] [--save] [--airports 80] [--ids 10000] [--date YYYY-MM-DD]`
const HISTORY_WEEKS = 10
const TRUTH_WEEKS = 2
const CUTS = [10, 14, 18, 22]
const DAY_MS = 86_400_000
const WEEK_MS = 7 * DAY_MS
const STEPS = [
  { name: 'hour', stepMs: 3_600_000 },
  { name: 'fiveMinutes', stepMs: 300_000 },
] as const

const Ratios = z.object({ median: z.number(), p90: z.number() })
const Kind = z.object({
  forecasts: z.number().int().positive(),
  pinballRatio: Ratios.describe('Pinball loss over that of the seasonal naive forecast with quantiles'),
  pinballRatioBare: Ratios.describe('... over that of the bare last week'),
  coverageQ90: z.object({ median: z.number(), min: z.number(), max: z.number() }),
  coverageQ99: z.number(),
})
const ForecastResult = z.object({
  measure: z.literal('forecast'),
  machine: Machine,
  series: z.number().int().positive(),
  pinballRatio: Ratios,
  coverageQ90: z.number(),
  secondsFor10000: z.number().positive(),
  rssMb: z.number().positive(),
  hour: Kind,
  fiveMinutes: Kind,
})

interface Series {
  readonly startMs: number
  /** Departures per five minutes. */
  readonly values: Float64Array
}

async function departures(airports: number): Promise<Series[]> {
  const file = await FlightsFile.open()
  const counts = new Map<string, Map<number, number>>()
  let first = Number.POSITIVE_INFINITY
  let last = 0
  for await (const { rows, date, origin } of file.read(0, file.rows)) {
    for (let row = 0; row < rows; row++) {
      const step = Math.floor(Date.parse(date[row]!) / 300_000)
      const own = counts.get(origin[row]!) ?? new Map<number, number>()
      if (own.size === 0) counts.set(origin[row]!, own)
      own.set(step, (own.get(step) ?? 0) + 1)
      if (step < first) first = step
      if (step > last) last = step
    }
  }
  const total = (own: Map<number, number>): number => [...own.values()].reduce((sum, count) => sum + count, 0)
  return [...counts.values()]
    .toSorted((a, b) => total(b) - total(a))
    .slice(0, airports)
    .map((own) => ({
      startMs: first * 300_000,
      values: Float64Array.from({ length: last - first + 1 }, (_, at) => own.get(first + at) ?? 0),
    }))
}

function inSteps({ startMs, values }: Series, stepMs: number): Series {
  const each = stepMs / 300_000
  const sums = Float64Array.from({ length: Math.floor(values.length / each) }, (_, at) =>
    values.subarray(at * each, (at + 1) * each).reduce((sum, one) => sum + one, 0),
  )
  return { startMs, values: sums }
}

/** FM2. */
function seasonalNaive(
  history: Float64Array,
  count: number,
  perWeek: number,
): Record<'withQuantiles' | 'bare', Quantiles> {
  const last = Float64Array.from({ length: count }, (_, at) => history[history.length - perWeek + (at % perWeek)]!)
  const misses = Float64Array.from(
    { length: history.length - perWeek },
    (_, at) => history[at + perWeek]! - history[at]!,
  )
  misses.sort()
  const moved = (percent: number): Float64Array => last.map((value) => Math.max(0, value + percentile(misses, percent)))
  return {
    withQuantiles: { q50: last, q90: moved(90), q99: moved(99) },
    bare: { q50: last, q90: last, q99: last },
  }
}

interface Cut {
  readonly startMs: number
  readonly history: Float64Array
  readonly truth: Float64Array
}

function cutsOf({ startMs, values }: Series, stepMs: number): Cut[] {
  const perWeek = WEEK_MS / stepMs
  return CUTS.map((week) => ({
    startMs: startMs + (week - HISTORY_WEEKS) * WEEK_MS,
    history: values.subarray((week - HISTORY_WEEKS) * perWeek, week * perWeek),
    truth: values.subarray(week * perWeek, (week + TRUTH_WEEKS) * perWeek),
  })).filter(({ truth }) => truth.length === TRUTH_WEEKS * perWeek)
}

function forecast({ startMs, history }: Cut, stepMs: number): Quantiles {
  const found = forecastDemand({ history: { startMs, stepMs, values: history }, horizonMs: TRUTH_WEEKS * WEEK_MS })
  if (found.state !== 'known') throw new Error(`a history of ${HISTORY_WEEKS} weeks is ${found.state}`)
  return found
}

function ratios(values: readonly number[]): z.output<typeof Ratios> {
  const sorted = values.toSorted((a, b) => a - b)
  return { median: round(median(sorted), 3), p90: round(percentile(sorted, 90), 3) }
}

const flags = readFlags(USAGE, { airports: 80, ids: 10_000 })
const series = await departures(flags.airports)
const overNaive: number[] = []
const coverages: number[] = []

function kindOf(stepMs: number): z.output<typeof Kind> {
  const over: Record<'withQuantiles' | 'bare', number[]> = { withQuantiles: [], bare: [] }
  const coverage: number[] = []
  const coverageQ99: number[] = []
  for (const cut of series.flatMap((one) => cutsOf(inSteps(one, stepMs), stepMs))) {
    const own = scoreOf(forecast(cut, stepMs), cut.truth)!
    const naive = seasonalNaive(cut.history, cut.truth.length, WEEK_MS / stepMs)
    for (const peer of ['withQuantiles', 'bare'] as const) {
      over[peer].push(own.pinballLoss / scoreOf(naive[peer], cut.truth)!.pinballLoss)
    }
    coverage.push(own.coverageQ90)
    coverageQ99.push(own.coverageQ99)
  }
  overNaive.push(...over.withQuantiles)
  coverages.push(...coverage)
  return {
    forecasts: coverage.length,
    pinballRatio: ratios(over.withQuantiles),
    pinballRatioBare: ratios(over.bare),
    coverageQ90: {
      median: round(median(coverage), 3),
      min: round(Math.min(...coverage), 3),
      max: round(Math.max(...coverage), 3),
    },
    coverageQ99: round(median(coverageQ99), 3),
  }
}

const [hour, fiveMinutes] = STEPS.map(({ stepMs }) => kindOf(stepMs))
const cuts = series.flatMap((one) => cutsOf(one, 300_000))
const startedMs = performance.now()
for (let id = 0; id < flags.ids; id++) forecast(cuts[id % cuts.length]!, 300_000)
const seconds = (performance.now() - startedMs) / 1_000

const result = ForecastResult.parse({
  measure: 'forecast',
  machine: machineFacts('-', flags.date),
  series: series.length * STEPS.length,
  pinballRatio: ratios(overNaive),
  coverageQ90: round(median(coverages), 3),
  secondsFor10000: round((seconds / flags.ids) * 10_000, 1),
  rssMb: round(process.memoryUsage().rss / 1_048_576),
  hour,
  fiveMinutes,
})
const row = (
  name: string,
  { pinballRatio, pinballRatioBare, coverageQ90, coverageQ99 }: z.output<typeof Kind>,
): string =>
  `${name.padEnd(14)} ${pinballRatio.median.toFixed(3).padStart(8)} ${pinballRatio.p90.toFixed(3).padStart(8)} ${pinballRatioBare.median.toFixed(3).padStart(10)} ${coverageQ90.median.toFixed(3).padStart(8)} (${coverageQ90.min.toFixed(2)} to ${coverageQ90.max.toFixed(2)}) ${coverageQ99.toFixed(3).padStart(8)}`
publish(
  result,
  [
    `${result.series} series, ${result.hour.forecasts + result.fiveMinutes.forecasts} forecasts of two weeks from ten`,
    '',
    'pinball loss over the seasonal naive forecast, and shares of the truth below q90 and q99:',
    `${'steps of'.padEnd(14)} ${'median'.padStart(8)} ${'p90'.padStart(8)} ${'over bare'.padStart(10)} ${'q90'.padStart(8)} ${' '.repeat(14)} ${'q99'.padStart(8)}`,
    row('an hour', result.hour),
    row('five minutes', result.fiveMinutes),
    '',
    `10,000 mQ IDs in steps of five minutes: ${result.secondsFor10000} s on one thread, ${result.rssMb} MB`,
  ].join('\n'),
  flags,
)
