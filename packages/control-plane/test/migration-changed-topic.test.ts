/**
 * Somebody else changes the old topic of a migration: what is planned, sealed, drained and deleted is what is there
 * (plan N3, seal S5, source-topic T1-T3, drain D6, delete-topic D7).
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Migration, MigrationPlan } from '@mq/contract'
import { assertProblem, type Harness } from './harness.ts'
import {
  bindingOf,
  declare,
  GROUP,
  ID,
  makeWorld,
  migration,
  over,
  readToEnd,
  start,
  TIMEOUT,
  until,
} from './migration-on-fakes.ts'

const OLD = `${ID}.e1`
const check = (found: Migration, start: string) =>
  found.report.verdict.checks.find(({ claim }) => claim.startsWith(start))
const planOf = async (plane: Harness): Promise<MigrationPlan> =>
  MigrationPlan.parse((await plane.call('POST', `/v1/ids/${ID}/migrations`, { to: 'b', plan: true })).body.plan)
const kinds = async (plane: Harness): Promise<string[]> =>
  (await plane.call('GET', `/v1/journal?subject=${ID}`)).body.entries.map(({ kind }: { kind: string }) => kind)

test('partitions that somebody added are planned, sealed, proven and read to their ends', TIMEOUT, async (t) => {
  const world = makeWorld(t)
  const plane = await start(t, world)
  await declare(plane, world)
  world.a.addPartitions(OLD, 6, 7n)
  const plan = await planOf(plane)
  assert.match(plan.warnings.join('\n'), /has 6 partitions and mQ made 4/)
  assert.match(plan.checks.find((one) => one.check === 'old topic')?.found ?? '', /has 6 partitions and mQ made 4/)
  await plane.call('POST', `/v1/ids/${ID}/migrations`, { to: 'b' })
  const draining = await until(plane, ['draining'])
  assert.deepEqual(draining.endOffsets, ['10', '10', '10', '10', '7', '7'])
  assert.equal(draining.proofs.length, 6)
  const sealed = bindingOf(plane).epochs[0]!
  assert.equal(sealed.partitions, 4)
  assert.deepEqual(sealed.endOffsets, ['10', '10', '10', '10'])
  assert.deepEqual(sealed.addedEndOffsets, ['7', '7'])
  for (let partition = 0; partition < 4; partition++) world.a.commit(GROUP, OLD, partition, 10n)
  // The group has read all but what stands in the added partitions.
  const before = world.a.calls.filter((name) => name === 'groupsOf').length
  while (world.a.calls.filter((name) => name === 'groupsOf').length < before + 5) {
    await new Promise((done) => setTimeout(done, 2))
  }
  assert.equal((await migration(plane)).state, 'draining')
  readToEnd(world.a, OLD)
  const done = await over(plane)
  assert.equal(world.a.topics.has(OLD), false)
  assert.match(check(done, 'nothing was added')?.evidence ?? '', /6 of 6 leaders/)
  assert.match(check(done, 'nothing was added')?.evidence ?? '', /2 partitions more than mQ made/)
  // The registry keeps the ends of added partitions over a restart until the epoch is gone.
  assert.equal(bindingOf(plane).epochs.length, 1)
})

test('partitions that are added while leaders are proven are sealed with the others', TIMEOUT, async (t) => {
  const world = makeWorld(t)
  const plane = await start(t, world)
  await declare(plane, world)
  let isAdded = false
  world.a.before = (call) => {
    if (call !== 'requestSeal' || isAdded) return
    isAdded = true
    world.a.addPartitions(OLD, 5, 3n)
  }
  await plane.call('POST', `/v1/ids/${ID}/migrations`, { to: 'b' })
  const draining = await until(plane, ['draining'])
  assert.deepEqual(draining.endOffsets, ['10', '10', '10', '10', '3'])
  readToEnd(world.a, OLD)
  await over(plane)
})

test('partitions that are added after the seal are read too, also over a restart', TIMEOUT, async (t) => {
  const world = makeWorld(t)
  const plane = await start(t, world)
  await declare(plane, world)
  await plane.call('POST', `/v1/ids/${ID}/migrations`, { to: 'b' })
  await until(plane, ['draining'])
  world.a.addPartitions(OLD, 5)
  // A record of a foreign producer that is as small as a marker passes the seal.
  world.a.topics.get(OLD)!.ends[4] = 2n
  await plane.close()
  const again = await start(t, world)
  const deadline = performance.now() + 120_000
  while (bindingOf(again).epochs[0]?.addedEndOffsets === undefined) {
    assert.ok(performance.now() < deadline, JSON.stringify((await migration(again)).steps))
    await new Promise((done) => setTimeout(done, 5))
  }
  assert.deepEqual(bindingOf(again).epochs[0]?.addedEndOffsets, ['2'])
  await again.close()
  const third = await start(t, world)
  assert.deepEqual(bindingOf(third).epochs[0]?.addedEndOffsets, ['2'])
  assert.deepEqual(bindingOf(third).epochs[0]?.endOffsets, ['10', '10', '10', '10'])
  readToEnd(world.a, OLD)
  await over(third)
  assert.ok((await kinds(third)).includes('migration-partitions-added'))
})

test('a topic that is gone, or another one of its name, is not moved from', TIMEOUT, async (t) => {
  const world = makeWorld(t)
  const plane = await start(t, world)
  await declare(plane, world)
  const old = world.a.topics.get(OLD)!
  world.a.recreate(OLD, 4, 50n)
  assert.match((await planOf(plane)).refusal?.message ?? '', /was deleted and created anew/)
  world.a.topics.delete(OLD)
  assert.match((await planOf(plane)).refusal?.message ?? '', /does not exist any more/)
  assertProblem(await plane.call('POST', `/v1/ids/${ID}/migrations`, { to: 'b' }), 'MQ_MIGRATION_REFUSED')
  world.a.topics.set(OLD, old)
  assert.equal((await planOf(plane)).refusal, null)
})

test(
  'a topic that is created anew before a leader refuses undoes the migration; afterwards it goes on and says so',
  TIMEOUT,
  async (t) => {
    for (const isLate of [false, true]) {
      const world = makeWorld(t)
      const plane = await start(t, world)
      await declare(plane, world)
      let isDone = false
      world.a.before = (call) => {
        if (
          call !== (isLate ? 'sealedEnds' : 'groupsOf') ||
          isDone ||
          (isLate && world.a.topics.get(OLD)!.sealed.size < 4)
        )
          return
        isDone = true
        world.a.recreate(OLD, 4, 3n)
      }
      await plane.call('POST', `/v1/ids/${ID}/migrations`, { to: 'b' })
      if (!isLate) {
        const failed = await until(plane, ['failed'])
        assert.match(failed.problem?.message ?? '', /created anew/)
        continue
      }
      const draining = await until(plane, ['draining'])
      assert.deepEqual(draining.endOffsets, ['3', '3', '3', '3'])
      assert.equal(check(draining, 'every group')?.result, 'broken')
      assert.ok((await kinds(plane)).includes('migration-topic-changed'))
    }
  },
)

test(
  'a topic that is deleted while groups read it ends the wait, and what they had not read is gone',
  TIMEOUT,
  async (t) => {
    const world = makeWorld(t)
    const plane = await start(t, world)
    await declare(plane, world)
    await plane.call('POST', `/v1/ids/${ID}/migrations`, { to: 'b' })
    await until(plane, ['draining'])
    while ((await migration(plane)).groups.length === 0) await new Promise((done) => setTimeout(done, 2))
    world.a.recreate(OLD, 4, 50n)
    const done = await until(plane, ['retired'])
    assert.equal(check(done, 'every group')?.result, 'broken')
    assert.match(check(done, 'every group')?.evidence ?? '', /20 offsets are gone/)
    const end = await over(plane)
    assert.equal(end.steps.find(({ step }) => step === 'delete-topic')?.result.kept, true)
    assert.equal(world.a.topics.has(OLD), true, 'a topic that mQ did not make is not deleted')
  },
)

test('a topic with records that no group has read is kept, and that is said', TIMEOUT, async (t) => {
  const world = makeWorld(t)
  const plane = await start(t, world, { deleteAfterMs: 50 })
  await declare(plane, world)
  await plane.call('POST', `/v1/ids/${ID}/migrations`, { to: 'b' })
  await until(plane, ['draining'])
  readToEnd(world.a, OLD)
  await until(plane, ['retired'])
  world.a.topics.get(OLD)!.ends[2] = 12n
  const deadline = performance.now() + 120_000
  while (!(await kinds(plane)).includes('migration-topic-kept')) {
    assert.ok(performance.now() < deadline)
    await new Promise((done) => setTimeout(done, 5))
  }
  assert.equal(world.a.topics.has(OLD), true)
  assert.match(
    (await migration(plane)).steps.find(({ step }) => step === 'delete-topic')?.problem ?? '',
    /partition 2 holds records up to offset 12 and group 'billing' has not read beyond 10/,
  )
  world.a.topics.get(OLD)!.starts[2] = 12n
  await over(plane)
  assert.equal(world.a.topics.has(OLD), false)
})

test(
  'an engine that stores what it should refuse is found out on a canary topic, and the topic of the mQ ID is not touched',
  TIMEOUT,
  async (t) => {
    for (const fault of ['checksCrc', 'honoursValidateOnly'] as const) {
      const world = makeWorld(t)
      const plane = await start(t, world)
      await declare(plane, world)
      const before = structuredClone({ ...world.a.topics.get(OLD)! })
      world.a[fault] = false
      assert.equal((await planOf(plane)).refusal?.code, 'MQ_SEAL_UNSAFE')
      assertProblem(await plane.call('POST', `/v1/ids/${ID}/migrations`, { to: 'b' }), 'MQ_SEAL_UNSAFE')
      assert.deepEqual({ ...world.a.topics.get(OLD)! }, before)
      assert.ok(!world.a.calls.some((call) => ['probeSeal', 'validateSeal', 'requestSeal'].includes(call)))
      world.a[fault] = true
      assert.equal((await planOf(plane)).refusal, null, 'a cluster that failed is tried out anew')
      const checks = world.a.calls.filter((call) => call === 'checkSealing').length
      assert.equal((await planOf(plane)).refusal, null)
      assert.equal(
        world.a.calls.filter((call) => call === 'checkSealing').length,
        checks,
        'one that passed is believed',
      )
      await plane.close()
    }
  },
)
