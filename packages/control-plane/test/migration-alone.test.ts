/**
 * Migrations on fake clusters in which clients finish what the control plane cannot: it dies in every state, and what waits meanwhile is
 * said.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Binding, MigrationState } from '@mq/contract'
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
} from './migration-on-fakes.ts'
import { AWAY, Client, NEW, OLD, pause, settle } from './succession-client.ts'

/** @returns the binding before the write of the state: the push of that may be cut off by the death */
async function dieIn(plane: Harness, state: MigrationState, body: object): Promise<Binding> {
  const { promise, resolve } = Promise.withResolvers<void>()
  let before = bindingOf(plane)
  const took = plane.migrations.commitToMemory.bind(plane.migrations)
  plane.migrations.commitToMemory = (record) => {
    took(record)
    if (record.state !== state) return
    // The feed tells migrations of a commit before it tells the bindings.
    before = bindingOf(plane)
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
