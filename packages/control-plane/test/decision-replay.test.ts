/**
 * Decisions proposed again from the World they were proposed from: kept with the decision, bounded, replayed by the API and the command.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { loops, pastDecisionOf, serialise } from '@mq/autopilot'
import { DecisionReplay } from '@mq/contract'
import { seeded } from '@mq/economics'
import { KEEP_MS, KEEP_NEWEST, MAX_WORLD_BYTES } from '../src/store/ports/decision-worlds.ts'
import { mq } from './command.ts'
import { Fleet } from './fleet.ts'
import { assertProblem, temporaryFolder } from './harness.ts'

const TIMEOUT = { timeout: 300_000 }

test(
  'a decision is replayed from its World, also after a restart, and says what another code would do',
  TIMEOUT,
  async (t) => {
    const dataDir = temporaryFolder(t)
    const fleet = new Fleet({ instances: 10 })
    const plane = await fleet.start(t, { dataDir })
    await fleet.declareBadly()
    await fleet.run(120, async () => (await fleet.decisions()).some(({ state }) => state === 'kept'))
    const [decision] = await fleet.decisions()
    assert.ok(decision !== undefined, JSON.stringify(fleet.engine.outlooks()))
    const path = `/v1/decisions/${decision.number}/replay`
    const replay = async (): Promise<DecisionReplay> => {
      const answer = await fleet.plane.call('GET', path)
      assert.equal(answer.status, 200, answer.text)
      return DecisionReplay.parse(answer.body)
    }
    const first = await replay()
    assert.deepEqual([first.same, first.reason, first.differences], [true, null, []])
    assert.equal(first.recordedAtMs, decision.createdAtMs)
    assert.deepEqual(
      (first.world.ids as { id: string }[]).map(({ id }) => id),
      [decision.mqId],
    )
    assert.ok(first.worldBytes < 60_000, `${first.worldBytes} bytes`)
    t.diagnostic(`a World of ${first.worldBytes} bytes`)
    const shown = await mq(t, plane, ['decision', 'show', String(decision.number), '--replay'])
    assert.match(shown, /the same proposal, byte for byte/)
    assert.match(shown, /records\/s of 400 bytes, \d+ producers, 1 group$/m)

    // A long past and many clusters: what can be expected at most has room.
    const [past] = (await plane.deciding.decisions.list({ limit: 1 })).map(pastDecisionOf)
    assert.ok(past !== undefined)
    const figures = seeded(1)
    const decisions = Array.from({ length: 100 }, (_, nth) => ({
      ...past,
      ...{ number: nth + 1, createdAtMs: Math.floor(figures() * 1e13), endedAtMs: Math.floor(figures() * 1e13) },
      predicted: { ...past.predicted, usdPerMonth: figures(), sendP99Ms: figures(), endToEndP99Ms: figures() },
      measured: { ...past.predicted, usdPerMonth: figures(), sendP99Ms: figures(), endToEndP99Ms: figures() },
    }))
    const [one] = first.world.ids as object[]
    const [cluster] = first.world.clusters as object[]
    const clusters = Array.from({ length: 20 }, (_, nth) => ({ ...cluster, name: `cluster-${nth}` }))
    const large = serialise({ ...first.world, ids: [{ ...one, decisions }], clusters })
    assert.ok(large.length > 200_000, `${large.length} bytes`)
    const isKept = await plane.store.write('a large World', (tx) =>
      tx.decisionWorlds.add({ number: 900, atMs: 1, version: '0', format: 1, world: large, proposal: large }),
    )
    assert.ok(isKept, 'the same World twice over is kept')

    // Another build, which believes in other savings.
    await plane.close()
    const altered = loops.map((loop) => ({
      ...loop,
      assess: (world: Parameters<typeof loop.assess>[0]) =>
        loop.assess({ ...world, times: { ...world.times, leastSavingShare: 0.99 } }),
    }))
    await fleet.start(t, { dataDir, autopilot: { loops: altered } })
    const other = await replay()
    assert.equal(other.same, false)
    assert.match(other.reason ?? '', /a change is worth it from 99 %/)
    const text = await mq(t, fleet.plane, ['decision', 'show', String(decision.number), '--replay'])
    assert.match(text, /no proposal: /)
  },
)

test('what is kept of Worlds is bounded by age, number and size, and what is gone is said', TIMEOUT, async (t) => {
  const fleet = new Fleet({ instances: 3 })
  const { store, call } = await fleet.start(t)
  const add = (number: number, atMs: number, world = '{}'): Promise<boolean> =>
    store.write('a World', (tx) =>
      tx.decisionWorlds.add({ number, atMs, version: '0', format: 1, world, proposal: '{}' }),
    )
  const kept = async (numbers: readonly number[]): Promise<number[]> => {
    const found = await Promise.all(numbers.map((number) => store.read.decisionWorlds.find(number)))
    return found.flatMap((one) => one?.number ?? [])
  }
  assert.ok(await add(1, 1_000))
  assert.ok(await add(2, 2_000))
  assert.ok(await add(KEEP_NEWEST + 1, 3_000))
  assert.deepEqual(await kept([1, 2, KEEP_NEWEST + 1]), [2, KEEP_NEWEST + 1], 'the newest so many')
  assert.ok(await add(KEEP_NEWEST + 2, 2_001 + KEEP_MS))
  assert.deepEqual(await kept([2, KEEP_NEWEST + 1, KEEP_NEWEST + 2]), [KEEP_NEWEST + 1, KEEP_NEWEST + 2], 'so long')
  const random = seeded(1)
  const noise = Array.from({ length: MAX_WORLD_BYTES * 2 }, () => String.fromCharCode(33 + random() * 90)).join('')
  assert.equal(await add(KEEP_NEWEST + 3, 3_000 + KEEP_MS, noise), false, 'too large')
  assert.deepEqual(await kept([KEEP_NEWEST + 3]), [])
  assertProblem(await call('GET', '/v1/decisions/9/replay'), 'MQ_DECISION_UNKNOWN')
})
