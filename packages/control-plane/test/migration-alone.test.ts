/**
 * Migrations on fake clusters in which clients finish what the control plane cannot: it dies in every state, it cancels what a client has
 * opened, and what waits meanwhile is said.
 */
import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { type Binding, type Epoch, type MigrationState, MqError, successionOf, withProvenSeal } from '@mq/contract'
import type { FakeKafka } from './fake-kafka.ts'
import { assertProblem, type Harness, movableClock, telemetryReport } from './harness.ts'
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
} from './moves-on-fakes.ts'

const OLD = `${ID}.e1`
const NEW = `${ID}.e2`
const AWAY = new MqError('MQ_KAFKA_UNREACHABLE', 'no broker answers')
const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))

/** A producer that knows what it was told last, and proves the rest. */
class Client {
  readonly #world: World
  binding: Binding
  readonly acked = new Map<string, bigint>()

  constructor(world: World, binding: Binding) {
    this.#world = world
    this.binding = binding
  }

  hears(binding: Binding): void {
    if (binding.revision > this.binding.revision) this.binding = binding
  }

  /** @returns whether a record was acknowledged */
  send(): boolean {
    const open = this.binding.epochs.find(({ state }) => state === 'open')
    if (open !== undefined && this.#append(open)) return true
    const succession = successionOf(this.binding)
    if (succession === undefined) return false
    const { from, to } = succession
    const [old, next] = [this.#topic(from), this.#topic(to)]
    if (old === undefined || old.sealed.size < old.partitions || next === undefined || next.sealed.size > 0)
      return false
    const { mqId, incarnation } = this.binding
    this.binding = withProvenSeal(this.binding, { mqId, incarnation, from, to, ends: old.ends.map(String) })
    return this.#append(to)
  }

  #kafka({ cluster }: Epoch): FakeKafka {
    return cluster === 'a' ? this.#world.a : this.#world.b
  }

  #topic(epoch: Epoch) {
    return this.#kafka(epoch).topics.get(epoch.topic)
  }

  #append(epoch: Epoch): boolean {
    const kafka = this.#kafka(epoch)
    if (kafka.away !== undefined || !kafka.topics.has(epoch.topic)) return false
    if (!kafka.append(epoch.topic, 0, 1n)) return false
    this.acked.set(epoch.topic, (this.acked.get(epoch.topic) ?? 0n) + 1n)
    return true
  }
}

/** Every leader follows what is set; what is asked of the clusters goes on without the control plane. */
function settle({ a, b }: World): void {
  for (const kafka of [a, b]) {
    for (const topic of kafka.topics.values()) {
      const isSealed = topic.configs['max.message.bytes'] === '78'
      for (let partition = 0; partition < topic.partitions; partition++) {
        if (isSealed) topic.sealed.add(partition)
        else topic.sealed.delete(partition)
      }
    }
  }
}

/** @returns the binding before the write of the state: the push of that may be cut off by the death */
async function dieIn(plane: Harness, state: MigrationState, body: object): Promise<Binding> {
  const { promise, resolve } = Promise.withResolvers<void>()
  let [before, now] = [bindingOf(plane), bindingOf(plane)]
  const took = plane.migrations.commitToMemory.bind(plane.migrations)
  plane.migrations.commitToMemory = (record) => {
    took(record)
    ;[before, now] = [now, bindingOf(plane)]
    if (record.state !== state) return
    plane.migrations.close()
    resolve()
  }
  const begun = await plane.call('POST', `/v1/ids/${ID}/migrations`, body)
  assert.equal(begun.status, 200, begun.text)
  if (state === 'undoing') {
    await until(plane, ['sealing'])
    void plane.call('POST', '/v1/migrations/1/cancel').catch(() => undefined)
  }
  await promise
  await plane.migrator.close(0)
  await plane.close()
  return before
}

test('a control plane that is dead for ten minutes, in whichever state, holds no send up and loses none', {
  timeout: 300_000,
}, async (t) => {
  const inNew: string[] = []
  for (const state of [
    'planned',
    'prepared',
    'sealing',
    'refusing',
    'sealed',
    'open',
    'draining',
    'undoing',
  ] as const) {
    const world = makeWorld(t)
    const deps = movableClock()
    const first = await start(t, world, { sealMs: 20_000 }, { deps })
    await declare(first, world)
    const client = new Client(world, bindingOf(first))
    if (state === 'undoing') world.a.leadersPerProbe = 0
    client.hears(await dieIn(first, state, { to: 'b', partitions: 6 }))
    for (let second = 0; second < 600; second += 5) {
      deps.advance(5_000)
      settle(world)
      assert.ok(client.send(), `${state}: a send fails after ${second} s`)
    }
    if (client.acked.has(NEW)) inNew.push(state)
    world.a.leadersPerProbe = 2
    const again = await start(t, world, {}, { deps })
    const found = await until(again, ['draining', 'cancelled', 'failed'])
    client.hears(bindingOf(again))
    assert.ok(client.send(), `${state}: a send fails when it is back`)
    if (found.state === 'draining') readToEnd(world.a, OLD)
    const last = await over(again)
    const label = `${state}: ${last.state}, ${states(bindingOf(again))}`
    const [old = 0n, next = 0n] = [client.acked.get(OLD), client.acked.get(NEW)]
    if (next > 0n) assert.equal(last.state, 'retired', label)
    if (last.state === 'retired') {
      assert.equal(last.report.recordsSealed, String(40n + old), label)
      assert.equal(world.b.topics.get(NEW)?.ends[0], next, label)
    } else assert.equal(world.a.topics.get(OLD)?.ends[0], 10n + old, label)
    await again.close()
  }
  t.diagnostic(`the client opened the new epoch while it was dead in: ${inNew.join(', ')}`)
  assert.ok(inNew.includes('refusing') && inNew.includes('sealed') && !inNew.includes('prepared'), inNew.join())
})

/** A migration that asks for the seal and sees no leader follow. */
async function sealing(t: TestContext, world: World): Promise<Harness> {
  world.a.leadersPerProbe = 0
  const plane = await start(t, world, { sealMs: 20_000 })
  await declare(plane, world)
  await plane.call('POST', `/v1/ids/${ID}/migrations`, { to: 'b', partitions: 6 })
  await until(plane, ['sealing'])
  return plane
}

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
    const plane = await start(t, world, { warmMs: 20_000, prepareMs: 60_000 })
    await declare(plane, world)
    world.a.group('billing@orders.placed').members = 1
    await plane.call('POST', `/v1/ids/${ID}/migrations`, { to: 'b', partitions: 6 })
    await until(plane, ['prepared'])
    const client = new Client(world, bindingOf(plane))
    const topic = world.a.topics.get(OLD)!
    topic.configs = { ...topic.configs, 'max.message.bytes': '78' }
    settle(world)
    assert.ok(client.send())
    assertProblem(await plane.call('POST', '/v1/migrations/1/cancel'), 'MQ_MIGRATION_SEALED')
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

test(
  'a cancel does not wait for a new cluster that is away before the seal, and the next seal does (U4, N6)',
  TIMEOUT,
  async (t) => {
    const world = makeWorld(t)
    const plane = await start(t, world, { warmMs: 20_000, prepareMs: 60_000 })
    await declare(plane, world)
    world.a.group('billing@orders.placed').members = 1
    await plane.call('POST', `/v1/ids/${ID}/migrations`, { to: 'b', partitions: 6 })
    await until(plane, ['prepared'])
    world.b.away = AWAY
    assert.equal((await plane.call('POST', '/v1/migrations/1/cancel')).body.state, 'cancelled')
    assert.equal(states(bindingOf(plane)), '1 open')
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
          /epoch 2 of 'orders\.placed', which migration 1 gave up, is not closed yet on cluster 'b'/,
        )
        break
      }
      assert.ok(performance.now() < deadline, 'it waits for the closing')
      await pause(5)
    }
    assert.ok(!world.a.calls.includes('requestSeal'))
    world.b.away = undefined
    await until(plane, ['open', 'draining'], 2, 120_000)
  },
)

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
  assert.match(waiting.problem?.message ?? '', /no broker answers.*cluster 'b' alone.*bring it back/s)
  assert.ok(world.a.append(OLD, 0, 1n), 'the old topic takes records meanwhile')
  world.b.away = undefined
  await until(plane, ['cancelled'])
  assert.equal((await cancelling).body.state, 'cancelled')
  await over(plane)
})

test('what waits for a migration is said: since when, how many, for what, and what can be done', TIMEOUT, async (t) => {
  const world = makeWorld(t)
  const deps = movableClock()
  world.a.leadersPerProbe = 1
  const plane = await start(t, world, {}, { deps })
  await declare(plane, world)
  world.a.after = (name) => {
    if (name === 'probeSeal' && world.a.topics.get(OLD)!.sealed.size > 0) world.a.away = AWAY
  }
  await plane.call('POST', `/v1/ids/${ID}/migrations`, { to: 'b' })
  await until(plane, ['refusing'])
  world.a.after = () => {}
  await pause(80)
  assert.equal((await migration(plane)).problem, null, 'a moment of it is part of every migration')
  deps.advance(45_000)
  await pause(80)
  const { incarnation, revision } = bindingOf(plane)
  const held = [{ mqId: ID, epoch: 1, records: 5_031, forMs: 44_000 }]
  const bindings = [{ mqId: ID, incarnation, revision }]
  for (const instance of ['one', 'two'])
    await plane.call('POST', '/v1/telemetry', telemetryReport({ instance, bindings, held }))
  const shown = await migration(plane)
  assert.equal(shown.problem?.code, 'MQ_MIGRATION_SENDS_WAIT')
  assert.match(
    shown.problem?.message ?? '',
    /not proven of every leader of topic orders\.placed\.e1.*no broker answers.*cluster 'a' alone.*neither cancel nor skip/s,
  )
  const wanted = /sends wait since .* for 4\d s \(10062 records of 2 processes, as last reported\): migration 1 /
  assert.match((await plane.call('GET', '/v1/ids')).body.warnings.join('\n'), wanted)
  assert.match((await plane.call('GET', `/v1/ids/${ID}`)).body.warnings.join('\n'), wanted)
  const { text } = await plane.call('GET', '/metrics')
  assert.match(text, /mq_sends_held_seconds\{mq_id="orders\.placed"\} 4\d/)
  assert.match(text, /mq_sends_held_records\{mq_id="orders\.placed"\} 10062/)
  assertProblem(await plane.call('POST', '/v1/migrations/1/cancel'), 'MQ_MIGRATION_SEALED')
  world.a.away = undefined
  world.a.leadersPerProbe = 4
  await until(plane, ['open', 'draining'])
  for (const instance of ['one', 'two'])
    await plane.call('POST', '/v1/telemetry', telemetryReport({ instance, bindings }))
  assert.notEqual((await migration(plane)).problem?.code, 'MQ_MIGRATION_SENDS_WAIT')
  assert.doesNotMatch((await plane.call('GET', '/v1/ids')).body.warnings.join('\n'), /sends wait/)
  assert.doesNotMatch((await plane.call('GET', '/metrics')).text, /mq_sends_held_seconds\{/)
})

test(
  'sends that wait where no migration asked for it are said, too, and forgotten with who told of them',
  TIMEOUT,
  async (t) => {
    const world = makeWorld(t)
    const deps = movableClock()
    const plane = await start(t, world, {}, { deps })
    await declare(plane, world)
    const { incarnation, revision } = bindingOf(plane)
    const held = [{ mqId: ID, epoch: 1, records: 7, forMs: 20_000 }]
    await plane.call(
      'POST',
      '/v1/telemetry',
      telemetryReport({ bindings: [{ mqId: ID, incarnation, revision }], held }),
    )
    assert.match(
      (await plane.call('GET', '/v1/ids')).body.warnings.join('\n'),
      /7 records of 1 process, as last reported\): the topic of its epoch refuses data, and no migration/,
    )
    deps.advance(31_000)
    assert.doesNotMatch((await plane.call('GET', '/v1/ids')).body.warnings.join('\n'), /sends wait/)
  },
)

test('once every leader is proven, the opening needs nothing of the old cluster', TIMEOUT, async (t) => {
  const world = makeWorld(t)
  const first = await start(t, world)
  await declare(first, world)
  await dieIn(first, 'sealed', { to: 'b' })
  world.a.away = AWAY
  const second = await start(t, world)
  await until(second, ['open', 'draining'])
  assert.equal(states(bindingOf(second)), '1 sealed, 2 open')
  assert.deepEqual(bindingOf(second).epochs[0]?.endOffsets, ['10', '10', '10', '10'])
})

test(
  'no client is told to probe a new cluster whose seal was not tried out: an engine that stores probes is refused',
  TIMEOUT,
  async (t) => {
    for (const fault of ['checksCrc', 'honoursValidateOnly'] as const) {
      const world = makeWorld(t)
      const plane = await start(t, world)
      await declare(plane, world)
      world.b[fault] = false
      const refused = await plane.call('POST', `/v1/ids/${ID}/migrations`, { to: 'b' })
      assertProblem(refused, 'MQ_SEAL_UNSAFE')
      assert.equal(states(bindingOf(plane)), '1 open')
      assert.ok(!world.b.topics.has(NEW))
      await plane.close()
    }
  },
)

test('the new cluster is tried out again by the process that announces it', TIMEOUT, async (t) => {
  const world = makeWorld(t)
  const first = await start(t, world)
  await declare(first, world)
  await dieIn(first, 'planned', { to: 'b' })
  world.b.checksCrc = false
  const second = await start(t, world)
  await over(second)
  const { state, problem } = await migration(second)
  assert.equal(`${state}: ${problem?.code}`, 'failed: MQ_SEAL_UNSAFE')
  assert.equal(states(bindingOf(second)), '1 open')
  assert.ok(!world.b.calls.includes('probeSeal'))
})

test(
  'a request to close the new topic that takes effect after it was opened again is taken back (N5)',
  TIMEOUT,
  async (t) => {
    const world = makeWorld(t)
    const plane = await start(t, world, { warmMs: 20_000, prepareMs: 60_000, watchMs: 300 })
    await declare(plane, world)
    world.a.group('billing@orders.placed').members = 1
    await plane.call('POST', `/v1/ids/${ID}/migrations`, { to: 'b', partitions: 6 })
    await until(plane, ['prepared'])
    const client = new Client(world, bindingOf(plane))
    const topic = world.a.topics.get(OLD)!
    topic.configs = { ...topic.configs, 'max.message.bytes': '78' }
    settle(world)
    assert.ok(client.send())
    assertProblem(await plane.call('POST', '/v1/migrations/1/cancel'), 'MQ_MIGRATION_SEALED')
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
