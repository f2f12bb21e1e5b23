/**
 * A new epoch that is given up again while clients may open it by proof: what is closed first, what a cancel waits for, and what a person
 * can do where it waits (withdraw.ts, undo.ts).
 */
import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { assertProblem, type Harness } from './harness.ts'
import {
  bindingOf,
  declare,
  ID,
  makeWorld,
  migration,
  over,
  readToEnd,
  start,
  states,
  TIMEOUT,
  until,
  type World,
} from './migration-on-fakes.ts'
import { AWAY, Client, NEW, OLD, pause, sealing, settle } from './succession-client.ts'

test(
  'a cancel closes the new topic before it lets it go, and nobody can write to it from then on (N1)',
  TIMEOUT,
  async (t) => {
    const world = makeWorld(t)
    const plane = await sealing(t, world)
    const client = new Client(world, bindingOf(plane))
    let closed = 0
    world.b.before = (name) => {
      if (name !== 'deleteTopic') return
      closed = world.b.topics.get(NEW)?.sealed.size ?? 0
    }
    assert.equal((await plane.call('POST', '/v1/migrations/1/cancel')).body.state, 'cancelled')
    await over(plane)
    assert.equal(closed, 6, 'every leader of it refused data before it was deleted')
    world.b.addForeignTopic(NEW, 6, 0n)
    for (const partition of [0, 1, 2, 3]) world.a.topics.get(OLD)!.sealed.add(partition)
    assert.equal(client.binding.epochs.length, 2)
  },
)

test('a cancel that comes after a client went on goes forward, and says why (N2)', TIMEOUT, async (t) => {
  const world = makeWorld(t)
  const plane = await sealing(t, world)
  const client = new Client(world, bindingOf(plane))
  // The leaders follow, one at a time, behind the back of the control plane.
  const gate = Promise.withResolvers<void>()
  world.a.before = (name) => (name === 'probeSeal' ? gate.promise : undefined)
  settle(world)
  assert.ok(client.send(), 'it proves the seal, and opens')
  assert.equal(client.acked.get(NEW), 1n)
  const cancelling = plane.call('POST', '/v1/migrations/1/cancel')
  gate.resolve()
  world.a.leadersPerProbe = 2
  assertProblem(await cancelling, 'MQ_MIGRATION_SEALED')
  await until(plane, ['draining'])
  readToEnd(world.a, OLD)
  assert.equal((await over(plane)).state, 'retired')
  assert.equal(world.b.topics.get(NEW)?.ends[0], 1n)
})

test(
  'where somebody else sealed the old topic, an epoch that clients went on in is not taken back (N2)',
  TIMEOUT,
  async (t) => {
    const world = makeWorld(t)
    const plane = await prepared(t, world)
    await sealedByHand(plane, world)
    const { entries } = (await plane.call('GET', `/v1/journal?subject=${ID}`)).body
    assert.match(JSON.stringify(entries), /a client wrote to epoch 2 already/)
    await until(plane, ['draining'])
    readToEnd(world.a, OLD)
    await over(plane)
    assert.equal(states(bindingOf(plane)), '2 open')
    settle(world)
    assert.ok(world.b.append(NEW, 0, 1n), 'what was closed for a moment is open again (N5)')
  },
)

/** Everything is prepared, and nothing was asked of the old topic yet. */
async function prepared(t: TestContext, world: World, times: Record<string, number> = {}): Promise<Harness> {
  const plane = await start(t, world, { warmMs: 20_000, prepareMs: 60_000, ...times })
  await declare(plane, world)
  world.a.group('billing@orders.placed').members = 1
  await plane.call('POST', `/v1/ids/${ID}/migrations`, { to: 'b', partitions: 6 })
  await until(plane, ['prepared'])
  return plane
}

/** Somebody else seals the old topic, a client goes on in the new one, and a cancel is refused. */
async function sealedByHand(plane: Harness, world: World): Promise<void> {
  const client = new Client(world, bindingOf(plane))
  const topic = world.a.topics.get(OLD)!
  topic.configs = { ...topic.configs, 'max.message.bytes': '78' }
  settle(world)
  assert.ok(client.send())
  assertProblem(await plane.call('POST', '/v1/migrations/1/cancel'), 'MQ_MIGRATION_SEALED')
}

async function waitsForB(plane: Harness): Promise<void> {
  const deadline = performance.now() + 120_000
  for (;;) {
    const { state, problem } = await migration(plane)
    if (state === 'undoing' && problem !== null) {
      assert.match(
        problem.message,
        /no broker answers.*cluster 'b' alone.*bring it back.*mq migrate cancel 1 --force$/s,
      )
      return
    }
    assert.ok(performance.now() < deadline, `${state}: it says what it waits for`)
    await pause(5)
  }
}

test(
  'a cancel waits for a new cluster that is away, also before the seal: a client may go on there where somebody seals the old topic by hand',
  TIMEOUT,
  async (t) => {
    const world = makeWorld(t)
    const plane = await prepared(t, world)
    const client = new Client(world, bindingOf(plane))
    world.b.away = AWAY
    const cancelling = plane.call('POST', '/v1/migrations/1/cancel')
    await waitsForB(plane)
    assert.equal(states(bindingOf(plane)), '1 open, 2 preparing')
    assert.ok(world.a.append(OLD, 0, 1n), 'the old topic takes records meanwhile')
    // Somebody lowers the limit, and a client that the control plane is away for reaches both clusters.
    const topic = world.a.topics.get(OLD)!
    topic.configs = { ...topic.configs, 'max.message.bytes': '78' }
    world.b.away = undefined
    settle(world)
    assert.ok(client.send())
    world.b.away = AWAY
    await pause(30)
    world.b.away = undefined
    assertProblem(await cancelling, 'MQ_MIGRATION_SEALED')
    await until(plane, ['draining'])
    readToEnd(world.a, OLD)
    await over(plane)
    assert.equal(states(bindingOf(plane)), '2 open')
    assert.equal(world.b.topics.get(NEW)?.ends[0], 1n, 'what the client wrote is read by every group')
  },
)

test('a cancel that a person does not let wait ends without the new cluster, and the next seal does not come before it (U4, N6)', {
  timeout: 300_000,
}, async (t) => {
  const world = makeWorld(t)
  const plane = await prepared(t, world)
  world.b.away = AWAY
  void plane.call('POST', '/v1/migrations/1/cancel')
  await waitsForB(plane)
  assert.equal((await plane.call('POST', '/v1/migrations/1/cancel?force=true')).body.state, 'cancelled')
  assert.equal(states(bindingOf(plane)), '1 open')
  assert.match((await migration(plane)).problem?.message ?? '', /given up while cluster 'b' was away.*no group reads/s)
  const { entries } = (await plane.call('GET', `/v1/journal?subject=${ID}`)).body
  assert.match(JSON.stringify(entries), /migration-left-open/)
  world.a.group('billing@orders.placed').members = 0
  const next = await plane.call('POST', `/v1/ids/${ID}/migrations`, { partitions: 8 })
  assert.equal(next.status, 200, next.text)
  const deadline = performance.now() + 120_000
  for (;;) {
    const { state, steps } = await migration(plane, 2)
    assert.ok(['planned', 'prepared'].includes(state), state)
    const problem = steps.find(({ step }) => step === 'warm')?.problem
    if (problem != null) {
      assert.match(
        problem,
        /epoch 2 of 'orders\.placed', which migration 1 gave up, is not closed yet on cluster 'b'.*mq cluster remove b/,
      )
      break
    }
    assert.ok(performance.now() < deadline, 'it waits for the closing')
    await pause(5)
  }
  assert.ok(!world.a.calls.includes('requestSeal'))
  world.b.away = undefined
  await until(plane, ['open', 'draining'], 2, 120_000)
  assert.equal((await migration(plane, 1)).problem, null)
})

test('a new cluster that never comes back can be forgotten, and holds nothing up any more (N6)', {
  timeout: 300_000,
}, async (t) => {
  const world = makeWorld(t)
  const plane = await sealing(t, world)
  world.b.away = AWAY
  void plane.call('POST', '/v1/migrations/1/cancel')
  await waitsForB(plane)
  assertProblem(await plane.call('DELETE', '/v1/clusters/b'), 'MQ_CLUSTER_IN_USE')
  assert.equal((await plane.call('POST', '/v1/migrations/1/cancel?force=true')).body.state, 'cancelled')
  const topic = world.a.topics.get(OLD)!
  assert.notEqual(topic.configs['max.message.bytes'], '78', 'the seal is taken back')
  assert.equal((await plane.call('DELETE', '/v1/clusters/b')).status, 200)
  world.a.leadersPerProbe = 4
  const next = await plane.call('POST', `/v1/ids/${ID}/migrations`, { partitions: 8 })
  assert.equal(next.status, 200, next.text)
  await until(plane, ['open', 'draining'], 2, 120_000)
  await over(plane)
})

test('a word not to wait changes nothing while the new cluster answers', TIMEOUT, async (t) => {
  const world = makeWorld(t)
  const plane = await prepared(t, world)
  assert.equal((await plane.call('POST', '/v1/migrations/1/cancel?force=true')).body.state, 'cancelled')
  await over(plane)
  assert.ok(!world.b.topics.has(NEW))
  const { entries } = (await plane.call('GET', `/v1/journal?subject=${ID}`)).body
  assert.doesNotMatch(JSON.stringify(entries), /migration-left-open/)
})

test('a cancel after the seal was asked for waits for the new cluster, and says so', TIMEOUT, async (t) => {
  const world = makeWorld(t)
  const plane = await sealing(t, world)
  world.b.away = AWAY
  const cancelling = plane.call('POST', '/v1/migrations/1/cancel')
  await until(plane, ['undoing'])
  await pause(150)
  const waiting = await migration(plane)
  assert.equal(waiting.state, 'undoing')
  assert.equal(states(bindingOf(plane)), '1 open, 2 preparing')
  await waitsForB(plane)
  assert.ok(world.a.append(OLD, 0, 1n), 'the old topic takes records meanwhile')
  world.b.away = undefined
  await until(plane, ['cancelled'])
  assert.equal((await cancelling).body.state, 'cancelled')
  await over(plane)
})

test(
  'a request to close the new topic that takes effect after it was opened again is taken back (N5)',
  TIMEOUT,
  async (t) => {
    const world = makeWorld(t)
    const plane = await prepared(t, world, { watchMs: 300 })
    await sealedByHand(plane, world)
    await until(plane, ['open'])
    const next = world.b.topics.get(NEW)!
    next.configs = { ...next.configs, 'max.message.bytes': '78' }
    await until(plane, ['draining'])
    assert.notEqual(
      world.b.topics.get(NEW)?.configs['max.message.bytes'],
      '78',
      'sends to the open epoch would wait for ever',
    )
    const { entries } = (await plane.call('GET', `/v1/journal?subject=${ID}`)).body
    assert.match(JSON.stringify(entries), /migration-late-seal/)
    readToEnd(world.a, OLD)
    await over(plane)
  },
)
