/**
 * Showback and budgets: what passed between two looks, kept with the prices of its time, and added up by who caused it
 * (interval.ts I1-I3, cost-history.ts G1-G3, report.ts E1).
 */
import assert from 'node:assert/strict'
import { describe, it, type TestContext } from 'node:test'
import { CostReport, Explanation, ownerOf } from '@mq/contract'
import { systemDeps } from '@mq/kafka'
import { CostHistory, HOURS_KEPT_MS } from '../src/cost/cost-history.ts'
import { type CostHour, HOUR_MS, startOf } from '../src/cost/cost-hour.ts'
import type { RecordedInterval } from '../src/cost/interval.ts'
import { intervalOf } from '../src/cost/interval.ts'
import { reportOf } from '../src/cost/report.ts'
import { clusterModelOf } from '../src/observe/cluster-model.ts'
import type { ClusterObservation } from '../src/observe/observation.ts'
import { scanReport } from '../src/observe/scan.ts'
import { Store } from '../src/store/store.ts'
import { type Harness, startHarness, temporaryFolder } from './harness.ts'
import { DAY_MS, NOW_MS, observation, rate, topic } from './observed.ts'

const MINUTE_MS = 60_000
const RATE = 1_000
/** More than an hour on one of two days, also at midnight. */
const WATCHED_MINUTES = 130

/** Two looks a minute apart, with traffic between them. */
function looks(names: readonly string[], startMs = NOW_MS): { before: ClusterObservation; look: ClusterObservation } {
  const at = (ms: number, records: number): ClusterObservation => ({
    ...observation(names.map((name) => topic({ name, endOffset: records }))),
    startedAtMs: ms,
  })
  return { before: at(startMs, 1e9), look: at(startMs + MINUTE_MS, 1e9 + RATE * 60) }
}

const model = (look: ClusterObservation, version: 'old' | 'new' = 'old') =>
  clusterModelOf(
    {
      address: { name: 'main' },
      economics: {
        priceBook: 'aws-us-east-1',
        zones: 3,
        ...(version === 'new' ? { overrides: { 'broker-storage': 0.5 } } : {}),
      },
    },
    look,
  )

const sum = (interval: RecordedInterval): number => interval.lines.reduce((total, { usd }) => total + usd, 0)
const near = (a: number, b: number): void =>
  assert.ok(Math.abs(a - b) <= 1e-6 * Math.max(1e-3, Math.abs(b)), `${a} is not ${b}`)

describe('an interval', () => {
  it('adds up to what the model bills for it, foreign topics included (I3)', () => {
    const { look, before } = looks(['a', 'b'])
    const interval = intervalOf({ look, before, model: model(look), records: [], monthlyBillUsd: null })!
    near(sum(interval), interval.modelledUsd)
    assert.ok(interval.modelledUsd > 0)
    assert.deepEqual([...new Set(interval.lines.map(({ kind, id }) => `${kind} ${id}`))], ['foreign '])
  })

  it('is scaled to the actual bill, and what the model does not explain stands by itself', () => {
    const { look, before } = looks(['a'])
    const modelled = intervalOf({ look, before, model: model(look), records: [], monthlyBillUsd: null })!
    const month = (modelled.modelledUsd * 730 * 3_600_000) / MINUTE_MS
    const less = intervalOf({ look, before, model: model(look), records: [], monthlyBillUsd: month / 2 })!
    near(sum(less), modelled.modelledUsd / 2)
    const more = intervalOf({ look, before, model: model(look), records: [], monthlyBillUsd: month * 3 })!
    near(sum(more), modelled.modelledUsd * 3)
    near(more.lines.find(({ meter }) => meter === 'not-modelled')!.usd, modelled.modelledUsd * 2)
  })

  it('is not guessed over a time nobody watched (I2), nor when time goes back', () => {
    const { look, before } = looks(['a'])
    const of = (startedAtMs: number) =>
      intervalOf({ look: { ...look, startedAtMs }, before, model: model(look), records: [], monthlyBillUsd: null })
    assert.equal(of(before.startedAtMs + 16 * MINUTE_MS), null)
    assert.equal(of(before.startedAtMs - 1), null)
    assert.notEqual(of(before.startedAtMs + 14 * MINUTE_MS), null)
  })

  it('counts what passed, also of a topic that was made again meanwhile (I1)', () => {
    const { look, before } = looks(['a'])
    const usual = intervalOf({ look, before, model: model(look), records: [], monthlyBillUsd: null })!
    const made: ClusterObservation = { ...look, topics: [topic({ name: 'a', endOffset: RATE * 60 })] }
    const again = intervalOf({ look: made, before, model: model(look), records: [], monthlyBillUsd: null })!
    near(again.modelledUsd, usual.modelledUsd)
  })
})

describe('transfer', () => {
  it('is what the log grew by, also right after a change of codec (I1)', () => {
    const { look, before } = looks(['a'])
    const grown = RATE * 60 * 120
    // The log is full of records of 500 bytes; those that come now have 120.
    const smaller = { ...look, topics: look.topics.map((one) => ({ ...one, leaderBytes: one.leaderBytes! + grown })) }
    const transferOf = (seen: ClusterObservation): number =>
      intervalOf({ look: seen, before, model: model(seen), records: [], monthlyBillUsd: null })!
        .lines.filter(({ meter }) => meter === 'cross-zone-transfer')
        .reduce((total, { usd }) => total + usd, 0)
    assert.ok(Math.abs(transferOf(smaller) / transferOf(look) - 120 / 500) < 0.001)
    // Segments that were deleted meanwhile hide the growth: then the batches seen last say it.
    const deleted = { ...smaller, topics: smaller.topics.map((one) => ({ ...one, startOffset: one.startOffset! + 5 })) }
    assert.ok(Math.abs(transferOf(deleted) / transferOf(look) - 1) < 0.001)
  })
})

describe('owner rules', () => {
  const rules = [
    { topics: 'checkout.*', team: 'checkout', service: 'cart' },
    { groups: 'fraud-?', team: 'risk' },
    { topics: '*', team: 'platform' },
  ]

  it('give topics and groups to teams, also those that mQ does not manage; the first that fits counts', () => {
    assert.equal(ownerOf(rules, 'topics', 'checkout.orders')?.team, 'checkout')
    assert.equal(ownerOf(rules, 'topics', 'checkoutXorders')?.team, 'platform')
    assert.equal(ownerOf(rules, 'groups', 'fraud-1')?.team, 'risk')
    assert.equal(ownerOf(rules, 'groups', 'fraud-12'), undefined)
    const { look, before } = looks(['checkout.orders', 'other'])
    const groups = [
      { ...look.groups[0]!, group: 'fraud-1' },
      { ...look.groups[0]!, group: 'shipping' },
    ]
    const at = (seen: ClusterObservation) => ({ ...seen, groups })
    const interval = intervalOf({
      look: at(look),
      before: at(before),
      model: model(look),
      records: [],
      rules,
      monthlyBillUsd: null,
    })!
    near(sum(interval), interval.modelledUsd)
    const hour: CostHour = {
      cluster: 'main',
      startMs: startOf(NOW_MS, HOUR_MS),
      resolutionMs: HOUR_MS,
      watchedMs: MINUTE_MS,
      ...interval,
    }
    const teams = reportOf([hour], 'team', hour.startMs, hour.startMs + HOUR_MS)
    assert.deepEqual(teams.lines.map(({ key }) => key).toSorted(), ['checkout', 'platform', 'risk'])
    assert.deepEqual(teams.unallocated, [])
    const ids = reportOf([hour], 'id', hour.startMs, hour.startMs + HOUR_MS)
    assert.deepEqual(ids.lines, [], 'no mQ ID caused any of it')
  })

  it('are kept, told to the journal, and refused when they name nothing', async (t) => {
    const dataDir = temporaryFolder(t)
    const first = await startHarness(t, { dataDir })
    assert.equal((await first.call('PUT', '/v1/owners', { rules })).status, 200)
    assert.equal((await first.call('PUT', '/v1/owners', { rules: [{ team: 'nobody' }] })).status, 400)
    assert.equal((await first.call('PUT', '/v1/owners', { rules: [{ topic: 'a', team: 'b' }] })).status, 400)
    await first.close()
    const second = await startHarness(t, { dataDir })
    assert.deepEqual((await second.call('GET', '/v1/owners')).body.rules, rules)
    const { entries } = (await second.call('GET', '/v1/journal?subject=owners')).body
    assert.equal(entries.length, 1)
  })
})

describe('the history', () => {
  async function open(t: TestContext, folder = temporaryFolder(t), nowMs = NOW_MS) {
    const deps = { ...systemDeps, clock: { ...systemDeps.clock, nowMs: () => clock.nowMs } }
    const clock = { nowMs }
    const store = await Store.open(folder, deps)
    return { store, clock, folder, deps, history: await CostHistory.load(store, deps) }
  }

  const recorded = (startMs: number, version: 'old' | 'new'): RecordedInterval => {
    const { look, before } = looks(['a'], startMs)
    return intervalOf({ look, before, model: model(look, version), records: [], monthlyBillUsd: null })!
  }

  it('keeps past hours as they were computed when prices change (G1, G2)', async (t) => {
    const { store, history } = await open(t)
    const hourMs = startOf(NOW_MS, HOUR_MS)
    const old = recorded(hourMs, 'old')
    const later = recorded(hourMs + 2 * HOUR_MS, 'new')
    const sameHour = recorded(hourMs + 2 * HOUR_MS + MINUTE_MS, 'old')
    assert.ok(later.modelledUsd > 2 * old.modelledUsd)
    await history.add('main', old)
    const [first] = await history.between(hourMs, hourMs + HOUR_MS)
    await history.add('main', later)
    await history.add('main', sameHour)
    assert.deepEqual((await history.between(hourMs, hourMs + HOUR_MS))[0], first)
    const all = await history.between(hourMs, hourMs + 3 * HOUR_MS)
    assert.equal(all.length, 3)
    const versions = reportOf(all, 'meter', hourMs, hourMs + 3 * HOUR_MS).clusters[0]!.priceBooks
    assert.equal(versions.length, 2)
    assert.ok(versions.includes('aws-us-east-1@2026-11-22'))
    near(
      all.reduce((total, { modelledUsd }) => total + modelledUsd, 0),
      old.modelledUsd + later.modelledUsd + sameHour.modelledUsd,
    )
    await store.close()
  })

  it('goes on with the hour under way after a restart', async (t) => {
    const first = await open(t)
    const hourMs = startOf(NOW_MS, HOUR_MS)
    await first.history.add('main', recorded(hourMs, 'old'))
    await first.store.close()
    const second = await open(t, first.folder)
    await second.history.add('main', recorded(hourMs + MINUTE_MS, 'old'))
    const [hour, ...more] = await second.history.between(hourMs, hourMs + HOUR_MS)
    assert.deepEqual([hour!.watchedMs, more.length], [2 * MINUTE_MS, 0])
    near(hour!.modelledUsd, 2 * recorded(hourMs, 'old').modelledUsd)
    await second.store.close()
  })

  it('shows little as little and not as nothing, and still adds up (E1)', async (t) => {
    const { store, history } = await open(t)
    const hourMs = startOf(NOW_MS, HOUR_MS)
    const hour = recorded(hourMs, 'old')
    const shrunk = 0.002 / hour.modelledUsd
    await history.add('main', {
      ...hour,
      modelledUsd: hour.modelledUsd * shrunk,
      billedUsd: hour.billedUsd * shrunk,
      lines: hour.lines.map((line) => ({ ...line, usd: line.usd * shrunk })),
    })
    const report = reportOf(await history.between(hourMs, hourMs + HOUR_MS), 'meter', hourMs, hourMs + HOUR_MS)
    const lines = [...report.lines, ...report.unallocated]
    near(report.totalUsd, 0.002)
    near(
      lines.reduce((sum, { usd }) => sum + usd, 0),
      report.totalUsd,
    )
    near(
      lines.reduce((sum, { usdPerMonth }) => sum + usdPerMonth, 0),
      report.usdPerMonth,
    )
    assert.ok(lines.some(({ usd, share }) => usd > 0 && share > 0.1))
    await store.close()
  })

  it('folds old hours into days without changing what they add up to (G3)', async (t) => {
    const { store, history, clock } = await open(t)
    const dayMs = startOf(NOW_MS, DAY_MS)
    for (let hour = 0; hour < 24; hour++) await history.add('main', recorded(dayMs + hour * HOUR_MS, 'old'))
    const before = reportOf(await history.between(dayMs, dayMs + DAY_MS), 'meter', dayMs, dayMs + DAY_MS)
    clock.nowMs = NOW_MS + HOURS_KEPT_MS + 2 * DAY_MS
    await history.fold()
    await history.fold()
    const rows = await history.between(dayMs, dayMs + DAY_MS)
    assert.deepEqual(
      rows.map(({ resolutionMs, watchedMs }) => [resolutionMs, watchedMs]),
      [[DAY_MS, 24 * MINUTE_MS]],
    )
    const after = reportOf(rows, 'meter', dayMs, dayMs + DAY_MS)
    assert.deepEqual(after.lines, before.lines)
    near(after.clusters[0]!.modelledUsd, before.clusters[0]!.modelledUsd)
    clock.nowMs = NOW_MS + 402 * DAY_MS
    await history.fold()
    assert.equal(await history.sinceMs(), null)
    await store.close()
  })
})

describe('showback by the API', () => {
  const orders = {
    intent: { retention: '7d', owner: { team: 'checkout', service: 'cart' }, budgetUsdPerMonth: 1 },
  }

  async function started(t: TestContext): Promise<Harness> {
    const h = await startHarness(t)
    assert.equal((await h.call('PUT', '/v1/ids/orders.placed', orders)).status, 200)
    const billing = { intent: { retention: '7d', owner: { team: 'money', service: 'billing' } } }
    assert.equal((await h.call('PUT', '/v1/ids/bills.sent', billing)).status, 200)
    return h
  }

  const readers = () => [
    {
      group: 'billing@orders.placed',
      state: 'Stable',
      members: 1,
      assignor: null,
      topics: [{ topic: 'orders.placed.e1', lagRecords: 0, lostRecords: 0, moving: true }],
    },
  ]

  /** Traffic, up to now, on the topics of both mQ IDs and one that mQ does not know. */
  async function watch(h: Harness): Promise<void> {
    const endMs = Date.now()
    for (let minute = WATCHED_MINUTES; minute > 0; minute--) {
      const { look, before } = looks(['orders.placed.e1', 'bills.sent.e1', 'elsewhere'], endMs - minute * MINUTE_MS)
      const groups = readers()
      await h.costing.costs.take('main', { ...look, groups }, { ...before, groups })
    }
  }

  it('says before the first record that there is none', async (t) => {
    const h = await started(t)
    const report = CostReport.parse((await h.call('GET', '/v1/costs')).body)
    assert.deepEqual([report.watchedSinceMs, report.totalUsd, report.lines], [null, 0, []])
  })

  it('adds up to the total by every key, charges reading to the team that reads, and shows the rest (E1)', async (t) => {
    const h = await started(t)
    await watch(h)
    const reports = new Map<string, CostReport>()
    for (const by of ['id', 'team', 'service', 'meter', 'cluster']) {
      const report = CostReport.parse((await h.call('GET', `/v1/costs?by=${by}&since=4h`)).body)
      const cents = [...report.lines, ...report.unallocated].reduce(
        (total, { usd }) => total + Math.round(usd * 100),
        0,
      )
      assert.equal(cents, Math.round(report.totalUsd * 100), by)
      reports.set(by, report)
    }
    const byId = reports.get('id')!
    assert.deepEqual(byId.lines.map(({ key }) => key).toSorted(), ['bills.sent', 'orders.placed'])
    assert.deepEqual(
      byId.unallocated.map(({ key }) => key),
      ['topics mQ does not know'],
    )
    assert.equal(byId.watchedMs, WATCHED_MINUTES * MINUTE_MS)
    assert.ok(Math.abs(byId.watchedSinceMs! - (Date.now() - WATCHED_MINUTES * MINUTE_MS)) < MINUTE_MS)
    assert.ok(byId.assumptions.some((text) => /aws-us-east-1 is assumed/.test(text)))
    const usdOf = (by: string, key: string): number =>
      reports.get(by)!.lines.find((line) => line.key === key)?.usdPerMonth ?? 0
    // What billing causes by reading orders is the money of its team, though the mQ ID is of another one.
    assert.ok(usdOf('team', 'money') > usdOf('id', 'bills.sent'))
    near(usdOf('team', 'money') + usdOf('team', 'checkout'), usdOf('id', 'bills.sent') + usdOf('id', 'orders.placed'))
  })

  it('says the same as explain and scan of the same hour, part by part, to the cent', async (t) => {
    const h = await started(t)
    const economics = { priceBook: 'aws-us-east-1', zones: 3, instanceType: 'm7g.4xlarge' }
    const put = await h.call('PUT', '/v1/clusters/main', { bootstrap: ['127.0.0.1:9092'], economics })
    assert.equal(put.status, 200)
    await watch(h)
    const report = CostReport.parse((await h.call('GET', '/v1/costs?by=id&since=1h')).body)
    const line = report.lines.find(({ key }) => key === 'orders.placed')!
    const metrics = (await h.call('GET', '/metrics')).text
    const metric = (name: string): number =>
      Number(
        metrics
          .split('\n')
          .find((one) => one.startsWith(`${name} `))
          ?.split(' ')[1],
      )
    near(metric('mq_id_cost_usd_per_hour{mq_id="orders.placed"}'), line.usdPerMonth / 730)
    const teams = CostReport.parse((await h.call('GET', '/v1/costs?by=team&since=1h')).body).lines
    for (const { key, usdPerMonth } of teams)
      near(metric(`mq_team_cost_usd_per_hour{team="${key}"}`), usdPerMonth / 730)
    assert.ok(metric('mq_budget_spent_usd{scope="id=orders.placed"}') > 0)
    const explained = Explanation.parse((await h.call('GET', '/v1/ids/orders.placed/explanation')).body).measured!
    assert.deepEqual(
      [explained.usdPerMonth, explained.parts.causedUsdPerMonth, explained.parts.idleUsdPerMonth],
      [line.usdPerMonth, line.parts.causedUsdPerMonth, line.parts.idleUsdPerMonth],
    )
    for (const part of ['caused', 'idle'] as const) {
      const cents = explained.lines
        .filter((one) => one.part === part)
        .reduce((total, { usdPerMonth }) => total + Math.round(usdPerMonth * 100), 0)
      const whole = part === 'caused' ? line.parts.causedUsdPerMonth : line.parts.idleUsdPerMonth
      assert.equal(cents, Math.round(whole * 100), part)
    }
    assert.ok(line.parts.idleUsdPerMonth > 100, 'three large brokers are mostly idle')
    const { look } = looks(['orders.placed.e1', 'bills.sent.e1', 'elsewhere'], Date.now() - MINUTE_MS)
    const groups = readers()
    const seen = {
      ...look,
      groups,
      topics: look.topics.map((one) => ({ ...one, rate: rate(RATE, { basis: 'watched', overMs: HOUR_MS }) })),
    }
    const scanned = scanReport(seen, clusterModelOf({ address: { name: 'main' }, economics }, seen)).topics.find(
      ({ topic: name }) => name === 'orders.placed.e1',
    )!
    const cent = (a: number, b: number, what: string): void =>
      assert.ok(Math.abs(a - b) < 0.01, `${what}: scan says ${a}, cost ${b}`)
    cent(scanned.parts!.caused, line.parts.causedUsdPerMonth, 'caused')
    cent(scanned.parts!.idle, line.parts.idleUsdPerMonth, 'share of idle')
    for (const { meter, usdPerMonth } of explained.lines.filter(({ part }) => part === 'caused')) {
      cent(scanned.meters[meter as 'broker-storage'] ?? 0, usdPerMonth, meter)
    }
  })

  it('refuses a key or a time that is none', async (t) => {
    const h = await startHarness(t)
    assert.equal((await h.call('GET', '/v1/costs?by=colour')).status, 400)
    assert.equal((await h.call('GET', '/v1/costs?since=yesterday')).status, 400)
  })

  it('sets, forecasts and removes budgets, warns in lists, and keeps it all in the journal', async (t) => {
    const h = await started(t)
    const set = await h.call('PUT', '/v1/budgets/team%3Dmoney', { usdPerMonth: 2 })
    assert.deepEqual([set.status, set.body.state, set.body.forecastUsd], [200, 'no-data', null])
    assert.match(set.body.warning, /too short to tell/)
    await h.call('PUT', '/v1/budgets/team%3Dghosts', { usdPerMonth: 5 })
    await h.call('PUT', '/v1/budgets/global', { usdPerMonth: 1e9 })
    await watch(h)
    h.costing.costs.forgetWarnings()
    const { budgets } = (await h.call('GET', '/v1/budgets')).body
    const states = Object.fromEntries(
      budgets.map(({ scope, state }: { scope: string; state: string }) => [scope, state]),
    )
    assert.equal(states.global, 'ok')
    assert.match(states['team=money'], /over/)
    assert.match(states['id=orders.placed'], /over/, 'the budget of the intent counts, too')
    assert.match(budgets.find(({ scope }: { scope: string }) => scope === 'team=ghosts').warning, /no mQ ID is of it/)
    const list = (await h.call('GET', '/v1/ids')).body
    assert.ok(list.warnings.some((warning: string) => /team=money/.test(warning)))
    const bills = (await h.call('GET', '/v1/ids/bills.sent')).body
    assert.ok(bills.warnings.some((warning: string) => /team=money/.test(warning)))
    assert.equal((await h.call('DELETE', '/v1/budgets/team%3Dmoney')).status, 200)
    const gone = await h.call('DELETE', '/v1/budgets/team%3Dmoney')
    assert.deepEqual([gone.status, gone.body.code], [404, 'MQ_BUDGET_UNKNOWN'])
    const { entries } = (await h.call('GET', '/v1/journal?subject=team%3Dmoney')).body
    assert.deepEqual(
      entries.map(({ kind, after }: { kind: string; after: unknown }) => [kind, after === null]),
      [
        ['budget', true],
        ['budget', false],
      ],
    )
  })

  it('keeps budgets over a restart, and refuses those that are none', async (t) => {
    const dataDir = temporaryFolder(t)
    const first = await startHarness(t, { dataDir })
    await first.call('PUT', '/v1/budgets/team%3Dcheckout', { usdPerMonth: 400 })
    for (const body of [{ usdPerMonth: -1 }, { usdPerMonth: 0 }, { eurPerMonth: 4 }, {}]) {
      assert.equal((await first.call('PUT', '/v1/budgets/team%3Dcheckout', body)).status, 400)
    }
    assert.equal((await first.call('PUT', '/v1/budgets/colour%3Dred', { usdPerMonth: 4 })).status, 400)
    await first.close()
    const second = await startHarness(t, { dataDir })
    const { budgets } = (await second.call('GET', '/v1/budgets')).body
    assert.deepEqual(
      budgets.map(({ scope, usdPerMonth }: { scope: string; usdPerMonth: number }) => [scope, usdPerMonth]),
      [['team=checkout', 400]],
    )
  })

  it('keeps prices of a cluster, refuses unknown ones, and tells the journal', async (t) => {
    const h = await startHarness(t)
    const put = (economics: unknown) => h.call('PUT', '/v1/clusters/main', { bootstrap: ['127.0.0.1:9092'], economics })
    const good = await put({ priceBook: 'aws-us-east-1', zones: 3, instanceType: 'm7g.large', monthlyBillUsd: 1_000 })
    assert.deepEqual([good.status, good.body.economics.instanceType], [200, 'm7g.large'])
    assert.equal((await put({ priceBook: 'aws-moon-1', zones: 3 })).body.code, 'MQ_PRICE_BOOK_UNKNOWN')
    assert.equal((await put({ priceBook: 'aws-us-east-1', zones: 3, overrides: { 'broker-storage': -1 } })).status, 400)
    assert.equal((await put({ priceBook: 'aws-us-east-1', zones: 0 })).status, 400)
    // Left out: what is known stays.
    const kept = await h.call('PUT', '/v1/clusters/main', { bootstrap: ['127.0.0.1:9092'] })
    assert.equal(kept.body.economics.monthlyBillUsd, 1_000)
    assert.equal((await put(null)).body.economics, null)
    const { entries } = (await h.call('GET', '/v1/journal?subject=main')).body
    assert.equal(entries.filter(({ kind }: { kind: string }) => kind === 'price-cluster').length, 2)
  })
})
