/**
 * Trials of readers where groups share processes, are many, or differ by their own work (canary N4, sides D2, watching P5).
 */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { ReadersFleet } from './readers-fleet.ts'

const TIMEOUT = { timeout: 300_000 }

describe('who tries', () => {
  test(
    'processes that also read for a group of their own are never all on trial: it waits for a person',
    TIMEOUT,
    async (t) => {
      const hosts = Array.from({ length: 10 }, (_, nth) => [`cache-${nth}`, 1])
      const fleet = new ReadersFleet({
        groups: { workers: 10, others: 20, ...Object.fromEntries(hosts) },
        instanceOf: (group, nth) =>
          group === 'others' ? `other-${nth}` : group === 'workers' ? `host-${nth}` : group.replace('cache', 'host'),
      })
      await fleet.start(t)
      await fleet.declare()
      const decision = await fleet.until(100, 'waiting', 'trial', 'kept')
      assert.equal(decision?.state, 'waiting', decision?.status ?? JSON.stringify(fleet.engine.outlooks()))
      assert.match(decision.status, /nobody of group 'cache-\d' can try it without more than a tenth of another group/)
      await fleet.run(20)
      assert.equal(fleet.touched.size, 0)
    },
  )

  test('small groups are tried beside a large one', TIMEOUT, async (t) => {
    const small = { s0: 1, s1: 1, s2: 1, s3: 1, s4: 1 }
    const fleet = new ReadersFleet({ groups: { large: 150, ...small } })
    const plane = await fleet.start(t)
    await plane.call('PUT', '/v1/policies/global', { maxChangesPerDay: 0 })
    await fleet.declare()
    const approved = await fleet.until(100, 'approved')
    assert.equal(approved?.state, 'approved', approved?.status ?? JSON.stringify(fleet.engine.outlooks()))
    // More windows than are looked at one by one.
    await fleet.run(50)
    await plane.call('PUT', '/v1/policies/global', { maxChangesPerDay: 6 })
    const trying = await fleet.until(10, 'trial')
    assert.equal(trying?.state, 'trial', `${trying?.status}`)
    const groups = new Set(trying.trial?.instances.map((name) => name.replace(/-.*/, '')))
    assert.deepEqual([...groups].sort(), ['large', ...Object.keys(small)])
  })

  test('who has a clock that is behind does not try, and keeps nothing from being tried (K1)', TIMEOUT, async (t) => {
    const fleet: ReadersFleet = new ReadersFleet({
      groups: { billing: 10, search: 1 },
      tells: ({ instance }, _settings, _trial, { records }) =>
        instance === 'billing-000' ? { endToEndLatencyUs: fleet.latency(0, records) } : {},
    })
    await fleet.start(t)
    await fleet.declare()
    const decision = await fleet.until(150, 'kept', 'undone')
    assert.equal(decision?.state, 'kept', decision?.status ?? JSON.stringify(fleet.engine.outlooks()))
    assert.deepEqual([...fleet.touched].sort(), ['billing-001', 'search-000'])
  })

  test('where only clocks that are behind read a group, a person decides (K1)', TIMEOUT, async (t) => {
    const fleet: ReadersFleet = new ReadersFleet({
      groups: { billing: 10, search: 1 },
      tells: ({ group }, _settings, _trial, { records }) =>
        group === 'search' ? { endToEndLatencyUs: fleet.latency(0, records) } : {},
    })
    await fleet.start(t)
    await fleet.declare()
    const waiting = await fleet.until(100, 'waiting', 'trial')
    assert.equal(waiting?.state, 'waiting', waiting?.status ?? JSON.stringify(fleet.engine.outlooks()))
    assert.match(waiting.status, /consumers of group 'search' are excluded for clock skew/)
  })
})

describe('groups that are slow by themselves', () => {
  test('while it is watched each group is held to its own past (P5)', TIMEOUT, async (t) => {
    let [slowMs, fastMs] = [0, 0]
    const fleet: ReadersFleet = new ReadersFleet({
      groups: { fast: 10, slow: 10 },
      tells: ({ group }, _settings, _trial, { records }) => {
        const ms = group === 'slow' ? slowMs : fastMs
        return ms === 0 ? {} : { endToEndLatencyUs: fleet.latency(ms, records) }
      },
    })
    const plane = await fleet.start(t)
    await plane.call('PUT', '/v1/policies/global', { maxChangesPerDay: 0 })
    await fleet.declare()
    const { consumer } = fleet.binding
    const approved = await fleet.until(100, 'approved')
    assert.equal(approved?.state, 'approved', approved?.status ?? JSON.stringify(fleet.engine.outlooks()))
    // Its handlers take the time, and go on to do so.
    slowMs = 2_000
    await fleet.run(70)
    await plane.call('PUT', '/v1/policies/global', { maxChangesPerDay: 6 })
    const watching = await fleet.until(100, 'watching', 'undone', 'superseded')
    assert.equal(watching?.state, 'watching', `${watching?.status}`)
    fastMs = 1_500
    const began = fleet.second
    const decision = await fleet.until(60, 'kept', 'undone')
    assert.equal(decision?.state, 'undone', `${decision?.status}`)
    t.diagnostic(`undone after ${fleet.second - began} s: ${decision.status}`)
    assert.match(decision.status, /guardrail latency: .* at most 500 ms/)
    assert.deepEqual(fleet.binding.consumer, consumer)
  })
})

describe('harm that is easily passed over', () => {
  for (const timing of ['dev', 'usual'] as const) {
    test(
      `readers of one record a second, ${timing} timing: what takes too long is undone within 60 s (R5)`,
      TIMEOUT,
      async (t) => {
        const fleet: ReadersFleet = new ReadersFleet({
          groups: { billing: 20 },
          recordsPerSecond: 20,
          timing,
          tells: (_reader, _settings, trial, { records }) =>
            trial === null ? {} : { endToEndLatencyUs: fleet.latency(5_000, records) },
        })
        await fleet.start(t)
        await fleet.declare({ fetchMinBytes: 1, fetchMaxWaitMs: 1 })
        const trying = await fleet.until(timing === 'dev' ? 150 : 3_000, 'trial')
        assert.equal(trying?.state, 'trial', trying?.status ?? JSON.stringify(fleet.engine.outlooks()))
        const began = fleet.second
        const undone = await fleet.until(60, 'undone')
        assert.equal(undone?.state, 'undone', `${undone?.status}`)
        t.diagnostic(`${timing}: undone after ${fleet.second - began} s: ${undone.status}`)
        assert.match(undone.status, /guardrail latency/)
      },
    )

    test(
      `a reader that stops in one of its groups only, ${timing} timing: undone within 60 s (R4)`,
      TIMEOUT,
      async (t) => {
        const stops = { throughput: { records: 0, batches: 0, wireBytes: 0, recordBytes: 0 }, silence: null } as const
        for (const [name, told] of Object.entries(stops)) {
          const fleet: ReadersFleet = new ReadersFleet({
            groups: { busy: 10, other: 10 },
            instanceOf: (_group, nth) => `worker-${nth}`,
            timing,
            tells: ({ group }, _settings, trial) =>
              group === 'other' && trial !== null && told !== null
                ? { ...told, endToEndLatencyUs: fleet.latency(1, 0) }
                : {},
          })
          await fleet.start(t)
          await fleet.declare()
          const trying = await fleet.until(timing === 'dev' ? 150 : 1_500, 'trial')
          assert.equal(trying?.state, 'trial', trying?.status ?? JSON.stringify(fleet.engine.outlooks()))
          assert.equal(trying.trial?.instances.length, 1)
          const began = fleet.second
          if (told === null) {
            const [named] = trying.trial.instances
            fleet.readers = fleet.readers.filter(({ instance, group }) => group !== 'other' || instance !== named)
          }
          const undone = await fleet.until(60, 'undone')
          assert.equal(undone?.state, 'undone', `${name}: ${undone?.status}`)
          t.diagnostic(`${timing}: undone after ${fleet.second - began} s: ${undone.status}`)
          assert.match(undone.status, new RegExp(`guardrail ${name}`))
        }
      },
    )
  }
})
