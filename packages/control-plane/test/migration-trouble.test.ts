/**
 * Moves on fake clusters when something goes away: the old cluster in the drain, the new one right after the opening, and a
 * request for the seal that takes effect after it was taken back.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { MqError } from '@mq/contract'
import { assertProblem, type Harness, movableClock } from './harness.ts'
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
  states,
  TIMEOUT,
  until,
  type World,
} from './migration-on-fakes.ts'

const AWAY = new MqError('MQ_KAFKA_UNREACHABLE', 'no broker of cluster a answers')
const OLD = `${ID}.e1`
const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))

const kinds = async (plane: Harness): Promise<string[]> =>
  (await plane.call('GET', `/v1/journal?subject=${ID}`)).body.entries.map((one: { kind: string }) => one.kind)

/** Waits for a migration that is begun by itself. */
async function begun(plane: Harness, number: number): Promise<void> {
  const deadline = performance.now() + 120_000
  while ((await plane.call('GET', `/v1/migrations/${number}`)).status !== 200) {
    assert.ok(performance.now() < deadline, JSON.stringify(await migration(plane)))
    await pause(2)
  }
}

/** A migration whose old cluster goes away when a group has read half of it. */
async function loseSource(plane: Harness, world: World, onLostSource: 'wait' | 'skip'): Promise<void> {
  await declare(plane, world)
  const answer = await plane.call('POST', `/v1/ids/${ID}/migrations`, { to: 'b', onLostSource })
  assert.equal(answer.status, 200, answer.text)
  await until(plane, ['draining'])
  while ((await migration(plane)).groups.length === 0) await pause(2)
  world.a.away = AWAY
}

test(
  'groups wait for an old cluster that is away, and the migration says so and what to do (L1)',
  TIMEOUT,
  async (t) => {
    const world = makeWorld(t)
    const plane = await start(t, world)
    await loseSource(plane, world, 'wait')
    await pause(150)
    const waiting = await migration(plane)
    assert.equal(waiting.state, 'draining')
    assert.equal(waiting.problem?.code, 'MQ_KAFKA_UNREACHABLE')
    assert.match(waiting.problem?.message ?? '', /mq migrate skip 1/)
    assert.equal(states(bindingOf(plane)), '1 sealed, 2 open')
    world.a.away = undefined
    readToEnd(world.a, OLD)
    const done = await over(plane)
    assert.equal(done.state, 'retired')
    assert.equal(done.problem, null)
    assert.deepEqual(done.ledger, [])
    assert.equal(done.report.verdict.result, 'held')
  },
)

test(
  'with skip groups go on, what they missed stands in the ledger, and they get it late (L2, L3)',
  TIMEOUT,
  async (t) => {
    const world = makeWorld(t)
    const plane = await start(t, world)
    await loseSource(plane, world, 'skip')
    const stranded = await until(plane, ['stranded'])
    assert.equal(states(bindingOf(plane)), '1 lost, 2 open')
    assert.deepEqual(
      stranded.ledger,
      [0, 1, 2, 3].map((partition) => ({
        ...{ group: 'billing', partition, from: '5', to: '10', gone: '0', settledAtMs: null },
      })),
    )
    assert.match(stranded.problem?.message ?? '', /went on without the rest of epoch 1/)
    assert.match(JSON.stringify(stranded.report.verdict), /20 offsets wait for cluster 'a' to come back/)
    assert.equal(stranded.cancellable, false)
    // Nothing stands in the way of another migration meanwhile.
    assert.equal(
      (await plane.call('POST', `/v1/ids/${ID}/migrations`, { partitions: 6, plan: true })).body.plan.refusal,
      null,
    )
    world.a.away = undefined
    await until(plane, ['draining'])
    assert.equal(states(bindingOf(plane)), '1 sealed, 2 open')
    assert.equal(bindingOf(plane).epochs[0]?.late, true)
    assert.deepEqual(bindingOf(plane).epochs[0]?.endOffsets, ['10', '10', '10', '10'])
    world.a.commit(GROUP, OLD, 0, 10n)
    while ((await migration(plane)).groups[0]?.remaining !== '15') await pause(2)
    readToEnd(world.a, OLD)
    const done = await over(plane)
    assert.equal(done.state, 'retired')
    assert.ok(done.ledger.every(({ settledAtMs }) => settledAtMs !== null))
    assert.ok(done.ledger.every(({ gone }) => gone === '0'))
    assert.equal(done.report.verdict.result, 'broken', 'order was not kept, and the report says so')
    const read = done.report.verdict.checks.find(({ claim }) => claim.startsWith('every group'))
    assert.equal(read?.result, 'proven', JSON.stringify(read))
    assert.ok(!world.a.topics.has(OLD))
    const found = await kinds(plane)
    assert.ok(found.includes('migration-stranded') && found.includes('migration-late'), found.join())
  },
)

test('waiting groups are let go by mq migrate skip, and not once a migration is over', TIMEOUT, async (t) => {
  const world = makeWorld(t)
  const plane = await start(t, world)
  await loseSource(plane, world, 'wait')
  await pause(100)
  const told = await plane.call('POST', '/v1/migrations/1/skip')
  assert.equal(told.body.onLostSource, 'skip', told.text)
  await until(plane, ['stranded'])
  world.a.away = undefined
  await until(plane, ['draining'])
  readToEnd(world.a, OLD)
  await over(plane)
  assertProblem(await plane.call('POST', '/v1/migrations/1/skip'), 'MQ_MIGRATION_REFUSED')
  assertProblem(await plane.call('POST', '/v1/migrations/9/skip'), 'MQ_MIGRATION_UNKNOWN')
})

test('a short absence strands nobody, and a second one is stranded with the same ledger', TIMEOUT, async (t) => {
  const world = makeWorld(t)
  const plane = await start(t, world, { lostMs: 1_500 })
  await loseSource(plane, world, 'skip')
  await pause(100)
  world.a.away = undefined
  await pause(100)
  assert.equal((await migration(plane)).state, 'draining')
  world.a.away = AWAY
  const first = await until(plane, ['stranded'])
  world.a.away = undefined
  await until(plane, ['draining'])
  world.a.away = AWAY
  const second = await until(plane, ['stranded'])
  assert.deepEqual(second.ledger, first.ledger)
  assert.equal(states(bindingOf(plane)), '1 lost, 2 open')
  world.a.away = undefined
  await until(plane, ['draining'])
  readToEnd(world.a, OLD)
  assert.equal((await over(plane)).state, 'retired')
})

test('what an old cluster lost while it was away is counted as gone, and journalled (L4)', TIMEOUT, async (t) => {
  const world = makeWorld(t)
  const plane = await start(t, world)
  await loseSource(plane, world, 'skip')
  await until(plane, ['stranded'])
  const topic = world.a.topics.get(OLD)!
  // One partition expired, and another came back without its last three records.
  topic.starts[0] = 10n
  topic.ends[1] = 7n
  world.a.away = undefined
  await until(plane, ['draining'])
  readToEnd(world.a, OLD)
  const done = await over(plane)
  assert.deepEqual(
    done.ledger.map(({ gone }) => gone),
    ['5', '3', '0', '0'],
  )
  assert.equal(done.report.verdict.result, 'broken')
  assert.match(JSON.stringify(done.report.verdict), /8 offsets are gone with cluster 'a'/)
  assert.ok((await kinds(plane)).includes('migration-records-gone'))
})

test(
  'an old cluster that comes back without the topic ends the wait, and all of it is gone (L4)',
  TIMEOUT,
  async (t) => {
    const world = makeWorld(t)
    const plane = await start(t, world)
    await loseSource(plane, world, 'skip')
    await until(plane, ['stranded'])
    world.a.topics.delete(OLD)
    world.a.away = undefined
    const done = await over(plane)
    assert.equal(done.state, 'retired')
    assert.deepEqual(
      done.ledger.map(({ gone }) => gone),
      ['5', '5', '5', '5'],
    )
    assert.equal(states(bindingOf(plane)), '2 open')
    assert.match(JSON.stringify(done.report.verdict), /20 offsets are gone with cluster 'a'/)
  },
)

test('the wait for an old cluster ends with the retention of its records (L4)', TIMEOUT, async (t) => {
  const world = makeWorld(t)
  const deps = movableClock()
  const plane = await start(t, world, {}, { deps })
  await loseSource(plane, world, 'skip')
  await until(plane, ['stranded'])
  // Seven days, when nothing else was asked for.
  deps.advance(6 * 86_400_000)
  await pause(60)
  assert.equal((await migration(plane)).state, 'stranded')
  deps.advance(86_400_000)
  const done = await until(plane, ['retired'])
  assert.deepEqual(
    done.ledger.map(({ gone }) => gone),
    ['5', '5', '5', '5'],
  )
  assert.match(JSON.stringify((await plane.call('GET', `/v1/journal?subject=${ID}`)).body), /retention was over/)
})

test('a control plane that restarts while groups are stranded goes on from the row', TIMEOUT, async (t) => {
  const world = makeWorld(t)
  const first = await start(t, world)
  await loseSource(first, world, 'skip')
  const before = await until(first, ['stranded'])
  await first.close()
  const second = await start(t, world)
  assert.deepEqual((await migration(second)).ledger, before.ledger)
  world.a.away = undefined
  await until(second, ['draining'])
  await second.close()
  const third = await start(t, world)
  assert.equal(bindingOf(third).epochs[0]?.late, true, 'who reads late does not hold others back after a restart')
  readToEnd(world.a, OLD)
  assert.equal((await over(third)).state, 'retired')
})

test('a new place that cannot be written right after the opening is left again by itself (W3)', TIMEOUT, async (t) => {
  const world = makeWorld(t)
  const plane = await start(t, world, { watchMs: 1_500 })
  await declare(plane, world)
  await plane.call('POST', `/v1/ids/${ID}/migrations`, { to: 'b', partitions: 6 })
  await until(plane, ['open'])
  world.b.append(`${ID}.e2`, 0, 7n)
  world.b.away = new MqError('MQ_KAFKA_UNREACHABLE', 'no broker of cluster b answers')
  while ((await migration(plane)).problem === null) await pause(2)
  await pause(1_700)
  const stuck = await migration(plane)
  assert.equal(stuck.state, 'open', 'it is watched for as long as the new place is away')
  assert.equal(stuck.problem?.code, 'MQ_MIGRATION_TARGET_AWAY')
  assert.match(stuck.problem?.message ?? '', /bring 'b' back/)
  assert.equal((await plane.call('GET', '/v1/migrations')).body.migrations.length, 1)
  world.b.away = undefined
  await begun(plane, 2)
  const back = await until(plane, ['open', 'draining'], 2)
  assert.deepEqual(
    { cluster: back.to.cluster, partitions: back.to.partitions, actor: back.actor },
    { cluster: 'a', partitions: 4, actor: 'mq, after migration 1' },
  )
  assert.equal(back.endOffsets?.[0], '7', 'what the new place had acknowledged is sealed there, and read')
  assert.match((await migration(plane)).problem?.message ?? '', /mq migrations show 2/)
  assert.ok((await kinds(plane)).includes('migration-target-away'))
})

test('a place with too few replicas in sync is left although it answers; a moment of it is not', TIMEOUT, async (t) => {
  const world = makeWorld(t)
  const plane = await start(t, world, { watchMs: 2_000, targetLostMs: 800 })
  await declare(plane, world)
  await plane.call('POST', `/v1/ids/${ID}/migrations`, { to: 'b' })
  await until(plane, ['open'])
  world.b.inSync = 1
  await pause(60)
  assert.match((await migration(plane)).problem?.message ?? '', /1 replicas in sync, and 2 must acknowledge/)
  world.b.inSync = 3
  await pause(60)
  assert.equal((await migration(plane)).problem, null)
  world.b.inSync = 1
  await begun(plane, 2)
  assert.equal((await until(plane, ['open', 'draining'], 2)).to.cluster, 'a')
})

test(
  'a seal that takes effect after the undoing is taken back, unless another migration has begun (D6)',
  TIMEOUT,
  async (t) => {
    const world = makeWorld(t)
    world.a.leadersPerProbe = 0
    const plane = await start(t, world, { guardMs: 2_000, sealMs: 5_000 })
    await declare(plane, world)
    await plane.call('POST', `/v1/ids/${ID}/migrations`, { to: 'b' })
    await until(plane, ['sealing'])
    assert.equal((await plane.call('POST', '/v1/migrations/1/cancel')).body.state, 'cancelled')
    const topic = world.a.topics.get(OLD)!
    const limit = topic.configs['max.message.bytes']
    await pause(50)
    topic.configs = { ...topic.configs, 'max.message.bytes': '78' }
    while (topic.configs['max.message.bytes'] === '78') await pause(2)
    assert.equal(topic.configs['max.message.bytes'], limit)
    const last = await over(plane)
    assert.equal(last.steps.find(({ step }) => step === 'guard')?.result.lateSeals, 1)
    assert.match(JSON.stringify(last.report.verdict), /taken back 1 times/)
    assert.ok((await kinds(plane)).includes('migration-late-seal'))
  },
)

test('the guard of an undone migration does not touch the seal of the next one (D6)', TIMEOUT, async (t) => {
  const world = makeWorld(t)
  world.a.leadersPerProbe = 0
  const plane = await start(t, world, { guardMs: 5_000, sealMs: 5_000 })
  await declare(plane, world)
  await plane.call('POST', `/v1/ids/${ID}/migrations`, { to: 'b' })
  await until(plane, ['sealing'])
  await plane.call('POST', '/v1/migrations/1/cancel')
  world.a.leadersPerProbe = 1
  await plane.call('POST', `/v1/ids/${ID}/migrations`, { to: 'b' })
  await until(plane, ['open', 'draining'], 2)
  assert.equal((await over(plane, 1)).steps.find(({ step }) => step === 'guard')?.result.lateSeals, 0)
  assert.equal(world.a.topics.get(OLD)?.configs['max.message.bytes'], '78')
})

test(
  'a late seal that meets the preparing of the next migration is its seal: clients may have proven it, so that one goes on (N3)',
  TIMEOUT,
  async (t) => {
    const world = makeWorld(t)
    world.a.leadersPerProbe = 0
    const plane = await start(t, world, { guardMs: 200, sealMs: 5_000 })
    await declare(plane, world)
    await plane.call('POST', `/v1/ids/${ID}/migrations`, { to: 'b' })
    await until(plane, ['sealing'])
    await plane.call('POST', '/v1/migrations/1/cancel')
    const topic = world.a.topics.get(OLD)!
    let isLate = false
    world.a.before = async (name) => {
      if (name !== 'probeSeal' || isLate) return
      isLate = true
      await pause(300)
      topic.configs = { ...topic.configs, 'max.message.bytes': '78' }
      for (let partition = 0; partition < topic.partitions; partition++) topic.sealed.add(partition)
    }
    await plane.call('POST', `/v1/ids/${ID}/migrations`, { to: 'b' })
    const next = await until(plane, ['draining'], 2)
    assert.equal(next.steps.find(({ step }) => step === 'undo')?.result.undone, false)
    assert.equal(states(bindingOf(plane)), '1 sealed, 3 open')
    const first = await over(plane, 1)
    assert.equal(first.steps.find(({ step }) => step === 'guard')?.result.lateSeals, 0, 'it is not its to take back')
    readToEnd(world.a, OLD)
    assert.equal((await over(plane, 2)).state, 'retired')
  },
)

test('a restart does not take the time nobody looked for time a cluster was away (L2, W3)', TIMEOUT, async (t) => {
  await t.test('the old one, where groups may go on without it', async (t) => {
    const world = makeWorld(t)
    const first = await start(t, world, { lostMs: 600 })
    await loseSource(first, world, 'skip')
    while ((await migration(first)).problem === null) await pause(2)
    await first.close()
    await pause(700)
    const second = await start(t, world, { lostMs: 600 })
    await pause(150)
    assert.equal((await migration(second)).state, 'draining')
    await until(second, ['stranded'])
  })
  await t.test('the new one, which is well again', async (t) => {
    const world = makeWorld(t)
    const times = { watchMs: 3_000, targetLostMs: 600 }
    const first = await start(t, world, times)
    await declare(first, world)
    await first.call('POST', `/v1/ids/${ID}/migrations`, { to: 'b' })
    await until(first, ['open'])
    world.b.away = AWAY
    while ((await migration(first)).problem === null) await pause(2)
    await first.close()
    world.b.away = undefined
    await pause(700)
    const second = await start(t, world, times)
    await until(second, ['draining'])
    assert.equal((await migration(second)).problem, null)
    assert.equal((await second.call('GET', '/v1/migrations')).body.migrations.length, 1)
  })
})

test(
  'a restart does not take clients that nobody has heard yet for gone: the old topic stays (D4)',
  TIMEOUT,
  async (t) => {
    const world = makeWorld(t)
    const first = await start(t, world, { deleteAfterMs: 600 })
    await declare(first, world)
    await first.call('POST', `/v1/ids/${ID}/migrations`, { to: 'b' })
    await until(first, ['draining'])
    readToEnd(world.a, OLD)
    await until(first, ['retired'])
    await first.close()
    await pause(700)
    assert.ok(world.a.topics.has(OLD))
    const second = await start(t, world, { quietMs: 800 })
    await pause(250)
    assert.ok(world.a.topics.has(OLD), 'whoever looks for its sends in there reports every 10 s')
    await over(second)
    assert.ok(!world.a.topics.has(OLD))
  },
)

test('a seal that someone takes back after the opening is asked for again (W1)', TIMEOUT, async (t) => {
  const world = makeWorld(t)
  const plane = await start(t, world, { watchMs: 1_500 })
  await declare(plane, world)
  await plane.call('POST', `/v1/ids/${ID}/migrations`, { to: 'b' })
  await until(plane, ['open'])
  const topic = world.a.topics.get(OLD)!
  topic.configs = { ...topic.configs, 'max.message.bytes': '1000000' }
  await until(plane, ['draining'])
  assert.equal(topic.configs['max.message.bytes'], '78')
  assert.ok((await kinds(plane)).includes('migration-resealed'))
})

test(
  'an old cluster that is away while the seal is watched does not hold the migration up (W2)',
  TIMEOUT,
  async (t) => {
    const world = makeWorld(t)
    const plane = await start(t, world, { watchMs: 1_000 })
    await declare(plane, world)
    await plane.call('POST', `/v1/ids/${ID}/migrations`, { to: 'b' })
    await until(plane, ['open'])
    world.a.away = AWAY
    const draining = await until(plane, ['draining'])
    assert.match(JSON.stringify(draining.report.verdict), /the cluster was away for \d+ more/)
  },
)
