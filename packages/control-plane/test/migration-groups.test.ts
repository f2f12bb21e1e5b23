/**
 * For whom a migration waits: groups of mQ and of others, silent ones, deleted ones, and those that a person drops
 * (readers R1-R4, plan-readers A1-A2, drop-group G1-G3).
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Migration, MigrationPlan } from '@mq/contract'
import { assertProblem, type Harness } from './harness.ts'
import {
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
  type World,
} from './migration-on-fakes.ts'

const OLD = `${ID}.e1`
const TAIL = `tail-1@${ID}`
const check = (found: Migration, start: string) =>
  found.report.verdict.checks.find(({ claim }) => claim.startsWith(start))
const planOf = async (plane: Harness): Promise<MigrationPlan> =>
  MigrationPlan.parse((await plane.call('POST', `/v1/ids/${ID}/migrations`, { to: 'b', plan: true })).body.plan)
const drop = (plane: Harness, group: string, force = false) =>
  plane.call('POST', `/v1/ids/${ID}/groups/drop`, { group, force })

async function waitFor(plane: Harness, holds: (found: Migration) => boolean, what: string): Promise<Migration> {
  const deadline = performance.now() + 120_000
  for (;;) {
    const found = await migration(plane)
    if (holds(found)) return found
    assert.ok(performance.now() < deadline, `${what}: ${JSON.stringify({ ...found, steps: [], report: null })}`)
    await new Promise((done) => setTimeout(done, 5))
  }
}

/** The migration looks at its groups a few times more. */
async function looks(world: World, times = 6): Promise<void> {
  const count = (): number => world.a.calls.filter((name) => name === 'groupsOf').length
  const before = count()
  while (count() < before + times) await new Promise((done) => setTimeout(done, 2))
}

function join(world: World, groupId: string, members: number): void {
  const group = world.a.group(groupId)
  group.members = members
  group.assigned.set(OLD, new Set(members > 0 ? [0] : []))
}

test(
  'a group without members is named in plan and status, and dropping it lets the migration end',
  TIMEOUT,
  async (t) => {
    const world = makeWorld(t)
    const plane = await start(t, world)
    await declare(plane, world)
    for (const partition of [0, 1, 2, 3]) world.a.commit(TAIL, OLD, partition, 1n)
    const plan = await planOf(plane)
    assert.match(
      plan.warnings.join('\n'),
      /group 'tail-1' has no member and 36 records to read.*mq group drop orders.placed tail-1/,
    )
    assert.match(plan.checks.find((one) => one.check === 'groups')?.found ?? '', /billing \(0 members, 20 to read\)/)
    await plane.call('POST', `/v1/ids/${ID}/migrations`, { to: 'b' })
    await until(plane, ['draining'])
    readToEnd(world.a, OLD)
    const waiting = await waitFor(plane, ({ problem }) => problem !== null, 'nobody is named')
    assert.equal(waiting.state, 'draining')
    assert.equal(waiting.problem?.code, 'MQ_MIGRATION_GROUP_WAITS')
    assert.match(
      waiting.problem?.message ?? '',
      /group 'tail-1' has no member since .* and 36 records to read; start it, or: mq group drop orders.placed tail-1/,
    )
    assertProblem(await drop(plane, 'nobody'), 'MQ_GROUP_UNKNOWN')
    const dropped = await drop(plane, 'tail-1')
    assert.deepEqual(dropped.body, { group: 'tail-1', kind: 'mq', positions: 8, remaining: '36', migrations: [1] })
    assert.equal(world.a.groups.has(TAIL), false)
    const done = await over(plane)
    assert.equal(done.report.verdict.result, 'held')
    assert.equal(check(done, 'every group that was not dropped by a person')?.result, 'proven')
    assert.match(
      check(done, 'every group')?.evidence ?? '',
      /1 of 2 groups .* 'tail-1' was dropped by local with 36 records to read/,
    )
    assert.equal(world.a.topics.has(OLD), false, 'the word of a person counts for the deletion, too')
    const journal = await plane.call('GET', `/v1/journal?subject=${ID}`)
    assert.ok(journal.body.entries.some(({ kind }: { kind: string }) => kind === 'drop-group'))
  },
)

test(
  'a group that is not of mQ stands in plan, drain and report, and keeps the old topic while it has members',
  TIMEOUT,
  async (t) => {
    const world = makeWorld(t)
    const plane = await start(t, world)
    await declare(plane, world)
    world.a.commit('kcat-1', OLD, 0, 3n)
    join(world, 'kcat-1', 1)
    const plan = await planOf(plane)
    assert.match(
      plan.warnings.join('\n'),
      /group 'kcat-1' \(1 member: rdkafka@\/10.0.0.9, 37 records to read\) is not a client of mQ/,
    )
    await plane.call('POST', `/v1/ids/${ID}/migrations`, { to: 'b' })
    await until(plane, ['draining'])
    readToEnd(world.a, OLD)
    const behind = await waitFor(plane, ({ problem }) => problem !== null, 'it is not named')
    assert.match(
      behind.problem?.message ?? '',
      /group 'kcat-1' \(1 member: rdkafka@\/10.0.0.9\) is not a client of mQ and has 37 records to read/,
    )
    for (const partition of [0, 1, 2, 3]) world.a.commit('kcat-1', OLD, partition, 10n)
    const read = await waitFor(
      plane,
      ({ problem }) => problem?.message.includes('has read all') === true,
      'it is not done',
    )
    assert.equal(read.state, 'draining')
    assert.equal(check(read, 'every group')?.result, 'pending')
    join(world, 'kcat-1', 0)
    const done = await over(plane)
    assert.equal(check(done, 'every group')?.result, 'proven')
    assert.match(check(done, 'every group')?.evidence ?? '', /2 of 2 groups committed the end/)
  },
)

test('a group of others that comes in the drain, or after it, is not left behind', TIMEOUT, async (t) => {
  const world = makeWorld(t)
  const plane = await start(t, world, { deleteAfterMs: 150 })
  await declare(plane, world)
  await plane.call('POST', `/v1/ids/${ID}/migrations`, { to: 'b' })
  await until(plane, ['draining'])
  world.a.commit('late', OLD, 1, 2n)
  join(world, 'late', 2)
  readToEnd(world.a, OLD)
  await waitFor(
    plane,
    ({ groups }) => groups.some(({ group, members }) => group === 'late' && members === 2),
    'it is not seen',
  )
  await looks(world)
  assert.equal((await migration(plane)).state, 'draining')
  // A member may be left behind, but only on purpose.
  assertProblem(await drop(plane, 'late'), 'MQ_GROUP_IN_USE')
  assert.equal((await drop(plane, 'late', true)).body.kind, 'other')
  assert.equal(world.a.groups.get('late')?.commits.size, 1, 'positions of a group with members stay')
  await until(plane, ['retired'])
  join(world, 'later', 1)
  const kept = await waitFor(plane, ({ problem }) => problem !== null, 'the topic is not kept')
  assert.match(kept.problem?.message ?? '', /is not deleted .* group 'later' .*still reads it/)
  assert.equal(world.a.topics.has(OLD), true)
  world.a.groups.delete('later')
  await over(plane)
  assert.equal(world.a.topics.has(OLD), false)
})

test(
  'a group that is deleted meanwhile does not hold the migration, and is not told to have read all',
  TIMEOUT,
  async (t) => {
    const world = makeWorld(t)
    const plane = await start(t, world)
    await declare(plane, world)
    for (const partition of [0, 1, 2, 3]) world.a.commit(TAIL, OLD, partition, 1n)
    await plane.call('POST', `/v1/ids/${ID}/migrations`, { to: 'b' })
    await until(plane, ['draining'])
    await waitFor(plane, ({ groups }) => groups.length === 2, 'not both are seen')
    world.a.groups.delete(TAIL)
    readToEnd(world.a, OLD)
    const done = await over(plane)
    assert.equal(check(done, 'every group')?.result, 'unknown')
    assert.match(
      check(done, 'every group')?.evidence ?? '',
      /'tail-1' was deleted by somebody, with 36 records to read when it was last seen/,
    )
    assert.ok(done.groups.find(({ group }) => group === 'tail-1')?.goneAtMs)
  },
)

test(
  'a group that was deleted before the first look of the drain is known from the preparation',
  TIMEOUT,
  async (t) => {
    const world = makeWorld(t)
    const plane = await start(t, world)
    await declare(plane, world)
    for (const partition of [0, 1, 2, 3]) world.a.commit(TAIL, OLD, partition, 1n)
    world.a.before = (call) => {
      if (call === 'sealedEnds') world.a.groups.delete(TAIL)
    }
    await plane.call('POST', `/v1/ids/${ID}/migrations`, { to: 'b' })
    await until(plane, ['draining'])
    readToEnd(world.a, OLD)
    const done = await over(plane)
    assert.equal(check(done, 'every group')?.result, 'unknown')
    assert.match(check(done, 'every group')?.evidence ?? '', /with 36 records to read/)
  },
)

test('a group that loses its positions and still exists is waited for', TIMEOUT, async (t) => {
  const world = makeWorld(t)
  const plane = await start(t, world)
  await declare(plane, world)
  await plane.call('POST', `/v1/ids/${ID}/migrations`, { to: 'b' })
  await until(plane, ['draining'])
  await waitFor(plane, ({ groups }) => groups.length === 1, 'it is not seen')
  world.a.group(GROUP).commits.delete(OLD)
  const behind = await waitFor(plane, ({ groups }) => groups[0]?.remaining === '40', 'its positions are not looked at')
  assert.equal(behind.groups[0]?.goneAtMs, null)
  readToEnd(world.a, OLD)
  await over(plane)
})
