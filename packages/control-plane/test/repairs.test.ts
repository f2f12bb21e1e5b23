/**
 * Repairs on fake clients: from a p99 that is missed to one that is met and stays so, and those that do not help (T5, M2, V2).
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Decision } from '@mq/contract'
import { Fleet, ID } from './fleet.ts'

const TIMEOUT = { timeout: 300_000 }
const WAITS = { codec: 'zstd', codecLevel: 1, lingerMs: 100, batchBytes: 262_144 } as const

const dearer = ({ savingUsdPerMonth }: Decision): boolean => savingUsdPerMonth! < 0

test(
  'a missed p99 is repaired by dearer settings, judged by p99, kept, and no saving takes it back',
  TIMEOUT,
  async (t) => {
    const fleet = new Fleet({ instances: 4, slowness: 1.4 })
    await fleet.start(t)
    await fleet.declareBadly({ latencyP99Ms: '120ms' }, WAITS)
    const took = await fleet.run(400, async () =>
      (await fleet.decisions()).some((one) => dearer(one) && one.state === 'kept'),
    )
    const repair = (await fleet.decisions()).find(dearer)
    assert.ok(repair !== undefined, JSON.stringify(fleet.engine.outlooks(ID)))
    assert.equal(repair.state, 'kept', `${took} s: ${repair.status}`)
    t.diagnostic(`kept after ${took} s: ${repair.title}; ${repair.why}`)
    assert.match(repair.why, /p99 of a send is \d+ ms .* where 120 ms are allowed/)
    assert.match(repair.status, /faster for all/)
    assert.match(repair.trialComparisons[0]!.metric, /p99/)
    assert.ok(repair.measured!.sendP99Ms! < repair.measuredBefore!.sendP99Ms!)
    assert.ok(repair.measured!.sendP99Ms! <= 120)
    await fleet.run(600)
    const later = (await fleet.decisions()).filter(({ number }) => number > repair.number)
    for (const one of later) {
      assert.ok(!dearer(one), one.title)
      assert.ok(one.predicted.endToEndP99Ms! <= one.before.endToEndP99Ms! + 1e-6, one.title)
    }
    assert.ok(later.length <= 2, later.map(({ title }) => title).join('; '))
  },
)

test('a repair that does not help is undone, and is not tried again soon', TIMEOUT, async (t) => {
  // Something else takes the time: settings change nothing.
  const fleet = new Fleet({
    instances: 4,
    tells: (_instance, _settings, _trial, { records }) => ({ sendLatencyUs: fleet.latency(200, records) }),
  })
  await fleet.start(t)
  await fleet.declareBadly({ latencyP99Ms: '120ms' }, WAITS)
  await fleet.run(500, async () => (await fleet.decisions()).some((one) => dearer(one) && one.state === 'undone'))
  const undone = (await fleet.decisions()).find(dearer)
  assert.equal(undone?.state, 'undone', undone?.status ?? JSON.stringify(fleet.engine.outlooks(ID)))
  assert.deepEqual(fleet.binding.producer.lingerMs, WAITS.lingerMs)
  await fleet.run(120)
  const again = (await fleet.decisions()).filter(
    ({ number, change }) => number > undone.number && JSON.stringify(change) === JSON.stringify(undone.change),
  )
  assert.deepEqual(again, [])
})

test(
  'a repair over the budget waits for a person, and is dropped once the p99 is met again by itself',
  TIMEOUT,
  async (t) => {
    const fleet = new Fleet({ instances: 4, slowness: (second) => (second < 250 ? 1.4 : 0.8) })
    await fleet.start(t)
    await fleet.declareBadly({ latencyP99Ms: '120ms', budgetUsdPerMonth: 130 }, WAITS)
    await fleet.run(240, async () => (await fleet.decisions()).some(dearer))
    const repair = (await fleet.decisions()).find(dearer)
    assert.equal(repair?.state, 'waiting', repair?.status ?? JSON.stringify(fleet.engine.outlooks(ID)))
    assert.match(repair.status, /over the budget/)
    assert.match(repair.why, /over the budget of 130/)
    assert.deepEqual(fleet.binding.producer.lingerMs, WAITS.lingerMs)
    // Newer figures may ask for another repair meanwhile.
    await fleet.run(420, async () => (await fleet.decisions()).every(({ state }) => state !== 'waiting'))
    const all = (await fleet.decisions()).filter(dearer)
    assert.ok(
      all.every(({ state }) => state === 'superseded'),
      JSON.stringify(all.map(({ status }) => status)),
    )
    const notes = all.map(({ steps }) => steps.at(-1)!.note)
    assert.ok(
      notes.some((note) => /met again: \d+ ms where 120 ms are allowed/.test(note)),
      notes.join('; '),
    )
  },
)
