/** Forecasts of demand: histories (D1, D2), patterns (P1-P3), misses (R1), events (E1-E3), the forecast itself (F1-F4) and scores (S1, S2). */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { type DemandEvent, fitEvent, multipleAt } from '../src/demand/events.ts'
import { forecastDemand, type KnownDemand, usualDemand } from '../src/demand/forecast.ts'
import { DAY_MS, type DemandHistory, HOUR_MS, slotsFrom, WEEK_MS } from '../src/demand/history.ts'
import { scoreOf } from '../src/demand/score.ts'
import { seeded } from '../src/seeded.ts'

const MONDAY_MS = Date.UTC(2026, 8, 7)
const PER_WEEK = 168

/** Busy days, quiet nights, quieter weekends. */
function usual(slot: number): number {
  const hour = slot % 24
  const day = Math.floor(slot / 24)
  return 1_000 * (1.2 + Math.sin(((hour - 9) / 24) * 2 * Math.PI)) * (day >= 5 ? 0.5 : 1)
}

function weeks(count: number, value: (slot: number, week: number) => number): DemandHistory {
  const values = Float64Array.from({ length: count * PER_WEEK }, (_, at) =>
    value(at % PER_WEEK, Math.floor(at / PER_WEEK)),
  )
  return { startMs: MONDAY_MS, stepMs: HOUR_MS, values }
}

function known(history: DemandHistory, more: Partial<Parameters<typeof forecastDemand>[0]> = {}): KnownDemand {
  const found = forecastDemand({ history, horizonMs: WEEK_MS, ...more })
  assert.equal(found.state, 'known')
  return found as KnownDemand
}

function near(actual: number, expected: number, share: number): void {
  assert.ok(Math.abs(actual - expected) <= share * expected, `${actual} is not within ${share * 100} % of ${expected}`)
}

describe('a history of demand', () => {
  test('a slot is a step of the week, Monday first, and follows the wall clock over a change of it (D2)', () => {
    assert.deepEqual([...slotsFrom(MONDAY_MS, HOUR_MS, 3)], [0, 1, 2])
    assert.deepEqual([...slotsFrom(MONDAY_MS - HOUR_MS, HOUR_MS, 3)], [167, 0, 1])
    assert.deepEqual([...slotsFrom(0, DAY_MS / 24, 1)], [3 * 24], '1970 began on a Thursday')
    const changeMs = MONDAY_MS + 2 * HOUR_MS
    const local = slotsFrom(MONDAY_MS, HOUR_MS, 4, (atMs) => (atMs < changeMs ? 2 : 1) * HOUR_MS)
    assert.deepEqual([...local], [2, 3, 3, 4])
  })

  test('what makes no sense is refused', () => {
    const values = new Float64Array(4 * PER_WEEK)
    const horizonMs = WEEK_MS
    for (const [history, more] of [
      [{ startMs: 0, stepMs: 7 * 60_000, values }, {}],
      [{ startMs: Number.NaN, stepMs: HOUR_MS, values }, {}],
      [{ startMs: 0, stepMs: HOUR_MS, values: Float64Array.of(-1) }, {}],
      [{ startMs: 0, stepMs: HOUR_MS, values: Float64Array.of(Number.POSITIVE_INFINITY) }, {}],
      [{ startMs: 0, stepMs: HOUR_MS, values }, { horizonMs: 90_000 }],
      [{ startMs: 0, stepMs: HOUR_MS, values }, { horizonMs: 400 * DAY_MS }],
      [{ startMs: 0, stepMs: HOUR_MS, values }, { events: [sale({ multiple: -1 })] }],
      [{ startMs: 0, stepMs: HOUR_MS, values }, { events: [sale({ rampMs: -1 })] }],
    ] as const) {
      assert.throws(() => forecastDemand({ history, horizonMs, ...more }), { code: 'MQ_WORKLOAD_INVALID' })
    }
  })
})

function sale(more: Partial<DemandEvent> = {}): DemandEvent {
  return {
    startMs: MONDAY_MS + 8 * WEEK_MS + 12 * HOUR_MS,
    rampMs: HOUR_MS,
    durationMs: 3 * HOUR_MS,
    tailMs: 2 * HOUR_MS,
    multiple: 10,
    ...more,
  }
}

describe('a forecast of demand', () => {
  test('a demand that repeats itself is forecast as it is', () => {
    const { q50, startMs } = known(weeks(8, usual))
    assert.equal(startMs, MONDAY_MS + 8 * WEEK_MS)
    // The third member knows hours and days only, and this demand is made of nothing else.
    for (let slot = 0; slot < PER_WEEK; slot++) near(q50[slot]!, usual(slot), 0.001)
  })

  test('one odd week changes little: an outage, or a surge nobody declared (P1)', () => {
    for (const factor of [0, 5]) {
      const { q50 } = known(weeks(8, (slot, week) => usual(slot) * (week === 5 ? factor : 1)))
      for (let slot = 0; slot < PER_WEEK; slot++) near(q50[slot]!, usual(slot), 0.02)
    }
  })

  test('a level that moved is followed, but not all the way (P2)', () => {
    const { q50 } = known(weeks(8, (slot, week) => usual(slot) * (week >= 6 ? 1.5 : 1)))
    for (let slot = 0; slot < PER_WEEK; slot++) {
      assert.ok(q50[slot]! > 1.2 * usual(slot) && q50[slot]! < 1.5 * usual(slot), `slot ${slot}`)
    }
  })

  test('what is not known is not learnt as zero, and a slot that was never seen is filled (D1, P3)', () => {
    const gaps = weeks(8, (slot, week) => (week === 3 || (slot >= 30 && slot < 34) ? Number.NaN : usual(slot)))
    const { q50, q90 } = known(gaps)
    for (let slot = 0; slot < PER_WEEK; slot++) near(q50[slot]!, usual(slot), 0.05)
    for (const value of q90) assert.ok(Number.isFinite(value))
  })

  test('under two weeks of known demand it is unknown, whatever the span (F2)', () => {
    const short = forecastDemand({ history: weeks(1, usual), horizonMs: WEEK_MS })
    assert.deepEqual(short, { state: 'unknown', knownMs: WEEK_MS, neededMs: 2 * WEEK_MS })
    const sparse = weeks(8, (slot, week) => (week % 8 === 0 ? usual(slot) : Number.NaN))
    assert.equal(forecastDemand({ history: sparse, horizonMs: WEEK_MS }).state, 'unknown')
    assert.equal(forecastDemand({ history: weeks(2, usual), horizonMs: WEEK_MS }).state, 'known')
  })

  test('over many draws q90 holds nine of ten values of a noisy demand, q99 nearly all (R1)', () => {
    // One draw of ten weeks may be off by more than what is asked of many.
    const scores = Array.from({ length: 12 }, (_, seed) => {
      const random = seeded(seed)
      const noisy = (slot: number): number => usual(slot) * (0.7 + 0.6 * random())
      const forecast = known(weeks(10, noisy), { horizonMs: 2 * WEEK_MS })
      return scoreOf(
        forecast,
        Float64Array.from(forecast.q50, (_, at) => noisy(at % PER_WEEK)),
      )!
    })
    const mean = (of: (score: (typeof scores)[number]) => number): number =>
      scores.reduce((sum, score) => sum + of(score), 0) / scores.length
    const [q90, q99] = [mean(({ coverageQ90 }) => coverageQ90), mean(({ coverageQ99 }) => coverageQ99)]
    assert.ok(q90 > 0.85 && q90 < 0.95, `q90 holds ${q90}`)
    assert.ok(q99 > 0.96, `q99 holds ${q99}`)
  })

  test('quantiles never cross and never fall below zero, whatever the history (F3)', () => {
    const value = fc.oneof(fc.constant(Number.NaN), fc.constant(0), fc.double({ min: 0, max: 1e9, noNaN: true }))
    fc.assert(
      fc.property(fc.array(value, { minLength: 3 * PER_WEEK, maxLength: 4 * PER_WEEK }), (values) => {
        const history = { startMs: MONDAY_MS, stepMs: HOUR_MS, values: Float64Array.from(values) }
        const found = forecastDemand({ history, horizonMs: DAY_MS })
        if (found.state === 'unknown') return
        for (let at = 0; at < found.q50.length; at++) {
          const quantiles: readonly number[] = [0, found.q50[at]!, found.q90[at]!, found.q99[at]!]
          assert.deepEqual(
            quantiles.toSorted((a, b) => a - b),
            quantiles,
          )
          assert.ok(quantiles.every(Number.isFinite))
        }
      }),
      { numRuns: 60 },
    )
  })

  test('a demand of nothing is forecast as nothing', () => {
    const { q50, q99 } = known(weeks(8, () => 0))
    assert.equal(Math.max(...q50, ...q99), 0)
  })
})

describe('events', () => {
  test('demand rises over the ramp, stays, and falls over the tail (E1)', () => {
    const { startMs } = sale()
    const at = (hours: number): number => multipleAt([sale()], startMs + hours * HOUR_MS)
    assert.deepEqual(
      [-1, 0, 0.5, 1, 3.9, 5, 5.9, 6].map(at).map((one) => Number(one.toFixed(2))),
      [1, 1, 5.5, 10, 10, 5.5, 1.45, 1],
    )
  })

  test('of events that overlap the one that changes the most counts, unless their product is asked for (E2)', () => {
    const { startMs } = sale()
    const inside = startMs + 2 * HOUR_MS
    const both = [sale(), sale({ multiple: 4 })]
    assert.equal(multipleAt(both, inside), 10)
    assert.equal(multipleAt(both, inside, 'product'), 40)
    assert.equal(multipleAt([sale({ multiple: 0 }), sale({ multiple: 4 })], inside), 0, 'a closed shop sells nothing')
    assert.equal(multipleAt([sale({ multiple: 0.5 })], inside), 0.5)
  })

  test('a coming event multiplies all quantiles in its time and nothing outside it (F1, F4)', () => {
    const random = seeded(3)
    const history = weeks(8, (slot) => usual(slot) * (0.9 + 0.2 * random()))
    const without = known(history)
    const withSale = known(history, { events: [sale()] })
    for (let hour = 0; hour < PER_WEEK; hour++) {
      const multiple = multipleAt([sale()], without.startMs + hour * HOUR_MS)
      for (const q of ['q50', 'q90', 'q99'] as const) near(withSale[q][hour]!, without[q][hour]! * multiple, 1e-9)
    }
    assert.equal(withSale.q50[13], without.q50[13]! * 10)
  })

  test('a past event is no habit, and is fitted by itself (E3)', () => {
    const past = sale({ startMs: MONDAY_MS + 7 * WEEK_MS + 12 * HOUR_MS })
    const history = weeks(8, (slot, week) => {
      const atMs = MONDAY_MS + week * WEEK_MS + slot * HOUR_MS
      return usual(slot) * multipleAt([{ ...past, multiple: 6, rampMs: 2 * HOUR_MS }], atMs)
    })
    const { q50, q99 } = known(history, { events: [past] })
    for (let slot = 0; slot < PER_WEEK; slot++) {
      // It took an hour longer than was declared, and that hour is history like any other.
      near(q50[slot]!, usual(slot), 0.01)
      near(q99[slot]!, usual(slot), 0.35)
    }
    const fitted = fitEvent(history, usualDemand(history, [past]), past)!
    near(fitted.multiple, 6, 0.01)
    assert.equal(fitted.rampMs, 2 * HOUR_MS)
    assert.equal(fitted.tailMs, 3 * HOUR_MS)
    assert.equal(fitEvent(history, usualDemand(history, []), sale({ startMs: 0 })), undefined)
  })
})

test('the pinball loss is smallest for the true quantile, and unknown steps are left out (S1, S2)', () => {
  const random = seeded(11)
  const truth = Float64Array.from({ length: 20_000 }, () => random())
  truth[5] = Number.NaN
  const flat = (value: number): Float64Array => new Float64Array(truth.length).fill(value)
  const loss = (q90: number): number => scoreOf({ q50: flat(0.5), q90: flat(q90), q99: flat(0.99) }, truth)!.pinballLoss
  assert.ok(loss(0.9) < loss(0.85) && loss(0.9) < loss(0.95))
  const score = scoreOf({ q50: flat(0.5), q90: flat(0.9), q99: flat(0.99) }, truth)!
  assert.equal(score.steps, 19_999)
  assert.ok(Math.abs(score.coverageQ90 - 0.9) < 0.01)
  assert.equal(scoreOf({ q50: flat(1), q90: flat(1), q99: flat(1) }, flat(Number.NaN)), undefined)
})
