/** S1-S3 and E1-E2: the bill is all there, to the cent, and a forecast never forgets what was spent. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { MqError } from '@mq/contract'
import fc from 'fast-check'
import {
  type CostLine,
  costOf,
  defaultConfiguration,
  forecastMonthEnd,
  predict,
  type ShowbackInput,
  type ShowbackItem,
  showback,
} from '../src/index.ts'
import { homeCluster } from './arbitrary.ts'
import { traffic } from './traffic.ts'

const cents = (usd: number): number => Math.round(usd * 100)
const money = fc.double({ min: 0, max: 100_000, noNaN: true })

const line = (part: CostLine['part'], usdPerMonth: number): CostLine => ({
  meter: part === 'store' ? 'broker-storage' : 'cross-zone-transfer',
  part,
  usdPerMonth,
  quantity: 1,
  unit: 'GB',
  basis: 'wire',
  formula: 'F3',
  assumption: 'for the test',
  confidence: 'verified',
})

const items: fc.Arbitrary<ShowbackItem> = fc
  .record({
    team: fc.constantFrom('checkout', 'search', 'none'),
    produce: money,
    store: money,
    consume: money,
    wireInBytes: fc.nat(1e9),
    wireOutBytes: fc.nat(1e9),
    replicas: fc.nat(100),
    split: fc.option(fc.double({ min: 0, max: 1, noNaN: true })),
  })
  .map(({ produce, store, consume, split, ...rest }) => ({
    id: 'orders.placed',
    service: null,
    ...rest,
    lines: [line('produce', produce), line('store', store), line('consume', consume)],
    readers:
      split === null
        ? []
        : [
            { team: 'search', share: split },
            { team: 'billing', share: 1 - split },
          ],
  }))

const inputs: fc.Arbitrary<ShowbackInput> = fc.record({
  items: fc.array(items, { maxLength: 20 }),
  clusterComputeUsd: money,
  foreignUsd: money,
  actualBillUsd: fc.option(money),
})

test('showback adds up to the bill, to the cent, with the rest on a line of its own (S1)', () => {
  fc.assert(
    fc.property(inputs, (input) => {
      const { lines, unallocatedUsd, totalUsd, modelledUsd } = showback(input)
      const shown = lines.reduce((sum, { usd }) => sum + cents(usd), 0)
      assert.equal(shown + cents(unallocatedUsd), cents(totalUsd))
      assert.equal(cents(totalUsd), cents(input.actualBillUsd ?? modelledUsd))
      for (const { usd } of lines) {
        assert.ok(usd >= 0)
        assert.equal(cents(usd) / 100, usd)
      }
      assert.ok(unallocatedUsd >= -0.01 * Math.max(1, lines.length))
    }),
    { numRuns: 500 },
  )
})

test('reading is charged to who reads, the rest to who owns (S2)', () => {
  const { lines } = showback({
    items: [
      {
        id: 'orders.placed',
        team: 'checkout',
        service: 'shop',
        lines: [line('produce', 10), line('store', 20), line('consume', 30)],
        wireInBytes: 100,
        wireOutBytes: 100,
        replicas: 12,
        readers: [
          { team: 'search', share: 0.25 },
          { team: 'billing', share: 0.75 },
        ],
      },
    ],
    clusterComputeUsd: 100,
    foreignUsd: 0,
    actualBillUsd: null,
  })
  const of = (team: string): number => lines.filter((each) => each.team === team).reduce((sum, { usd }) => sum + usd, 0)
  assert.equal(of('checkout'), 10 + 20 + 100)
  assert.equal(of('search'), 7.5)
  assert.equal(of('billing'), 22.5)
})

test('compute is shared 70 % by the larger of bytes in and out and 30 % by replicas (S2)', () => {
  const item = (id: string, wireInBytes: number, wireOutBytes: number, replicas: number): ShowbackItem => ({
    id,
    team: id,
    service: null,
    lines: [],
    wireInBytes,
    wireOutBytes,
    replicas,
    readers: [],
  })
  const { lines, unallocatedUsd } = showback({
    items: [item('a', 10, 300, 10), item('b', 100, 20, 30)],
    clusterComputeUsd: 1_000,
    foreignUsd: 50,
    actualBillUsd: null,
  })
  assert.deepEqual(
    lines.map(({ usd }) => usd),
    [700 * 0.75 + 300 * 0.25, 700 * 0.25 + 300 * 0.75],
  )
  assert.equal(unallocatedUsd, 50)
})

test('a cluster nobody uses is all unallocated, and an actual bill scales what is shown (S3)', () => {
  const empty = showback({ items: [], clusterComputeUsd: 300, foreignUsd: 0, actualBillUsd: null })
  assert.deepEqual(empty.lines, [])
  assert.equal(empty.unallocatedUsd, 300)
  const item: ShowbackItem = {
    id: 'a',
    team: 'a',
    service: null,
    lines: [line('store', 100)],
    wireInBytes: 1,
    wireOutBytes: 1,
    replicas: 1,
    readers: [],
  }
  const input = { items: [item], clusterComputeUsd: 100, foreignUsd: 0 }
  const lower = showback({ ...input, actualBillUsd: 150 })
  assert.equal(lower.scale, 0.75)
  assert.equal(
    lower.lines.reduce((sum, { usd }) => sum + usd, 0),
    150,
  )
  const higher = showback({ ...input, actualBillUsd: 260 })
  assert.equal(higher.unallocatedUsd, 60)
  assert.equal(higher.scale, 1.3)
})

test('money and shares that cannot be are refused', () => {
  const input: ShowbackInput = { items: [], clusterComputeUsd: 1, foreignUsd: 0, actualBillUsd: null }
  const isRefused = (bad: Partial<ShowbackInput>): void => {
    assert.throws(
      () => showback({ ...input, ...bad }),
      (error) => error instanceof MqError && error.code === 'MQ_PRICE_INVALID',
    )
  }
  isRefused({ clusterComputeUsd: -1 })
  isRefused({ actualBillUsd: Number.NaN })
  isRefused({ foreignUsd: Number.POSITIVE_INFINITY })
  isRefused({
    items: [
      {
        id: 'a',
        team: 'a',
        service: null,
        lines: [],
        wireInBytes: 0,
        wireOutBytes: 0,
        replicas: 0,
        readers: [{ team: 'b', share: 0.5 }],
      },
    ],
  })
})

test('new prices change no showback that was computed: it holds amounts, and its cost names the version (B2)', () => {
  const configuration = defaultConfiguration({
    cluster: 'home',
    partitions: 4,
    replication: 3,
    retentionMs: 86_400_000,
  })
  const cost = costOf(traffic, configuration, homeCluster(), predict(traffic, configuration, homeCluster()))
  assert.equal(cost.priceBook, 'aws-us-east-1')
  assert.match(cost.priceBookVersion, /^2026-/)
})

const DAY = 86_400_000
/** Monday, the 2nd of November 2026. */
const MONTH_START = Date.UTC(2026, 10, 1)
const MONTH_END = Date.UTC(2026, 11, 1)

test('ten even days make thirty', () => {
  const days = Array.from({ length: 10 }, (_, at) => ({ startMs: MONTH_START + at * DAY, coveredMs: DAY, usd: 5 }))
  const forecast = forecastMonthEnd({
    monthStartMs: MONTH_START,
    monthEndMs: MONTH_END,
    nowMs: MONTH_START + 10 * DAY,
    days,
  })
  assert.equal(forecast.spentUsd, 50)
  assert.ok(Math.abs(forecast.monthEndUsd - 150) < 1e-9)
  assert.ok(forecast.range.toUsd - forecast.range.fromUsd < 1e-6)
})

test('quiet weekends of the weeks before are seen in the rest of the month', () => {
  const usd = (startMs: number): number => (new Date(startMs).getUTCDay() % 6 === 0 ? 1 : 10)
  const days = Array.from({ length: 38 }, (_, at) => MONTH_START + (at - 28) * DAY).map((startMs) => ({
    startMs,
    coveredMs: DAY,
    usd: usd(startMs),
  }))
  const { monthEndUsd } = forecastMonthEnd({
    monthStartMs: MONTH_START,
    monthEndMs: MONTH_END,
    nowMs: MONTH_START + 10 * DAY,
    days,
  })
  let exact = 0
  for (let at = MONTH_START; at < MONTH_END; at += DAY) exact += usd(at)
  assert.ok(Math.abs(monthEndUsd - exact) < 1e-9, `${monthEndUsd}, ${exact}`)
})

test('a forecast is never below what was spent, and one day says little (E1, E2)', () => {
  const days = fc.array(
    fc.record({ at: fc.integer({ min: -20, max: 14 }), coveredMs: fc.integer({ min: 1, max: DAY }), usd: money }),
    { maxLength: 30 },
  )
  fc.assert(
    fc.property(days, (list) => {
      const forecast = forecastMonthEnd({
        monthStartMs: MONTH_START,
        monthEndMs: MONTH_END,
        nowMs: MONTH_START + 15 * DAY,
        days: list.map(({ at, ...rest }) => ({ ...rest, startMs: MONTH_START + at * DAY })),
      })
      assert.ok(forecast.monthEndUsd >= forecast.spentUsd)
      assert.ok(forecast.range.fromUsd >= forecast.spentUsd && forecast.range.fromUsd <= forecast.monthEndUsd + 1e-6)
      assert.ok(forecast.range.toUsd >= forecast.monthEndUsd - 1e-6)
    }),
  )
  const one = forecastMonthEnd({
    monthStartMs: MONTH_START,
    monthEndMs: MONTH_END,
    nowMs: MONTH_START + DAY,
    days: [{ startMs: MONTH_START, coveredMs: DAY, usd: 10 }],
  })
  assert.ok(one.range.toUsd - one.range.fromUsd > 200)
  assert.throws(
    () => forecastMonthEnd({ monthStartMs: MONTH_START, monthEndMs: MONTH_END, nowMs: 0, days: [] }),
    (error) => error instanceof MqError && error.code === 'MQ_WORKLOAD_INVALID',
  )
})
