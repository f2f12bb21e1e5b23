/**
 * Ways to fetch on trial with fake readers: from readers that poll far too often to a kept change, and everything that may not be kept
 * (beginning R1, trial R2, R3, how-tried R4, sides D1-D3, proposed Q3).
 */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { type ConsumerTelemetry, isDecided } from '@mq/contract'
import { ReadersFleet } from './readers-fleet.ts'

const TIMEOUT = { timeout: 300_000 }
const TWO_GROUPS = { billing: 20, search: 10 }

describe('readers that poll far too often', () => {
  test(
    'a tenth of the members of each group try, the test says yes, all follow, and what was measured stands beside what was predicted',
    TIMEOUT,
    async (t) => {
      const fleet = new ReadersFleet({ groups: TWO_GROUPS })
      await fleet.start(t)
      await fleet.declare()
      const { producer } = fleet.binding
      const decision = await fleet.until(150, 'kept', 'undone', 'failed', 'superseded')
      assert.equal(decision?.state, 'kept', decision?.status ?? JSON.stringify(fleet.engine.outlooks()))
      t.diagnostic(`kept after ${fleet.second} s: ${decision.title}; ${decision.status}`)
      assert.deepEqual(
        decision.steps.map(({ state }) => state),
        ['proposed', 'approved', 'trial', 'applying', 'watching', 'kept'],
      )
      assert.equal(decision.policy, 'auto')
      assert.equal(decision.approvedBy, null)
      assert.equal(decision.trial?.design, 'instances')
      assert.deepEqual([...fleet.touched].sort(), decision.trial.instances)
      assert.equal(fleet.touched.size, 3, 'two of twenty and one of ten')
      assert.equal(decision.trial.ofInstances, 30)
      assert.equal(decision.trial.dropped, 0)
      assert.ok(decision.change.kind === 'consumer-settings')
      assert.deepEqual(fleet.binding.consumer, decision.change.after)
      assert.deepEqual(fleet.binding.producer, producer)
      assert.equal(fleet.binding.trial, null)
      const [cost, latency] = decision.trialComparisons
      assert.ok(cost !== undefined && cost.pValue < 0.01 && cost.changeShare < -0.1, JSON.stringify(cost))
      assert.match(latency!.metric, /end-to-end p99/)
      assert.ok(decision.watchComparisons.length > 0)
      assert.ok(Math.abs(decision.predictionError!) < 0.1, `${decision.predictionError}`)
      assert.ok(decision.measured!.usdPerMillionRecords! < decision.measuredBefore!.usdPerMillionRecords!)
      assert.ok(decision.guardrails.every(({ held }) => held))
    },
  )

  test('one reader alone takes turns with itself', TIMEOUT, async (t) => {
    const fleet = new ReadersFleet({ groups: { billing: 1 }, recordsPerSecond: 200 })
    await fleet.start(t)
    await fleet.declare({ fetchMinBytes: 1, fetchMaxWaitMs: 1 })
    const decision = await fleet.until(150, 'kept', 'undone', 'failed')
    assert.equal(decision?.state, 'kept', decision?.status ?? JSON.stringify(fleet.engine.outlooks()))
    assert.equal(decision.trial?.design, 'windows')
    assert.match(decision.steps.find(({ state }) => state === 'trial')!.note, /one instance reads: it takes turns/)
  })

  test('a process that reads for every group is on trial in all of them, once', TIMEOUT, async (t) => {
    const fleet = new ReadersFleet({
      groups: { billing: 10, search: 10, audit: 1 },
      instanceOf: (_group, nth) => `worker-${nth}`,
    })
    await fleet.start(t)
    await fleet.declare()
    const decision = await fleet.until(150, 'kept', 'undone', 'failed')
    assert.equal(decision?.state, 'kept', decision?.status ?? JSON.stringify(fleet.engine.outlooks()))
    assert.deepEqual([...fleet.touched], ['worker-0'])
  })

  test('groups of very different sizes make one test, and the prediction holds for their sum', TIMEOUT, async (t) => {
    const fleet = new ReadersFleet({ groups: { big: 40, alone: 1, pair: 2 } })
    await fleet.start(t)
    await fleet.declare()
    const decision = await fleet.until(150, 'kept', 'undone', 'failed')
    assert.equal(decision?.state, 'kept', decision?.status ?? JSON.stringify(fleet.engine.outlooks()))
    assert.deepEqual([...fleet.touched].map((name) => name.replace(/-.*/, '')).sort(), [
      'alone',
      ...Array.from({ length: 4 }, () => 'big'),
      'pair',
    ])
    assert.ok(Math.abs(decision.predictionError!) < 0.05, `${decision.predictionError}`)
    const { before, measuredBefore } = decision
    const off = measuredBefore!.usdPerMillionRecords! / before.usdPerMillionRecords! - 1
    assert.ok(Math.abs(off) < 0.05, `what stood was measured ${off} off`)
  })

  test('processes that both send and read keep their settings for sending', TIMEOUT, async (t) => {
    const fleet = new ReadersFleet({
      groups: { billing: 4 },
      instanceOf: (_group, nth) => `sender-${nth}`,
      recordsPerSecond: 200,
    })
    await fleet.start(t)
    await fleet.declare({ fetchMinBytes: 1, fetchMaxWaitMs: 1 })
    const { producer } = fleet.binding
    const trying = await fleet.until(100, 'trial')
    assert.equal(trying?.state, 'trial', trying?.status ?? JSON.stringify(fleet.engine.outlooks()))
    assert.deepEqual(fleet.binding.trial?.producer, producer)
    assert.ok(trying.change.kind === 'consumer-settings')
    assert.deepEqual(fleet.binding.trial?.consumer, trying.change.after)
    const decision = await fleet.until(100, 'kept', 'undone')
    assert.equal(decision?.state, 'kept', `${decision?.status}`)
    assert.deepEqual(fleet.binding.producer, producer)
  })

  test('an undo by a person gives readers back what stood', TIMEOUT, async (t) => {
    const fleet = new ReadersFleet({ groups: TWO_GROUPS })
    const plane = await fleet.start(t)
    await fleet.declare()
    const { consumer } = fleet.binding
    const trying = await fleet.until(100, 'trial')
    assert.equal(trying?.state, 'trial', `${trying?.status}`)
    await plane.call('POST', `/v1/decisions/${trying.number}/undo`)
    assert.equal((await fleet.fetching())?.state, 'undone')
    assert.deepEqual([fleet.binding.consumer, fleet.binding.trial], [consumer, null])
  })

  test('with approve it waits for a person, and then goes the same way', TIMEOUT, async (t) => {
    const fleet = new ReadersFleet({ groups: TWO_GROUPS })
    const plane = await fleet.start(t)
    await plane.call('PUT', '/v1/policies/global', { mode: 'approve' })
    await fleet.declare()
    const waiting = await fleet.until(100, 'waiting')
    assert.match(waiting?.status ?? '', /the policy \(global\) says approve/)
    const answer = await plane.call('POST', `/v1/decisions/${waiting!.number}/approve`)
    assert.equal(answer.body.state, 'trial', answer.text)
    assert.equal((await fleet.until(100, 'kept', 'undone'))?.state, 'kept')
  })
})

describe('harm to readers', () => {
  type Harm = (fleet: ReadersFleet, honest: ConsumerTelemetry) => Partial<ConsumerTelemetry>
  const harms: Readonly<Record<string, Harm>> = {
    latency: (fleet, honest) => ({ endToEndLatencyUs: fleet.latency(5_000, honest.records) }),
    'lag on trial': (fleet) => ({ lagRecords: fleet.second * 5_000 }),
    'handler errors': (_, honest) => ({ handlerErrors: Math.ceil(honest.records / 10) }),
    redeliveries: (_, honest) => ({ redeliveries: Math.ceil(honest.records / 10) }),
    rebalances: () => ({ rebalances: 2 }),
    throughput: (fleet, honest) => {
      const records = Math.round(honest.records / 5)
      return { records, endToEndLatencyUs: fleet.latency(50, records) }
    },
  }
  const cases = Object.entries(harms).flatMap(([name, harm]) =>
    (['dev', 'usual'] as const).map((timing) => ({ name, harm, timing })),
  )
  for (const { name, harm, timing } of cases) {
    test(`${name}, ${timing} timing: undone within 60 s, at most a tenth of each group touched`, TIMEOUT, async (t) => {
      const fleet: ReadersFleet = new ReadersFleet({
        groups: TWO_GROUPS,
        timing,
        tells: (_reader, _settings, trial, honest) => (trial === null ? {} : harm(fleet, honest)),
      })
      await fleet.start(t)
      await fleet.declare()
      const { consumer } = fleet.binding
      const trying = await fleet.until(timing === 'dev' ? 100 : 1_500, 'trial')
      assert.equal(trying?.state, 'trial', trying?.status ?? JSON.stringify(fleet.engine.outlooks()))
      const began = fleet.second
      const undone = await fleet.until(60, 'undone')
      assert.equal(undone?.state, 'undone', `${undone?.status}`)
      t.diagnostic(
        `${timing}: undone after ${fleet.second - began} s, ${fleet.touched.size} of 30 touched: ${undone.status}`,
      )
      assert.ok(fleet.second - began <= 60)
      assert.ok(fleet.touched.size <= 3)
      assert.match(undone.status, new RegExp(`guardrail ${name}`))
      assert.deepEqual([fleet.binding.consumer, fleet.binding.trial], [consumer, null])
    })
  }

  test('one group alone that gets too slow stops it for all', TIMEOUT, async (t) => {
    const fleet: ReadersFleet = new ReadersFleet({
      groups: TWO_GROUPS,
      tells: ({ group }, _settings, trial, { records }) =>
        group === 'search' && trial !== null ? { endToEndLatencyUs: fleet.latency(700, records) } : {},
    })
    await fleet.start(t)
    await fleet.declare()
    await fleet.until(100, 'trial')
    const decision = await fleet.until(60, 'undone')
    assert.equal(decision?.state, 'undone', decision?.status ?? JSON.stringify(fleet.engine.outlooks()))
    assert.match(decision.status, /guardrail latency: worst window 7\d\d ms/)
  })

  test('readers that fall silent on the new settings stop it', TIMEOUT, async (t) => {
    const fleet = new ReadersFleet({ groups: TWO_GROUPS })
    await fleet.start(t)
    await fleet.declare()
    await fleet.until(100, 'trial')
    const { trial } = fleet.binding
    assert.ok(trial != null)
    fleet.readers = fleet.readers.filter(({ instance }) => !trial.instances.includes(instance))
    const decision = await fleet.until(60, 'undone')
    assert.equal(decision?.state, 'undone', `${decision?.status}`)
    assert.match(decision.status, /guardrail silence/)
  })
})

describe('readers and the truth', () => {
  test('settings that change nothing are not kept', TIMEOUT, async (t) => {
    const fleet = new ReadersFleet({ groups: TWO_GROUPS, isIndifferent: true })
    await fleet.start(t)
    await fleet.declare()
    const { consumer } = fleet.binding
    const decision = await fleet.until(150, 'kept', 'undone')
    assert.equal(decision?.state, 'undone', decision?.status ?? JSON.stringify(fleet.engine.outlooks()))
    assert.match(decision.status, /no proof|more than what stands|instances only/)
    assert.deepEqual(fleet.binding.consumer, consumer)
  })

  const lies: Readonly<Record<string, (fleet: ReadersFleet, honest: ConsumerTelemetry) => Partial<ConsumerTelemetry>>> =
    {
      'a tenth of its fetches': (_, { fetchRequests }) => ({ fetchRequests: Math.ceil(fetchRequests! / 10) }),
      'no fetches at all': () => ({ fetchRequests: 0 }),
      'ten times the records': (fleet, { records }) => ({
        records: records * 10,
        endToEndLatencyUs: fleet.latency(30, records * 10),
      }),
      'other settings than those of the trial': (_, { fetchRequests }) => ({
        fetchRequests: Math.ceil(fetchRequests! / 10),
        fetchMinBytes: 7,
      }),
      'more batches than bytes': () => ({ batches: 1_000_000, fetchRequests: 1 }),
    }
  for (const [name, lie] of Object.entries(lies)) {
    test(`a reader on trial that reports ${name} does not get a change kept that does nothing`, TIMEOUT, async (t) => {
      const fleet: ReadersFleet = new ReadersFleet({
        groups: TWO_GROUPS,
        isIndifferent: true,
        tells: (_reader, _settings, trial, honest) => (trial === null ? {} : lie(fleet, honest)),
      })
      await fleet.start(t)
      await fleet.declare()
      const { consumer } = fleet.binding
      await fleet.run(150)
      for (let more = 0; more < 60; more++) {
        if ((await fleet.decisions()).every(({ state }) => isDecided(state))) break
        await fleet.pass()
      }
      const all = await fleet.decisions()
      assert.ok(all.length > 0, JSON.stringify(fleet.engine.outlooks()))
      for (const one of all) {
        assert.notEqual(one.state, 'kept', one.status)
        t.diagnostic(`${one.state}: ${one.status}`)
      }
      assert.deepEqual(fleet.binding.consumer, consumer)
    })
  }

  test('who claims to be on trial and is not named is no witness', TIMEOUT, async (t) => {
    const fleet = new ReadersFleet({
      groups: TWO_GROUPS,
      isIndifferent: true,
      tells: ({ instance }, _settings, _trial, { fetchRequests }) =>
        instance === 'billing-019' ? { trial: 1, fetchRequests: Math.ceil(fetchRequests! / 10) } : {},
    })
    await fleet.start(t)
    await fleet.declare()
    await fleet.run(150)
    for (const one of await fleet.decisions()) {
      assert.notEqual(one.state, 'kept', one.status)
      assert.ok(!one.trial?.instances.includes('billing-019'))
    }
  })
})

describe('clients that report no windows', () => {
  test(
    'it waits for a person, the status says why, and an approval makes it true for all and watches it',
    TIMEOUT,
    async (t) => {
      const fleet = new ReadersFleet({ groups: TWO_GROUPS, isOld: ({ group }) => group === 'search' })
      const plane = await fleet.start(t)
      await fleet.declare()
      const waiting = await fleet.until(100, 'waiting', 'trial', 'kept')
      assert.equal(waiting?.state, 'waiting', waiting?.status ?? JSON.stringify(fleet.engine.outlooks()))
      assert.match(
        waiting.status,
        /waits for a person: no reader of group 'search' reports its windows \(older clients\)/,
      )
      await fleet.run(60)
      assert.equal((await fleet.fetching())?.state, 'waiting')
      assert.equal(fleet.touched.size, 0)
      const answer = await plane.call('POST', `/v1/decisions/${(await fleet.fetching())!.number}/approve`)
      assert.equal(answer.body.state, 'watching', answer.text)
      assert.equal(answer.body.trial, null)
      const ended = await fleet.until(100, 'kept', 'undone')
      assert.equal(ended?.state, 'kept', `${ended?.status}`)
      assert.match(
        ended.steps.find(({ state }) => state === 'applying')!.note,
        /older clients.*: approved by local, it is rolled out to all and watched/,
      )
    },
  )

  test('a group with some of them goes on with those that report', TIMEOUT, async (t) => {
    const fleet = new ReadersFleet({ groups: TWO_GROUPS, isOld: ({ instance }) => /0[0-4]$/.test(instance) })
    await fleet.start(t)
    await fleet.declare()
    const decision = await fleet.until(150, 'kept', 'undone', 'waiting')
    assert.equal(decision?.state, 'kept', decision?.status ?? JSON.stringify(fleet.engine.outlooks()))
    for (const instance of fleet.touched) assert.doesNotMatch(instance, /0[0-4]$/)
  })

  test(
    'where clients go back to an older version before it begins, it is proposed anew and waits',
    TIMEOUT,
    async (t) => {
      let isOld = false
      const fleet = new ReadersFleet({ groups: TWO_GROUPS, isOld: () => isOld })
      const plane = await fleet.start(t)
      await plane.call('PUT', '/v1/policies/global', { maxChangesPerDay: 0 })
      await fleet.declare()
      const first = await fleet.until(60, 'approved')
      assert.equal(first?.state, 'approved', `${first?.status}`)
      isOld = true
      await fleet.run(90)
      await plane.call('PUT', '/v1/policies/global', { maxChangesPerDay: 6 })
      const waiting = await fleet.until(60, 'waiting')
      assert.equal(waiting?.state, 'waiting', `${waiting?.status}`)
      const superseded = (await fleet.decisions()).find(({ number }) => number === first.number)
      assert.equal(superseded?.state, 'superseded')
      assert.match(superseded.status, /older clients/)
    },
  )
})
