/**
 * A store restored from a backup (recovery V1-V5, settle E1-E4, copy-writer W1-W4): on fake clusters, with seeded histories.
 */
import assert from 'node:assert/strict'
import { copyFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { type Binding, MqError } from '@mq/contract'
import { backUp, generator, restore } from './backups.ts'
import { assertProblem, type Harness, telemetryReport } from './harness.ts'
import { makeWorld, over, readToEnd, start, TIMEOUT, type World } from './migration-on-fakes.ts'

async function declareId(plane: Harness, id: string): Promise<void> {
  const made = await plane.call('PUT', `/v1/ids/${id}`, { intent: {} })
  assert.equal(made.status, 200, made.text)
}

const kafkaOf = (world: World, cluster: string) => (cluster === 'a' ? world.a : world.b)

/** Moves the mQ ID to the other cluster, to the end, its old topic deleted. */
async function migrate(plane: Harness, world: World, id: string): Promise<void> {
  const from = plane.registry.get(id)!.epochs.at(-1)!
  const to = from.cluster === 'a' ? 'b' : 'a'
  const begun = await plane.call('POST', `/v1/ids/${id}/migrations`, { to })
  assert.equal(begun.status, 200, begun.text)
  const { number } = begun.body.migration
  readToEnd(kafkaOf(world, from.cluster), from.topic)
  await over(plane, number)
}

const epochsOf = (plane: Harness, id: string): string =>
  (plane.registry.get(id)?.epochs ?? [])
    .map(({ epoch, state, cluster, topicId }) => `${epoch} ${state} ${cluster} ${topicId}`)
    .join(', ')

/** Every open epoch in a binding names a topic that exists and takes data. */
function assertWritable(world: World, binding: Binding): void {
  for (const { cluster, topic, state } of binding.epochs) {
    if (state !== 'open') continue
    const found = kafkaOf(world, cluster).topics.get(topic)
    assert.ok(found !== undefined, `${binding.mqId}: epoch open on ${cluster}, and ${topic} does not exist there`)
    assert.notEqual(found.configs['max.message.bytes'], '78', `${binding.mqId}: ${topic} is sealed`)
  }
}

test(
  'the mQ ID moved after the backup: the restored store follows the cluster, not the backup (E1, V2)',
  TIMEOUT,
  async (t) => {
    const world = makeWorld(t)
    const before = await start(t, world)
    await before.clusters.checkAll()
    await declareId(before, 'orders.placed')
    const backup = backUp(t, before)
    await migrate(before, world, 'orders.placed')
    await declareId(before, 'payments.made')
    await before.copies.flush()
    const [orders, payments] = [epochsOf(before, 'orders.placed'), epochsOf(before, 'payments.made')]
    assert.match(orders, /^2 open b/)
    assert.equal(world.a.topics.has('orders.placed.e1'), false, 'the old topic is gone')
    const held = before.registry.binding('orders.placed')!
    await before.close()
    restore(world, backup)
    const after = await start(t, world)
    await after.recovery.look()
    assert.equal(after.recovery.isRunning, false)
    assert.equal(epochsOf(after, 'orders.placed'), orders)
    assert.equal(epochsOf(after, 'payments.made'), payments, 'declared after the backup, taken up again')
    const binding = after.registry.binding('orders.placed')!
    assert.ok(binding.incarnation > held.incarnation, 'clients take it')
    assertWritable(world, binding)
    assert.equal((await after.call('PUT', '/v1/ids/payments.made', { intent: {} })).status, 200)
  },
)

test('nothing is published, changed or migrated before it is settled; ready says so (V1)', TIMEOUT, async (t) => {
  const world = makeWorld(t)
  const before = await start(t, world)
  await before.clusters.checkAll()
  await declareId(before, 'orders.placed')
  const backup = backUp(t, before)
  await declareId(before, 'payments.made')
  await before.copies.flush()
  await before.close()
  restore(world, backup)
  const away = new MqError('MQ_KAFKA_UNREACHABLE', 'the cluster is down')
  world.a.away = away
  world.b.away = away
  const after = await start(t, world, {}, { createOnFirstUse: true })
  assertProblem(await after.call('GET', '/v1/bindings/orders.placed'), 'MQ_ID_UNSETTLED')
  assertProblem(await after.call('GET', '/v1/bindings/never.heard.of'), 'MQ_ID_UNSETTLED')
  assertProblem(await after.call('POST', '/v1/ids/orders.placed/migrations', { to: 'b' }), 'MQ_ID_UNSETTLED')
  assertProblem(await after.call('DELETE', '/v1/ids/orders.placed'), 'MQ_ID_UNSETTLED')
  assertProblem(await after.call('PUT', '/v1/ids/orders.placed', { intent: { retention: '2d' } }), 'MQ_ID_UNSETTLED')
  assert.equal((await after.call('GET', '/v1/ready')).status, 503)
  await after.recovery.look()
  const listed = await after.call('GET', '/v1/ids')
  assert.match(listed.body.ids[0].unsettled, /cluster 'a' does not answer/)
  world.a.away = undefined
  await after.recovery.look()
  assert.equal((await after.call('GET', '/v1/bindings/orders.placed')).status, 200, 'its own cluster is enough')
  assert.equal(after.recovery.isRunning, true, 'b may know of mQ IDs that were declared later')
  assertProblem(await after.call('GET', '/v1/bindings/never.heard.of'), 'MQ_ID_UNSETTLED')
  world.b.away = undefined
  await after.recovery.look()
  assert.equal(after.recovery.isRunning, false)
  assert.equal((await after.call('GET', '/v1/bindings/never.heard.of')).status, 200, 'first use works again')
})

test('that a store is being recovered outlives a restart (V3)', TIMEOUT, async (t) => {
  const world = makeWorld(t)
  const before = await start(t, world)
  await before.clusters.checkAll()
  await declareId(before, 'orders.placed')
  const backup = backUp(t, before)
  await migrate(before, world, 'orders.placed')
  await before.copies.flush()
  const truth = epochsOf(before, 'orders.placed')
  await before.close()
  restore(world, backup)
  world.b.away = new MqError('MQ_KAFKA_UNREACHABLE', 'the cluster is down')
  const between = await start(t, world)
  await between.recovery.look()
  assert.equal(between.registry.binding('orders.placed'), undefined)
  await between.close()
  world.b.away = undefined
  const after = await start(t, world)
  await after.recovery.look()
  assert.equal(epochsOf(after, 'orders.placed'), truth)
})

test(
  'without any copy the topics decide: the next epoch is taken, what cannot be known stays unsettled until a person says (E3, E4)',
  TIMEOUT,
  async (t) => {
    const world = makeWorld(t)
    const before = await start(t, world)
    await before.clusters.checkAll()
    for (const id of ['moved.away', 'deleted.outside', 'stayed.here']) await declareId(before, id)
    const backup = backUp(t, before)
    await migrate(before, world, 'moved.away')
    const truth = epochsOf(before, 'moved.away')
    await before.close()
    for (const kafka of [world.a, world.b]) kafka.registryCopy.clear()
    world.a.topics.delete('deleted.outside.e1')
    restore(world, backup)
    const after = await start(t, world)
    await after.recovery.look()
    assert.equal(epochsOf(after, 'moved.away'), truth)
    assert.match(epochsOf(after, 'stayed.here'), /^1 open a/)
    const [left] = after.recovery.unsettled()
    assert.equal(left?.id, 'deleted.outside')
    assert.match(left?.why ?? '', /does not exist any more/)
    assertProblem(await after.call('POST', '/v1/ids/stayed.here/settle', { as: 'deleted' }), 'MQ_REQUEST_INVALID')
    assert.equal((await after.call('POST', '/v1/ids/deleted.outside/settle', { as: 'deleted' })).status, 200)
    assertProblem(await after.call('GET', '/v1/bindings/deleted.outside'), 'MQ_ID_DELETED')
    assert.equal(after.recovery.isRunning, false)
  },
)

test('a topic that somebody deleted and made again is not published as the old one (E2)', TIMEOUT, async (t) => {
  const world = makeWorld(t)
  const before = await start(t, world)
  await before.clusters.checkAll()
  await declareId(before, 'orders.placed')
  const backup = backUp(t, before)
  await declareId(before, 'payments.made')
  await before.copies.flush()
  await before.close()
  const { partitions } = world.a.topics.get('orders.placed.e1')!
  world.a.topics.delete('orders.placed.e1')
  world.a.addForeignTopic('orders.placed.e1', partitions)
  restore(world, backup)
  const after = await start(t, world)
  await after.recovery.look()
  assert.match(after.recovery.unsettled()[0]?.why ?? '', /made again by somebody else/)
  assert.equal(after.registry.binding('orders.placed'), undefined)
})

test('a client that is ahead leads to the same recovery (V4)', TIMEOUT, async (t) => {
  const world = makeWorld(t)
  const before = await start(t, world)
  await before.clusters.checkAll()
  await declareId(before, 'orders.placed')
  const backup = backUp(t, before)
  const mark = backUpMark(before)
  await migrate(before, world, 'orders.placed')
  await before.copies.flush()
  const truth = epochsOf(before, 'orders.placed')
  const { incarnation, revision } = before.registry.binding('orders.placed')!
  await before.close()
  restore(world, backup)
  // A whole folder was restored, mark included: nothing but a client can tell.
  mark()
  const after = await start(t, world)
  await after.clusters.checkAll()
  assert.equal(after.recovery.isRunning, false)
  const report = telemetryReport({ bindings: [{ mqId: 'orders.placed', incarnation, revision }] })
  assert.equal((await after.call('POST', '/v1/telemetry', report)).status, 200)
  assert.equal(epochsOf(after, 'orders.placed'), truth)
  assert.ok(after.registry.binding('orders.placed')!.incarnation > incarnation)
})

function backUpMark(plane: Harness): () => void {
  const file = join(plane.dataDir, 'store-mark.json')
  const kept = `${file}.kept`
  copyFileSync(file, kept)
  return () => copyFileSync(kept, file)
}

test('a cluster that was registered after the backup is known from a copy (W2)', TIMEOUT, async (t) => {
  const world = makeWorld(t)
  const [a, b] = ['a', 'b'].map((name, index) => ({
    ...{ name, bootstrap: [`127.0.0.1:909${index}`], securityProtocol: 'plaintext' as const },
  }))
  const before = await start(t, world, {}, { clusters: [a!] })
  await before.clusters.checkAll()
  await declareId(before, 'orders.placed')
  const backup = backUp(t, before)
  assert.equal((await before.call('PUT', '/v1/clusters/b', { bootstrap: b!.bootstrap })).status, 200)
  await migrate(before, world, 'orders.placed')
  await before.copies.flush()
  const truth = epochsOf(before, 'orders.placed')
  await before.close()
  restore(world, backup)
  const after = await start(t, world, {}, { clusters: [a!] })
  await after.recovery.look()
  assert.equal(epochsOf(after, 'orders.placed'), truth)
  assert.deepEqual(after.registry.cluster('b')?.address, b)
})

test('20 seeded histories of declarations, migrations, changes and deletions around a backup', {
  timeout: 480_000,
}, async (t) => {
  for (let seed = 1; seed <= 20; seed++) {
    await t.test(`seed ${seed}`, async (t) => {
      const random = generator(seed)
      const pick = <T>(items: readonly T[]): T => items[Math.floor(random() * items.length)]!
      const world = makeWorld(t)
      const plane = await start(t, world)
      await plane.clusters.checkAll()
      const ids: string[] = []
      const step = async (): Promise<void> => {
        const live = ids.filter((id) => plane.registry.get(id)?.state === 'active')
        const kind = live.length === 0 ? 'declare' : pick(['declare', 'migrate', 'migrate', 'change', 'delete'])
        if (kind === 'declare') {
          const id = `id.n${ids.length}`
          ids.push(id)
          return declareId(plane, id)
        }
        const id = pick(live)
        if (kind === 'migrate') return migrate(plane, world, id)
        const answer =
          kind === 'change'
            ? await plane.call('PUT', `/v1/ids/${id}`, { intent: { retention: `${1 + Math.floor(random() * 20)}d` } })
            : await plane.call('DELETE', `/v1/ids/${id}`)
        assert.equal(answer.status, 200, answer.text)
      }
      const steps = 3 + Math.floor(random() * 6)
      for (let n = 0; n < steps; n++) await step()
      const backup = backUp(t, plane)
      for (let n = 0; n < steps; n++) await step()
      await plane.copies.flush()
      const truth = ids.map((id) => `${id} ${plane.registry.get(id)?.state} ${epochsOf(plane, id)}`)
      const held = new Map(ids.map((id) => [id, plane.registry.binding(id)!]))
      await plane.close()
      restore(world, backup)
      const after = await start(t, world)
      const published: Binding[] = []
      const publish = after.hub.publish.bind(after.hub)
      after.hub.publish = (binding) => {
        published.push(binding)
        publish(binding)
      }
      await after.recovery.look()
      assert.deepEqual(
        ids.map((id) => `${id} ${after.registry.get(id)?.state} ${epochsOf(after, id)}`),
        truth,
      )
      assert.equal(after.recovery.isRunning, false)
      for (const binding of published) assertWritable(world, binding)
      for (const id of ids) assert.ok(after.registry.binding(id)!.incarnation > held.get(id)!.incarnation, id)
    })
  }
})
