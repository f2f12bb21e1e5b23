/**
 * Moves on fake clusters: the whole way, refusals, cancels, and a crash at every step.
 */
import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { Binding, MqError } from '@mq/contract'
import { within } from '@mq/testkit'
import { assertProblem, type Harness, telemetryReport } from './harness.ts'
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
} from './migration-on-fakes.ts'

test(
  'clients may send until a leader refused: the request for the seal alone does not hold them (S3)',
  TIMEOUT,
  async (t) => {
    const world = makeWorld(t)
    const plane = await start(t, world)
    await declare(plane, world)
    world.a.leadersPerProbe = 0
    await plane.call('POST', `/v1/ids/${ID}/migrations`, { to: 'b', partitions: 12 })
    await until(plane, ['sealing'])
    await new Promise((resolve) => setTimeout(resolve, 30))
    assert.equal((await migration(plane)).state, 'sealing')
    assert.equal(states(bindingOf(plane)), '1 open, 2 preparing')
    // One leader, and then none for a while.
    let moves = 1
    Object.defineProperty(world.a, 'leadersPerProbe', { get: () => moves--, configurable: true })
    await until(plane, ['refusing'])
    assert.equal(states(bindingOf(plane)), '1 sealing, 2 preparing')
    assert.ok(
      typeof (await migration(plane)).steps.find(({ step }) => step === 'seal')?.result.refusedAtMs === 'number',
    )
    Object.defineProperty(world.a, 'leadersPerProbe', { value: 4 })
    await until(plane, ['draining'])
  },
)

test('a migration goes all the way, and clients see each state once', TIMEOUT, async (t) => {
  const world = makeWorld(t)
  const plane = await start(t, world)
  await declare(plane, world)
  const seen: string[] = []
  const sink = {
    writableLength: 0,
    write: (frame: string | Uint8Array) => {
      const data = /^data: (.*)$/m.exec(Buffer.from(frame as Uint8Array).toString())?.[1]
      if (data !== undefined) seen.push(states(Binding.parse(JSON.parse(data))))
      return true
    },
    end: () => {},
    destroy: () => {},
  }
  t.after(plane.hub.listen(sink, [ID], [], undefined))
  const begun = await plane.call('POST', `/v1/ids/${ID}/migrations`, { to: 'b', partitions: 12 })
  assert.equal(begun.status, 200, begun.text)
  assert.equal(begun.body.migration.number, 1)
  await until(plane, ['draining'])
  assert.equal(world.b.topics.get(`${ID}.e2`)?.partitions, 12)
  assert.deepEqual([...world.b.group(GROUP).commits.get(`${ID}.e2`)!.values()], new Array(12).fill(0n))
  assert.equal(plane.registry.get(ID)?.epochs.length, 2)
  await new Promise((resolve) => setTimeout(resolve, 30))
  assert.equal((await migration(plane)).groups[0]?.remaining, '20')
  const metrics = (await plane.call('GET', '/metrics')).text
  assert.match(metrics, /^mq_migrations\{state="draining"\} 1$/m)
  assert.match(metrics, /^mq_migration_oldest_seconds\{state="draining"\} 0?\.?\d+/m)
  readToEnd(world.a, `${ID}.e1`)
  const done = await over(plane)
  assert.equal(done.state, 'retired')
  assert.deepEqual(seen, ['1 open, 2 preparing', '1 sealing, 2 preparing', '1 sealed, 2 open', '2 open'])
  assert.deepEqual(done.endOffsets, ['10', '10', '10', '10'])
  assert.equal(done.proofs.length, 4)
  assert.equal(done.report.recordsSealed, '40')
  assert.ok(done.report.closedMs !== null && done.report.drainedMs !== null)
  assert.ok(!world.a.topics.has(`${ID}.e1`), 'the old topic is gone')
  const { cluster, partitions, epoch, choices } = (await plane.call('GET', `/v1/ids/${ID}`)).body
  assert.deepEqual({ cluster, partitions, epoch }, { cluster: 'b', partitions: 12, epoch: 2 })
  assert.match(JSON.stringify(choices), /moved to epoch 2/)
  const { entries } = (await plane.call('GET', `/v1/journal?subject=${ID}`)).body
  assert.deepEqual(
    entries.map((one: { kind: string }) => one.kind),
    ['migration-retired', 'migration-open', 'migration-sealing', 'migration-prepared', 'migrate', 'create'],
  )
})

test('settings that were found while an epoch changed hands stand on the new one', TIMEOUT, async (t) => {
  const world = makeWorld(t)
  const plane = await start(t, world)
  await declare(plane, world)
  world.a.leadersPerProbe = 0
  await plane.call('POST', `/v1/ids/${ID}/migrations`, { to: 'b', partitions: 12 })
  await until(plane, ['sealing'])
  const record = plane.registry.get(ID)
  assert.ok(record?.state === 'active')
  const { revision: _revision, updatedAtMs: _updatedAtMs, ...rest } = record
  const choice = { setting: 'producer.lingerMs', value: '77 ms', reason: 'decision 1' }
  const choices = rest.spec.choices.map((one) => (one.setting === choice.setting ? choice : one))
  const spec = { ...rest.spec, producer: { ...rest.spec.producer, lingerMs: 77 }, choices }
  const entry = { kind: 'tune', subject: ID, actor: 'mq', why: 'decision 1', before: null, after: null } as const
  await plane.registry.publish({ ...rest, spec }, entry)
  world.a.leadersPerProbe = 4
  await until(plane, ['draining'])
  const moved = plane.registry.get(ID)
  assert.ok(moved?.state === 'active')
  assert.equal(moved.spec.producer.lingerMs, 77)
  assert.deepEqual(
    moved.spec.choices.filter(({ setting }) => setting === choice.setting),
    [choice],
  )
  assert.match(JSON.stringify(moved.spec.choices), /moved to epoch 2/)
})

test('a plan touches nothing and says what it would do or why not', TIMEOUT, async (t) => {
  const world = makeWorld(t)
  const plane = await start(t, world)
  await declare(plane, world)
  const before = [...world.a.topics.keys(), ...world.b.topics.keys()]
  const plan = async (body: object) =>
    (await plane.call('POST', `/v1/ids/${ID}/migrations`, { ...body, plan: true })).body.plan
  const move = (body: object) => plane.call('POST', `/v1/ids/${ID}/migrations`, body)
  assert.deepEqual((await plan({ to: 'b' })).to, {
    epoch: 2,
    cluster: 'b',
    topic: `${ID}.e2`,
    partitions: 4,
    replication: 3,
  })
  assert.equal((await plan({ partitions: 6 })).to.cluster, 'a')
  assert.equal((await plan({ to: 'nowhere' })).refusal.code, 'MQ_CLUSTER_UNKNOWN')
  assert.equal((await plan({ to: 'a' })).refusal.code, 'MQ_MIGRATION_REFUSED')
  assert.equal((await plan({ replication: 9 })).refusal.code, 'MQ_MIGRATION_REFUSED')
  world.b.addForeignTopic(`${ID}.e2`)
  assert.equal((await plan({ to: 'b' })).refusal.code, 'MQ_TOPIC_EXISTS')
  world.b.topics.delete(`${ID}.e2`)
  world.a.mayAlter = false
  assert.equal((await plan({ to: 'b' })).refusal.code, 'MQ_SEAL_FORBIDDEN')
  assertProblem(await move({ to: 'b' }), 'MQ_SEAL_FORBIDDEN')
  world.a.mayAlter = true
  world.b.away = new MqError('MQ_KAFKA_UNREACHABLE', 'no broker answers')
  assertProblem(await move({ to: 'b' }), 'MQ_KAFKA_UNREACHABLE')
  world.b.away = undefined
  assertProblem(await move({ to: 'nowhere' }), 'MQ_CLUSTER_UNKNOWN')
  assertProblem(await move({ partitions: 0 }), 'MQ_REQUEST_INVALID')
  assertProblem(await plane.call('POST', '/v1/ids/not.declared/migrations', { to: 'b' }), 'MQ_ID_UNKNOWN')
  assertProblem(await plane.call('GET', '/v1/migrations/7'), 'MQ_MIGRATION_UNKNOWN')
  assertProblem(await plane.call('POST', '/v1/migrations/7/cancel'), 'MQ_MIGRATION_UNKNOWN')
  await plane.call('PUT', '/v1/ids/compacted.one', { intent: { retention: 'latest-per-key' } })
  assertProblem(await plane.call('POST', '/v1/ids/compacted.one/migrations', { to: 'b' }), 'MQ_MIGRATION_REFUSED')
  world.a.topics.delete('compacted.one.e1')
  assert.deepEqual([...world.a.topics.keys(), ...world.b.topics.keys()], before)
  assert.deepEqual((await plane.call('GET', '/v1/migrations')).body.migrations, [])
  assert.equal(states(bindingOf(plane)), '1 open')
})

test('an mQ ID whose intent says movable: false is not moved until the intent says otherwise', TIMEOUT, async (t) => {
  const world = makeWorld(t)
  const plane = await start(t, world)
  await declare(plane, world)
  await plane.call('PUT', `/v1/ids/${ID}`, { intent: { movable: false } })
  const move = (plan: boolean) => plane.call('POST', `/v1/ids/${ID}/migrations`, { to: 'b', plan })
  await plane.copies.flush()
  const asked = world.a.calls.length + world.b.calls.length
  assert.equal((await move(true)).body.plan.refusal.code, 'MQ_MIGRATION_FORBIDDEN')
  assertProblem(await move(false), 'MQ_MIGRATION_FORBIDDEN')
  assert.equal(world.a.calls.length + world.b.calls.length, asked, 'no cluster was asked anything')
  await plane.call('PUT', `/v1/ids/${ID}`, { intent: { movable: true } })
  assert.equal((await move(true)).body.plan.refusal, null)
})

test('a cancel undoes a migration before the first refusal, and comes too late after it (M4)', TIMEOUT, async (t) => {
  for (const call of ['validateSeal', 'createTopic', 'canary', 'groupsOf', 'seedGroup', 'requestSeal', 'probeSeal']) {
    const world = makeWorld(t)
    world.a.leadersPerProbe = 0
    const plane = await start(t, world)
    await declare(plane, world)
    let isHeld = false
    const gate = Promise.withResolvers<void>()
    const hold = (name: string) => {
      if (name !== call || plane.migrations.active().length === 0) return
      isHeld = true
      return gate.promise
    }
    world.a.before = hold
    world.b.before = hold
    await plane.call('POST', `/v1/ids/${ID}/migrations`, { to: 'b' })
    while (!isHeld) await new Promise((resolve) => setTimeout(resolve, 1))
    assertProblem(await plane.call('POST', `/v1/ids/${ID}/migrations`, { to: 'b' }), 'MQ_MIGRATION_RUNNING')
    assertProblem(await plane.call('PUT', `/v1/ids/${ID}`, { intent: { retention: '1d' } }), 'MQ_MIGRATION_RUNNING')
    assertProblem(await plane.call('DELETE', `/v1/ids/${ID}`), 'MQ_MIGRATION_RUNNING')
    assertProblem(await plane.call('DELETE', '/v1/clusters/b'), 'MQ_CLUSTER_IN_USE')
    const cancelling = plane.call('POST', '/v1/migrations/1/cancel')
    gate.resolve()
    const answer = await cancelling
    assert.equal(answer.status, 200, `${call}: ${answer.text}`)
    assert.equal(answer.body.state, 'cancelled', call)
    await over(plane)
    assert.equal(states(bindingOf(plane)), '1 open', call)
    assert.ok(!world.b.topics.has(`${ID}.e2`), `${call}: the new topic is gone`)
    const { entries } = (await plane.call('GET', `/v1/journal?subject=${ID}`)).body
    const undone = (entries as { kind: string; why: string }[]).find(({ kind }) => kind === 'migration-undone')
    assert.equal(undone?.why, 'asked for by local', call)
    assert.notEqual(world.a.topics.get(`${ID}.e1`)?.configs['max.message.bytes'], '78', call)
    assert.ok(world.a.append(`${ID}.e1`, 0, 1n))
    // The number of the epoch is used up, and the next migration takes another.
    world.a.leadersPerProbe = 2
    world.a.before = () => {}
    world.b.before = () => {}
    const again = await plane.call('POST', `/v1/ids/${ID}/migrations`, { to: 'b' })
    assert.equal(again.body.migration?.to.epoch, 3, again.text)
    await until(plane, ['open', 'draining'], 2)
    assertProblem(await plane.call('POST', '/v1/migrations/2/cancel'), 'MQ_MIGRATION_SEALED')
    await plane.close()
  }
})

test('a cancel that meets a refusing leader is refused, and the migration goes on (M2, M7)', TIMEOUT, async (t) => {
  const world = makeWorld(t)
  world.a.leadersPerProbe = 1
  const plane = await start(t, world)
  await declare(plane, world)
  let probes = 0
  const gate = Promise.withResolvers<void>()
  world.a.before = (name) => (name === 'probeSeal' && ++probes === 2 ? gate.promise : undefined)
  await plane.call('POST', `/v1/ids/${ID}/migrations`, { to: 'b' })
  while (probes < 2) await new Promise((resolve) => setTimeout(resolve, 1))
  const cancelling = plane.call('POST', '/v1/migrations/1/cancel')
  gate.resolve()
  assertProblem(await cancelling, 'MQ_MIGRATION_SEALED')
  await until(plane, ['open', 'draining'])
})

test('a seal that does not take undoes the migration; so does a target that stays away', TIMEOUT, async (t) => {
  const deaf = makeWorld(t)
  deaf.a.leadersPerProbe = 0
  const first = await start(t, deaf, { sealMs: 60 })
  await declare(first, deaf)
  await first.call('POST', `/v1/ids/${ID}/migrations`, { to: 'b' })
  const failed = await until(first, ['failed'])
  assert.equal(failed.problem?.code, 'MQ_KAFKA_TIMEOUT')
  await over(first)
  assert.equal(states(bindingOf(first)), '1 open')
  assert.ok(!deaf.b.topics.has(`${ID}.e2`))

  const away = makeWorld(t)
  const second = await start(t, away, { prepareMs: 60 })
  await declare(second, away)
  away.b.before = (name) => {
    if (name === 'canary') throw new MqError('MQ_KAFKA_UNAVAILABLE', 'not enough replicas')
  }
  await second.call('POST', `/v1/ids/${ID}/migrations`, { to: 'b' })
  assert.equal((await until(second, ['failed'])).problem?.code, 'MQ_KAFKA_UNAVAILABLE')
  await over(second)
  assert.ok(!away.b.topics.has(`${ID}.e2`))
})

test('a leader that changes between proof and end is proven again (S1)', TIMEOUT, async (t) => {
  const world = makeWorld(t)
  const plane = await start(t, world)
  await declare(plane, world)
  let asked = 0
  world.a.before = (name) => {
    if (name === 'sealedEnds' && ++asked <= 3) world.a.topics.get(`${ID}.e1`)!.leaderEpoch++
  }
  await plane.call('POST', `/v1/ids/${ID}/migrations`, { to: 'b' })
  const moved = await until(plane, ['open', 'draining'])
  assert.ok(asked >= 4)
  for (const proof of moved.proofs) assert.equal(proof.leaderEpoch, 3)
})

test('records behind the sealed end are stragglers, markers of transactions are not (D1, W4)', TIMEOUT, async (t) => {
  const world = makeWorld(t)
  const plane = await start(t, world, { watchMs: 200 })
  await declare(plane, world)
  await plane.call('POST', `/v1/ids/${ID}/migrations`, { to: 'b' })
  await until(plane, ['open'])
  world.a.topics.get(`${ID}.e1`)!.ends[2] = 13n
  world.a.markers.add(`${ID}.e1/1`)
  world.a.topics.get(`${ID}.e1`)!.ends[1] = 11n
  const found = await until(plane, ['draining'])
  assert.deepEqual(
    found.stragglers.map(({ partition, sealedEnd, seenEnd }) => [partition, sealedEnd, seenEnd]),
    [[2, '10', '13']],
  )
  const { entries } = (await plane.call('GET', `/v1/journal?subject=${ID}`)).body
  assert.equal(entries.filter((one: { kind: string }) => one.kind === 'straggler').length, 1)
})

test('an epoch is forgotten only when no client uses it and every group is through (D2, D3)', TIMEOUT, async (t) => {
  const world = makeWorld(t)
  const plane = await start(t, world, { quietMs: 250 })
  await declare(plane, world)
  await plane.call('POST', `/v1/ids/${ID}/migrations`, { to: 'b' })
  await until(plane, ['draining'])
  readToEnd(world.a, `${ID}.e1`)
  const { incarnation, revision } = bindingOf(plane)
  const report = (behind: number) =>
    plane.call(
      'POST',
      '/v1/telemetry',
      telemetryReport({ bindings: [{ mqId: ID, incarnation, revision: revision - behind }] }),
    )
  for (let round = 0; round < 4; round++) {
    assert.equal((await report(1)).status, 200)
    await new Promise((resolve) => setTimeout(resolve, 120))
    assert.equal((await migration(plane)).state, 'draining', 'a client still runs on the binding from before')
  }
  await report(0)
  await over(plane)

  const unread = makeWorld(t)
  const second = await start(t, unread)
  await declare(second, unread)
  unread.a.groups.clear()
  await second.call('POST', `/v1/ids/${ID}/migrations`, { to: 'b' })
  await until(second, ['draining'])
  await new Promise((resolve) => setTimeout(resolve, 60))
  assert.equal((await migration(second)).state, 'draining', 'records nobody read yet stay')
  const topic = unread.a.topics.get(`${ID}.e1`)!
  topic.starts.splice(0, 4, ...topic.ends)
  assert.equal((await over(second)).state, 'retired')
})

test('three migrations back to back, and deleting the mQ ID while epochs drain', TIMEOUT, async (t) => {
  const world = makeWorld(t)
  const plane = await start(t, world)
  await declare(plane, world)
  for (const [number, body] of [{ to: 'b' }, { to: 'a', partitions: 6 }, { to: 'b', partitions: 3 }].entries()) {
    const answer = await plane.call('POST', `/v1/ids/${ID}/migrations`, body)
    assert.equal(answer.status, 200, answer.text)
    await until(plane, ['open', 'draining'], number + 1)
    // An epoch without a record is forgotten at once.
    ;(number === 1 ? world.a : world.b).append(`${ID}.e${number + 2}`, 0, 7n)
  }
  assert.equal(states(bindingOf(plane)), '1 sealed, 2 sealed, 3 sealed, 4 open')
  const gone = await plane.call('DELETE', `/v1/ids/${ID}`)
  assert.deepEqual(
    gone.body.topics,
    [1, 2, 3, 4].map((epoch) => `${ID}.e${epoch}`),
  )
  for (const number of [1, 2, 3]) assert.equal((await over(plane, number)).state, 'retired')
  assert.equal(world.a.topics.size + world.b.topics.size, 0)
})

/** Stops a control plane as `kill -9` would: what hangs stays hanging and nothing more is written. */
async function crash(plane: Harness): Promise<void> {
  await plane.migrator.close(0)
  await plane.close()
}

interface CrashPlan {
  readonly when: 'before' | 'after'
  /** Which request of the first process it does not survive. */
  readonly step: number
  /** Whether a cancel is under way: the seal was asked for then, and no leader follows it yet. */
  readonly cancel: boolean
  /** Leaders that follow between two probes of the second process. */
  readonly leadersAfter: number
}

/** @returns how it ended, and whether the crash came at all */
async function crashAt(t: TestContext, { when, step, cancel, leadersAfter }: CrashPlan): Promise<[string, boolean]> {
  const world = makeWorld(t)
  if (cancel) world.a.leadersPerProbe = 0
  const first = await start(t, world, { sealMs: 20_000 })
  await declare(first, world)
  const asked = Promise.withResolvers<void>()
  const dead = Promise.withResolvers<void>()
  dead.promise.catch(() => {})
  let calls = 0
  let isArmed = !cancel
  let isDead = false
  const die = (name: string): Promise<void> | undefined => {
    if (name === 'describe' || first.migrations.active().length === 0) return undefined
    if (!isDead && (!isArmed || ++calls !== step)) return undefined
    isDead = true
    asked.resolve()
    return dead.promise
  }
  world.a[when] = die
  world.b[when] = die
  await first.call('POST', `/v1/ids/${ID}/migrations`, { to: 'b', partitions: 6 })
  if (cancel) {
    await until(first, ['sealing'])
    isArmed = true
    first.migrator.cancel(1).catch(() => undefined)
  }
  await Promise.race([asked.promise, cancel ? over(first) : until(first, ['draining'])])
  await crash(first)
  dead.reject(new Error('the process is gone'))
  world.a[when] = () => {}
  world.b[when] = () => {}
  world.a.leadersPerProbe = leadersAfter
  const { second, resumed } = await within(5_000, async () => {
    // Only leaders that never follow are given up soon: where they do, a busy machine is not to undo the migration.
    const second = await start(t, world, { sealMs: leadersAfter === 0 ? 100 : 60_000 })
    return { second, resumed: await until(second, ['draining', 'cancelled', 'failed', 'retired']) }
  })
  if (!cancel) readToEnd(world.a, `${ID}.e1`)
  if (resumed.state === 'draining') readToEnd(world.a, `${ID}.e1`)
  const last = await over(second)
  const label = `${when} call ${step}${cancel ? ' with a cancel' : ''}: ${last.state}`
  const topics = [...world.a.topics.keys(), ...world.b.topics.keys()]
  const old = world.a.topics.get(`${ID}.e1`)
  if (last.state === 'retired') {
    assert.equal(states(bindingOf(second)), '2 open', label)
    assert.deepEqual(resumed.endOffsets, ['10', '10', '10', '10'], label)
    assert.deepEqual(topics, [`${ID}.e2`], label)
  } else {
    assert.ok(cancel, label)
    assert.equal(states(bindingOf(second)), '1 open', label)
    assert.deepEqual(topics, [`${ID}.e1`], label)
    assert.notEqual(old?.configs['max.message.bytes'], '78', label)
    assert.equal(old?.sealed.size, 0, label)
  }
  await second.close()
  return [last.state, isDead]
}

test('killed before or after any request to a cluster, a migration is carried on or undone by the next process', {
  timeout: 600_000,
}, async (t) => {
  const ends: Record<string, number> = {}
  let crashes = 0
  for (const [cancel, leadersAfter] of [
    [false, 2],
    [true, 0],
    [true, 2],
  ] as const) {
    for (const when of ['before', 'after'] as const) {
      for (let step = 1; ; step++) {
        const [end, wasReached] = await crashAt(t, { when, step, cancel, leadersAfter })
        ends[end] = (ends[end] ?? 0) + 1
        if (!wasReached) break
        crashes++
      }
    }
  }
  t.diagnostic(`${crashes} crashes, ended as ${JSON.stringify(ends)}`)
  assert.ok(crashes >= 40, `${crashes} crashes`)
  for (const end of ['retired', 'cancelled']) assert.ok((ends[end] ?? 0) > 3, JSON.stringify(ends))
})
