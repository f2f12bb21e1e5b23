/**
 * Decisions on fake clients: from a bad start to a kept change, and everything that may not be kept.
 */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { isDecided, type ProducerTelemetry } from '@mq/contract'
import { Fleet, ID } from './fleet.ts'
import { assertProblem, type Harness, startHarness, temporaryFolder } from './harness.ts'

const TIMEOUT = { timeout: 300_000 }
const reached =
  (fleet: Fleet, ...states: string[]) =>
  async () =>
    (await fleet.decisions()).some(({ state }) => states.includes(state))

describe('from a bad start', () => {
  test(
    'ten instances: one tries, the test says yes, all follow, and what was measured stands beside what was predicted',
    TIMEOUT,
    async (t) => {
      const fleet = new Fleet({ instances: 10 })
      await fleet.start(t)
      await fleet.declareBadly()
      const before = fleet.binding
      const took = await fleet.run(120, reached(fleet, 'kept', 'undone', 'failed'))
      const [decision] = await fleet.decisions()
      assert.equal(decision?.state, 'kept', `${decision?.status} ${JSON.stringify(decision?.steps)}`)
      t.diagnostic(`kept after ${took} s of traffic: ${decision.title}`)
      assert.ok(took <= 120)
      assert.deepEqual(
        decision.steps.map(({ state }) => state),
        ['proposed', 'approved', 'trial', 'applying', 'watching', 'kept'],
      )
      assert.equal(decision.trial?.design, 'instances')
      assert.equal(decision.trial.instances.length, 1)
      assert.equal(decision.trial.ofInstances, 10)
      assert.deepEqual([...fleet.touched], decision.trial.instances)
      const { binding } = fleet
      assert.ok(decision.change.kind === 'producer-settings')
      assert.deepEqual(binding.producer, decision.change.after)
      assert.equal(binding.trial, null)
      assert.ok(binding.revision > before.revision)
      assert.equal(decision.revision, binding.revision)
      const [trial] = decision.trialComparisons
      assert.ok(trial !== undefined && trial.pValue < 0.01 && trial.changeShare < -0.2)
      assert.ok(decision.watchComparisons.length > 0)
      assert.ok(decision.measured!.usdPerMillionRecords! < decision.measuredBefore!.usdPerMillionRecords! * 0.8)
      assert.ok(Math.abs(decision.predictionError!) < 0.25, `${decision.predictionError}`)
      assert.ok(decision.guardrails.every(({ held }) => held))
      const detail = (await fleet.plane.call('GET', `/v1/ids/${ID}`)).body
      assert.ok(
        detail.choices.some(({ reason }: { reason: string }) => reason.startsWith(`decision ${decision.number}: `)),
      )
      const { entries } = (await fleet.plane.call('GET', `/v1/journal?subject=${ID}`)).body
      for (const kind of ['decision', 'trial', 'tune'])
        assert.ok(
          entries.some((one: { kind: string }) => one.kind === kind),
          kind,
        )
    },
  )

  test('one instance alone takes turns with itself', TIMEOUT, async (t) => {
    const fleet = new Fleet({ instances: 1, ratePerInstance: 2_000 })
    await fleet.start(t)
    await fleet.declareBadly()
    const took = await fleet.run(120, reached(fleet, 'kept', 'undone', 'failed'))
    const [decision] = await fleet.decisions()
    assert.equal(decision?.state, 'kept', `${took} s: ${decision?.status}`)
    assert.equal(decision.trial?.design, 'windows')
    assert.ok(took <= 120, `${took} s`)
  })

  test('after it was kept it rests, and an undo restores what stood as a new revision', TIMEOUT, async (t) => {
    const fleet = new Fleet({ instances: 3 })
    await fleet.start(t)
    await fleet.declareBadly()
    const { producer } = fleet.binding
    await fleet.run(120, reached(fleet, 'kept'))
    const kept = fleet.binding
    const { choices } = (await fleet.plane.call('GET', `/v1/ids/${ID}`)).body
    const [decision] = await fleet.decisions()
    assert.match(decision!.undo!, /restores what stood/)
    await fleet.engine.propose()
    assert.equal((await fleet.decisions()).length, 1)
    const answer = await fleet.plane.call('POST', `/v1/decisions/${decision!.number}/undo`)
    assert.equal(answer.body.state, 'undone', answer.text)
    assert.deepEqual(fleet.binding.producer, producer)
    assert.ok(fleet.binding.revision > kept.revision)
    const after = (await fleet.plane.call('GET', `/v1/ids/${ID}`)).body.choices
    assert.ok(!JSON.stringify(after).includes('decision 1'))
    assert.ok(JSON.stringify(choices).includes('decision 1'))
    assertProblem(await fleet.plane.call('GET', '/v1/decisions?id=no.such.id'), 'MQ_ID_UNKNOWN')
    assertProblem(await fleet.plane.call('POST', `/v1/decisions/${decision!.number}/approve`), 'MQ_DECISION_OVER')
    assert.equal((await fleet.plane.call('POST', `/v1/decisions/${decision!.number}/undo`)).body.state, 'undone')
  })
})

describe('how far mQ goes by itself where nobody said', () => {
  const modeOf = async (plane: Harness): Promise<string> =>
    (await plane.call('GET', `/v1/policies?id=${ID}`)).body.effective.mode

  test('a new installation asks first, explains, and goes on when it is told to', TIMEOUT, async (t) => {
    const fleet = new Fleet({ instances: 3 })
    const plane = await fleet.start(t, { newInstallationMode: 'approve' })
    await fleet.declareBadly()
    const { producer } = fleet.binding
    await fleet.run(120, reached(fleet, 'waiting'))
    const [decision] = await fleet.decisions()
    assert.match(
      decision!.status,
      /a new installation asks before it changes anything.*mq policy set global --mode auto/,
    )
    assert.deepEqual(fleet.binding.producer, producer)
    assert.equal(await modeOf(plane), 'approve')
    assert.equal((await plane.call('PUT', '/v1/policies/global', { mode: 'auto' })).status, 200)
    assert.equal(await modeOf(plane), 'auto')
  })

  test(
    'an installation from before keeps going on by itself, and what a store was made with stays',
    TIMEOUT,
    async (t) => {
      const dataDir = temporaryFolder(t)
      const first = await startHarness(t, { dataDir, newInstallationMode: 'approve' })
      await first.call('PUT', `/v1/ids/${ID}`, { intent: {} })
      await first.close()
      const second = await startHarness(t, { dataDir, newInstallationMode: 'auto' })
      assert.equal(await modeOf(second), 'approve')
      // As a store of before looks: mQ IDs, and nothing written down.
      second.store.sqlite.exec("DELETE FROM meta WHERE key = 'default_policy_mode'")
      await second.close()
      const third = await startHarness(t, { dataDir, newInstallationMode: 'approve' })
      assert.equal(await modeOf(third), 'auto')
    },
  )
})

describe('harm', () => {
  const harms: Readonly<Record<string, (fleet: Fleet, honest: ProducerTelemetry) => Partial<ProducerTelemetry>>> = {
    errors: (_, honest) => ({ errors: Math.round(honest.records / 10) }),
    latency: (fleet, honest) => ({ sendLatencyUs: fleet.latency(5_000, honest.records) }),
    retries: (_, honest) => ({ retries: honest.batches }),
    buffer: () => ({ bufferBytesMax: 512 * 1_048_576 }),
    throughput: (_, honest) => ({ records: Math.round(honest.records / 5) }),
  }
  const cases = Object.entries(harms).flatMap(([name, harm]) =>
    (['dev', 'usual'] as const).map((timing) => ({ name, harm, timing })),
  )
  for (const { name, harm, timing } of cases) {
    test(
      `${name} on the new settings, ${timing} timing: undone within 60 s, at most a tenth of the instances touched`,
      TIMEOUT,
      async (t) => {
        const fleet: Fleet = new Fleet({
          instances: 20,
          timing,
          tells: (_instance, _settings, trial, honest) => {
            if (trial === null) return {}
            const told = harm(fleet, honest)
            const share = (told.records ?? honest.records) / honest.records
            return share === 1
              ? told
              : {
                  ...told,
                  batches: Math.ceil(honest.batches * share),
                  requests: Math.ceil(honest.requests * share),
                  recordBytes: Math.round(honest.recordBytes * share),
                  batchBytesUncompressed: Math.round(honest.batchBytesUncompressed * share),
                  batchBytesWire: Math.round(honest.batchBytesWire * share),
                }
          },
        })
        await fleet.start(t)
        await fleet.declareBadly()
        const { producer } = fleet.binding
        await fleet.run(timing === 'dev' ? 60 : 2_700, () => fleet.binding.trial != null)
        const began = fleet.second
        await fleet.run(60, reached(fleet, 'undone'))
        const [decision] = (await fleet.decisions()).slice(-1)
        assert.ok(decision !== undefined)
        assert.equal(decision.state, 'undone', decision.status)
        t.diagnostic(
          `undone after ${fleet.second - began} s, ${fleet.touched.size} of 20 instances touched: ${decision.status}`,
        )
        assert.ok(fleet.second - began <= 60)
        assert.ok(fleet.touched.size <= 2)
        assert.deepEqual(fleet.binding.producer, producer)
        assert.equal(fleet.binding.trial, null)
        assert.match(decision.status, new RegExp(`guardrail ${name}`))
        assert.deepEqual(
          decision.guardrails.filter(({ held }) => !held).map((one) => one.name),
          [name],
        )
      },
    )
  }

  test('groups that fall behind stop it', TIMEOUT, async (t) => {
    let behind = 0
    const fleet = new Fleet({
      instances: 5,
      lagRecords: (isTrial) => {
        if (isTrial) behind += 20_000
        return behind + 5
      },
    })
    await fleet.start(t)
    await fleet.declareBadly()
    await fleet.run(100, reached(fleet, 'undone', 'kept'))
    const [decision] = await fleet.decisions()
    assert.equal(decision?.state, 'undone')
    assert.match(decision.status, /guardrail lag/)
  })

  test('instances that fall silent on the new settings stop it', TIMEOUT, async (t) => {
    const fleet: Fleet = new Fleet({ instances: 5 })
    await fleet.start(t)
    await fleet.declareBadly()
    await fleet.run(60, reached(fleet, 'trial'))
    const { trial } = fleet.binding
    assert.ok(trial != null)
    const silenced = new Fleet({ instances: 5 }, fleet.kafka)
    Object.assign(fleet, { names: silenced.names.filter((name) => !trial.instances.includes(name)) })
    await fleet.run(60, reached(fleet, 'undone', 'kept'))
    const [decision] = await fleet.decisions()
    assert.equal(decision?.state, 'undone')
    assert.match(decision.status, /guardrail silence/)
  })
})

describe('lies', () => {
  const shrink =
    (by: number) =>
    (honest: ProducerTelemetry): Partial<ProducerTelemetry> => ({
      batchBytesWire: Math.round(honest.batchBytesWire * by),
      batches: Math.max(1, Math.round(honest.batches * by)),
      requests: Math.max(1, Math.round(honest.requests * by)),
      cpuUs: 1,
    })
  const lies: Readonly<Record<string, (honest: ProducerTelemetry) => Partial<ProducerTelemetry>>> = {
    'a hundredth of the bytes': shrink(0.01),
    'a fifth of the bytes': shrink(0.2),
    'just what was predicted': shrink(0.35),
    'ten times the records': (honest) => ({
      records: honest.records * 10,
      recordBytes: honest.recordBytes * 10,
      batchBytesUncompressed: honest.batchBytesUncompressed * 10,
    }),
    'no batches at all': () => ({ batches: 0, requests: 0 }),
  }
  for (const [name, lie] of Object.entries(lies)) {
    test(
      `an instance on trial that reports ${name} does not get a change kept that does nothing`,
      TIMEOUT,
      async (t) => {
        const fleet = new Fleet({
          instances: 10,
          isIndifferent: true,
          tells: (_instance, _settings, trial, honest) => (trial === null ? {} : lie(honest)),
        })
        await fleet.start(t)
        await fleet.declareBadly()
        const { producer } = fleet.binding
        await fleet.run(200)
        for (const one of await fleet.decisions()) {
          assert.notEqual(one.state, 'kept', one.status)
          if (one.state === 'undone') t.diagnostic(one.status)
        }
        await fleet.run(60, async () => (await fleet.decisions()).every(({ state }) => isDecided(state)))
        assert.deepEqual(fleet.binding.producer, producer)
      },
    )
  }

  test('one instance alone that reports what was predicted is found out by what the log holds', TIMEOUT, async (t) => {
    const fleet = new Fleet({
      instances: 1,
      ratePerInstance: 2_000,
      isIndifferent: true,
      tells: (_instance, settings, _trial, honest) => (settings.codec === 'none' ? {} : shrink(0.35)(honest)),
    })
    await fleet.start(t)
    await fleet.declareBadly()
    fleet.watchLogs()
    const { producer } = fleet.binding
    await fleet.run(150, reached(fleet, 'kept', 'undone'))
    const [decision] = await fleet.decisions()
    assert.ok(decision !== undefined)
    assert.equal(decision.state, 'undone', decision.status)
    assert.match(decision.status, /the log grew by/)
    assert.deepEqual(fleet.binding.producer, producer)
  })

  test('one of ten that lies all the time keeps nothing either', TIMEOUT, async (t) => {
    const fleet = new Fleet({
      instances: 10,
      isIndifferent: true,
      tells: (instance, settings, _trial, honest) =>
        instance === 'shop-000' && settings.codec !== 'none' ? shrink(0.35)(honest) : {},
    })
    await fleet.start(t)
    await fleet.declareBadly()
    await fleet.run(200)
    for (const one of await fleet.decisions()) assert.notEqual(one.state, 'kept', one.status)
  })
})

describe('what a person says', () => {
  test('observe recommends, approve waits, and an approval goes the same way as auto', TIMEOUT, async (t) => {
    const fleet = new Fleet({ instances: 4 })
    const plane = await fleet.start(t)
    await fleet.declareBadly()
    await plane.call('PUT', '/v1/policies/global', { mode: 'observe' })
    await fleet.run(30)
    const [first] = await fleet.decisions()
    assert.equal(first?.state, 'proposed')
    assert.equal(fleet.touched.size, 0)
    await plane.call('PUT', `/v1/policies/id=${ID}`, { mode: 'approve' })
    await plane.call('POST', `/v1/decisions/${first.number}/undo`)
    assert.equal((await fleet.decision(first.number)).state, 'rejected')
    await fleet.run(30)
    const [second] = await fleet.decisions()
    assert.ok(second !== undefined)
    assert.equal(second.state, 'waiting', second.status)
    assert.notDeepEqual(second.change, first.change)
    const approved = await plane.call('POST', `/v1/decisions/${second.number}/approve`)
    assert.equal(approved.body.state, 'trial', approved.text)
    assert.equal(approved.body.approvedBy, 'local')
    assertProblem(await plane.call('POST', `/v1/decisions/${second.number}/approve`), 'MQ_DECISION_UNDER_WAY')
    await fleet.run(100, reached(fleet, 'kept'))
    assert.equal((await fleet.decision(second.number)).state, 'kept')
    const { effective } = (await plane.call('GET', `/v1/policies?id=${ID}`)).body
    assert.equal(effective.mode, 'approve')
    assert.equal(effective.from.mode, `id=${ID}`)
  })

  test('a knob that may not be turned unasked waits, and a day without changes left waits, too', TIMEOUT, async (t) => {
    const fleet = new Fleet({ instances: 4 })
    const plane = await fleet.start(t)
    await fleet.declareBadly()
    await plane.call('PUT', '/v1/policies/global', { autoKnobs: ['linger'] })
    await fleet.run(30)
    const [first] = await fleet.decisions()
    assert.equal(first?.state, 'waiting')
    assert.match(first.status, /codec/)
    await plane.call('POST', `/v1/decisions/${first.number}/undo`)
    await plane.call('PUT', '/v1/policies/global', { maxChangesPerDay: 0 })
    await fleet.run(60)
    const [second] = await fleet.decisions()
    assert.equal(second?.state, 'approved')
    assert.match(second.status, /0 of 0 changes/)
    assert.equal(fleet.touched.size, 0)
  })

  test('the switch stops a trial at once, outlives a restart, and begins nothing', TIMEOUT, async (t) => {
    const dataDir = temporaryFolder(t)
    const fleet = new Fleet({ instances: 4 })
    await fleet.start(t, { dataDir })
    await fleet.declareBadly()
    const { producer } = fleet.binding
    await fleet.run(60, reached(fleet, 'trial'))
    const off = await fleet.plane.call('PUT', '/v1/autopilot', { on: false })
    assert.equal(off.body.on, false)
    assert.equal(off.body.underWay, 0)
    const [decision] = await fleet.decisions()
    assert.equal(decision?.state, 'undone')
    assert.match(decision.status, /autopilot/)
    assert.deepEqual(fleet.binding.producer, producer)
    assert.equal(fleet.binding.trial, null)
    await fleet.plane.close()
    await fleet.start(t, { dataDir })
    await fleet.run(40)
    assert.equal((await fleet.decisions()).length, 1)
    const { autopilot, outlooks } = (await fleet.plane.call('GET', `/v1/decisions?id=${ID}`)).body
    assert.equal(autopilot, false)
    assert.equal(outlooks[0].state, 'off')
    await fleet.plane.call('PUT', '/v1/autopilot', { on: true })
    await fleet.plane.call('PUT', '/v1/policies/global', { mode: 'approve' })
    await fleet.run(60, reached(fleet, 'waiting'))
    const metrics = (await fleet.plane.call('GET', '/metrics')).text
    assert.match(metrics, /^mq_decisions\{state="waiting"\} [1-9]/m)
    assert.match(metrics, /^mq_decision_oldest_seconds\{state="waiting"\} \d/m)
    await fleet.plane.call('PUT', '/v1/autopilot', { on: false })
    const [waiting] = await fleet.decisions()
    assertProblem(await fleet.plane.call('POST', `/v1/decisions/${waiting!.number}/approve`), 'MQ_AUTOPILOT_OFF')
  })

  test('a changed intent ends a trial and supersedes what was kept; a changed owner does not', TIMEOUT, async (t) => {
    const fleet = new Fleet({ instances: 4 })
    const plane = await fleet.start(t)
    await fleet.declareBadly()
    await fleet.run(60, reached(fleet, 'trial'))
    await plane.call('PUT', `/v1/ids/${ID}`, { intent: { latencyP99Ms: '200ms' } })
    assert.equal(fleet.binding.trial, null)
    await fleet.pass()
    const [first] = await fleet.decisions()
    assert.equal(first?.state, 'superseded')
    assert.match(first.status, /intent/)
    assert.equal(fleet.binding.producer.lingerMs, 8)
    await fleet.spoil()
    await fleet.run(120, reached(fleet, 'kept'))
    const kept = (await fleet.decisions()).find(({ state }) => state === 'kept')
    assert.ok(kept !== undefined)
    const { producer } = fleet.binding
    await plane.call('PUT', `/v1/ids/${ID}`, { intent: { latencyP99Ms: '200ms', owner: { team: 'checkout' } } })
    await fleet.pass()
    assert.deepEqual(fleet.binding.producer, producer)
    assert.equal((await fleet.decision(kept.number)).state, 'kept')
    await plane.call('PUT', `/v1/ids/${ID}`, { intent: { latencyP99Ms: '100ms' } })
    await fleet.pass()
    assert.equal((await fleet.decision(kept.number)).state, 'superseded')
    assert.notDeepEqual(fleet.binding.producer, producer)
  })

  test('a deleted mQ ID takes its decisions with it', TIMEOUT, async (t) => {
    const fleet = new Fleet({ instances: 4 })
    const plane = await fleet.start(t)
    await fleet.declareBadly()
    await fleet.run(60, reached(fleet, 'trial'))
    await plane.call('DELETE', `/v1/ids/${ID}`)
    await fleet.engine.tick()
    assert.equal((await fleet.decision(1)).state, 'superseded')
  })
})

describe('what is left alone', () => {
  for (const [name, options, state] of [
    ['an idle mQ ID', { instances: 2, ratePerInstance: 0 }, 'idle'],
    ['too little traffic', { instances: 1, ratePerInstance: 4 }, 'too-small'],
    ['a workload that is shifting', { instances: 4, rateAt: (second: number) => 100 * 1.08 ** second }, 'shifting'],
  ] as const) {
    test(`${name}: nothing is proposed, and the reason is said`, TIMEOUT, async (t) => {
      const fleet = new Fleet(options)
      await fleet.start(t)
      await fleet.declareBadly()
      await fleet.run(40)
      assert.deepEqual(await fleet.decisions(), [])
      const { outlooks } = (await fleet.plane.call('GET', `/v1/decisions?id=${ID}`)).body
      assert.equal(outlooks[0]?.state, state, JSON.stringify(outlooks))
    })
  }

  test('a workload that moves while the trial runs keeps nothing by that', TIMEOUT, async (t) => {
    const fleet = new Fleet({ instances: 6, isIndifferent: true, rateAt: (second) => (second < 25 ? 300 : 900) })
    await fleet.start(t)
    await fleet.declareBadly()
    await fleet.run(150)
    for (const one of await fleet.decisions()) assert.notEqual(one.state, 'kept', one.status)
  })
})

test('an mQ ID whose figures no model takes holds up no other', TIMEOUT, async (t) => {
  const fleet = new Fleet({ instances: 2 })
  const plane = await fleet.start(t)
  await fleet.declareBadly()
  const made = await plane.call('PUT', '/v1/ids/broken.one', { intent: {} })
  assert.equal(made.status, 200)
  const { traffic } = plane
  const profile = traffic.profile.bind(traffic)
  traffic.profile = (id) => {
    const real = profile(ID)
    return id === ID || real === null ? real : { ...real, mqId: id, recordsPerSecond: Number.NaN }
  }
  await fleet.run(40, reached(fleet, 'trial'))
  assert.equal((await fleet.decisions()).length, 1)
  const { outlooks } = (await plane.call('GET', '/v1/decisions?id=broken.one')).body
  assert.equal(outlooks[0]?.state, 'no-data', JSON.stringify(outlooks))
})

test('requests that name nothing or say nonsense are refused in words', TIMEOUT, async (t) => {
  const fleet = new Fleet({ instances: 1 })
  const plane = await fleet.start(t)
  assertProblem(await plane.call('GET', '/v1/decisions/99'), 'MQ_DECISION_UNKNOWN')
  assertProblem(await plane.call('POST', '/v1/decisions/99/approve'), 'MQ_DECISION_UNKNOWN')
  assertProblem(await plane.call('POST', '/v1/decisions/99/undo'), 'MQ_DECISION_UNKNOWN')
  assertProblem(await plane.call('GET', '/v1/decisions/0'), 'MQ_REQUEST_INVALID')
  assertProblem(await plane.call('GET', '/v1/decisions?state=maybe'), 'MQ_REQUEST_INVALID')
  assertProblem(await plane.call('PUT', '/v1/policies/everything', { mode: 'auto' }), 'MQ_REQUEST_INVALID')
  assertProblem(await plane.call('PUT', '/v1/policies/global', { mode: 'yolo' }), 'MQ_REQUEST_INVALID')
  assertProblem(await plane.call('PUT', '/v1/policies/global', { maxChangesPerDay: -1 }), 'MQ_REQUEST_INVALID')
  assertProblem(await plane.call('PUT', '/v1/policies/global', { autoKnobs: ['acks'] }), 'MQ_REQUEST_INVALID')
  assertProblem(await plane.call('GET', '/v1/policies?id=not.declared'), 'MQ_ID_UNKNOWN')
  assertProblem(await plane.call('PUT', '/v1/autopilot', { on: 'yes' }), 'MQ_REQUEST_INVALID')
})
