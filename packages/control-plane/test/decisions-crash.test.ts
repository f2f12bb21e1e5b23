/**
 * A control plane that dies at any write of a decision: the next one goes on or undoes, from the row alone (X1, W1).
 */
import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { type Decision, isDecided, isUnderWay } from '@mq/contract'
import { Fleet, ID } from './fleet.ts'
import { dieAt, temporaryFolder } from './harness.ts'

interface CrashPlan {
  readonly instances: number
  /** Which write of a decision the first process does not survive. */
  readonly write: number
  /** `before`: it never happened. `after`: it happened, and nobody was told. */
  readonly when: 'before' | 'after'
  readonly harm: boolean
  /** Undone by a person once it is kept. */
  readonly undo: boolean
}

/** @returns how it ended, and whether the crash came at all */
async function crashAt(t: TestContext, plan: CrashPlan): Promise<[string, boolean]> {
  const dataDir = temporaryFolder(t)
  const fleet = new Fleet({
    instances: plan.instances,
    ratePerInstance: 1_000,
    tells: (_instance, _settings, trial, honest) => (plan.harm && trial !== null ? { errors: honest.records } : {}),
  })
  // Short, and the same order of things.
  const loopTimes = {
    observeMs: 6_000,
    leastTrialMs: 6_000,
    longestTrialMs: 40_000,
    watchMs: 5_000,
    settleMs: 0,
    leastWindows: 6,
  }
  await fleet.start(t, { dataDir, loopTimes })
  await fleet.declareBadly()
  const before = fleet.binding.producer
  const death = dieAt(fleet.plane, plan.write, plan.when)
  const over = async (): Promise<boolean> => {
    const [newest] = await fleet.decisions()
    return newest !== undefined && isDecided(newest.state)
  }
  const finish = async (): Promise<void> => {
    await fleet.run(80, async () => death.isDead() || (await over()))
    const [newest] = await fleet.decisions()
    if (!plan.undo || death.isDead() || newest?.state !== 'kept') return
    await fleet.plane.call('POST', `/v1/decisions/${newest.number}/undo`)
  }
  await finish()
  const wasReached = death.isDead()
  await fleet.plane.close()
  await fleet.start(t, { dataDir, loopTimes })
  await fleet.run(100, over)
  const [decision] = (await fleet.decisions()) as [Decision]
  if (plan.undo && decision.state === 'kept') {
    await fleet.plane.call('POST', `/v1/decisions/${decision.number}/undo`)
  }
  const all = await fleet.decisions()
  const last = all[0]!
  const label = `${JSON.stringify(plan)} ended ${last.state}: ${last.status}`
  assert.ok(all.filter(({ state }) => isUnderWay(state)).length === 0, label)
  assert.equal(fleet.binding.trial ?? null, null, label)
  assert.ok(last.change.kind === 'producer-settings', label)
  if (last.state === 'kept') assert.deepEqual(fleet.binding.producer, last.change.after, label)
  else assert.deepEqual(fleet.binding.producer, before, label)
  if (plan.harm) assert.notEqual(last.state, 'kept', label)
  else if (!plan.undo) assert.ok(['kept', 'undone'].includes(last.state), label)
  const stored = fleet.plane.registry.get(ID)
  assert.equal(stored?.pending, null, label)
  await fleet.plane.close()
  return [last.state, wasReached]
}

test('killed before or after any write of a decision, it is carried on or undone by the next process', {
  timeout: 300_000,
}, async (t) => {
  const ends: Record<string, number> = {}
  let crashes = 0
  for (const [instances, harm, undo] of [
    [3, false, false],
    [3, true, false],
    [3, false, true],
    [1, false, false],
  ] as const) {
    for (const when of ['before', 'after'] as const) {
      // One instance takes turns for ever; the writes of its first turns stand for all.
      for (let write = 1; write <= (instances === 1 ? 5 : 30); write++) {
        const [end, wasReached] = await crashAt(t, { instances, write, when, harm, undo })
        ends[end] = (ends[end] ?? 0) + 1
        if (!wasReached) break
        crashes++
      }
    }
  }
  t.diagnostic(`${crashes} crashes, ended as ${JSON.stringify(ends)}`)
  assert.ok(crashes >= 30, `${crashes} crashes`)
  for (const end of ['kept', 'undone']) assert.ok((ends[end] ?? 0) > 3, JSON.stringify(ends))
})
