/**
 * A control plane that stops, or dies at a write, while readers try another way to fetch (steps X1, desk W1).
 */
import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { isDecided, MqError } from '@mq/contract'
import { dieAt, temporaryFolder } from './harness.ts'
import { ReadersFleet } from './readers-fleet.ts'

const TIMEOUT = { timeout: 300_000 }
const EVERY_MS = { fetchMinBytes: 1, fetchMaxWaitMs: 1 } as const
/** Short, and the same order of things. */
const loopTimes = { observeMs: 6_000, leastTrialMs: 6_000, longestTrialMs: 30_000, watchMs: 5_000, settleMs: 0 }

async function restarted(t: TestContext, groups: Record<string, number>, at: string): Promise<void> {
  const dataDir = temporaryFolder(t)
  const fleet = new ReadersFleet({ groups, recordsPerSecond: 200 })
  await fleet.start(t, { dataDir, loopTimes })
  await fleet.declare(EVERY_MS)
  const before = fleet.binding.consumer
  const reached = await fleet.until(100, at)
  assert.equal(reached?.state, at, reached?.status ?? JSON.stringify(fleet.engine.outlooks()))
  await fleet.plane.close()
  await fleet.start(t, { dataDir, loopTimes })
  const decision = await fleet.until(120, 'kept', 'undone')
  assert.ok(decision?.state === 'kept' || decision?.state === 'undone', `${decision?.state} ${decision?.status}`)
  t.diagnostic(`${JSON.stringify(groups)}, restarted in ${at}: ${decision.state}, ${decision.status}`)
  assert.ok(decision.change.kind === 'consumer-settings')
  assert.deepEqual(fleet.binding.consumer, decision.state === 'kept' ? decision.change.after : before)
  assert.equal(fleet.binding.trial ?? null, null)
}

for (const at of ['trial', 'watching']) {
  test(`restarted while readers are in ${at}, it is carried on from the row`, TIMEOUT, async (t) => {
    await restarted(t, { billing: 10 }, at)
    await restarted(t, { billing: 1 }, at)
  })
}

test('in the usual timing a restart in the middle of a trial does not end it, and none begins on a few reports', {
  timeout: 300_000,
}, async (t) => {
  const dataDir = temporaryFolder(t)
  const fleet = new ReadersFleet({ groups: { billing: 20 }, timing: 'usual' })
  const plane = await fleet.start(t, { dataDir })
  await plane.call('PUT', '/v1/policies/global', { maxChangesPerDay: 0 })
  await fleet.declare()
  const approved = await fleet.until(1_500, 'approved')
  assert.equal(approved?.state, 'approved', approved?.status ?? JSON.stringify(fleet.engine.outlooks()))
  await plane.call('PUT', '/v1/policies/global', { maxChangesPerDay: 6 })
  await fleet.plane.close()
  await fleet.start(t, { dataDir })
  await fleet.run(45)
  assert.equal((await fleet.fetching())?.state, 'approved')
  assert.match((await fleet.fetching())!.status, /since the control plane began/)
  const trying = await fleet.until(30, 'trial')
  assert.equal(trying?.state, 'trial', `${trying?.status}`)
  assert.deepEqual([trying.trial?.design, trying.trial?.instances.length], ['instances', 2])
  await fleet.run(120)
  await fleet.plane.close()
  // Longer than anybody may be silent.
  fleet.clock.advance(60_000)
  await fleet.start(t, { dataDir })
  await fleet.run(60)
  const after = await fleet.fetching()
  assert.ok(after?.state === 'trial' || after?.state === 'watching', `${after?.state} ${after?.status}`)
  const decision = await fleet.until(1_500, 'kept', 'undone')
  assert.equal(decision?.state, 'kept', `${decision?.status}`)
})

test('killed before or after any write, the next process carries it on or takes it back', TIMEOUT, async (t) => {
  const ends: Record<string, number> = {}
  for (const when of ['before', 'after'] as const) {
    for (let write = 1; write <= 12; write++) {
      const dataDir = temporaryFolder(t)
      const fleet = new ReadersFleet({ groups: { billing: 4 }, recordsPerSecond: 200 })
      await fleet.start(t, { dataDir, loopTimes })
      await fleet.declare(EVERY_MS)
      const before = fleet.binding.consumer
      const death = dieAt(fleet.plane, write, when)
      for (let passed = 0; passed < 60 && !death.isDead(); passed++) {
        await fleet.pass().catch((error: unknown) => {
          if (!(error instanceof MqError) || error.code !== 'MQ_STORE_FAILED') throw error
        })
        const newest = await fleet.fetching()
        if (newest !== undefined && isDecided(newest.state)) break
      }
      await fleet.plane.close()
      if (!death.isDead()) break
      await fleet.start(t, { dataDir, loopTimes })
      const last = await fleet.until(90, 'kept', 'undone')
      const label = `write ${write}, ${when}: ${last?.state} ${last?.status}`
      assert.ok(last !== undefined && isDecided(last.state) && last.change.kind === 'consumer-settings', label)
      assert.deepEqual(fleet.binding.consumer, last.state === 'kept' ? last.change.after : before, label)
      assert.equal(fleet.binding.trial ?? null, null, label)
      ends[last.state] = (ends[last.state] ?? 0) + 1
      await fleet.plane.close()
    }
  }
  t.diagnostic(JSON.stringify(ends))
  assert.ok((ends.kept ?? 0) >= 6, JSON.stringify(ends))
})
