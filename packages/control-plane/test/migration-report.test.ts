/**
 * What is told about migrations: the plan with its checks and refusals, what clients report, who else writes, the verdict.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Migration, MqError, type TelemetryReport } from '@mq/contract'
import { systemDeps } from '@mq/kafka'
import { assertProblem, type Harness, telemetryReport } from './harness.ts'
import {
  bindingOf,
  declare,
  ID,
  makeWorld,
  migration,
  over,
  readToEnd,
  start,
  TIMEOUT,
  until,
} from './migration-on-fakes.ts'

type Producer = TelemetryReport['producers'][number]

const check = (found: Migration, start: string) =>
  found.report.verdict.checks.find(({ claim }) => claim.startsWith(start))

/** A report of a client that sent to an epoch under the producer ids. */
function sending(epoch: number, producerIds: readonly string[] | undefined): TelemetryReport {
  const counts = { records: 5, batches: 1, requests: 1, recordBytes: 9, batchBytesUncompressed: 9, batchBytesWire: 9 }
  const rest = { retries: 0, errors: 0, throttledMs: 0, bufferBytesMax: 0, lingerMs: 0, sendLatencyUs: '' }
  const producer: Producer = { mqId: ID, epoch, codec: 'none', ...counts, ...rest }
  return telemetryReport({
    producers: [producerIds === undefined ? producer : { ...producer, producerIds: [...producerIds] }],
  })
}

/** A control plane that runs for long enough to have heard every client. */
function longRunning() {
  let isStarting = true
  const { clock } = systemDeps
  return {
    deps: { ...systemDeps, clock: { ...clock, monotonicMs: () => clock.monotonicMs() + (isStarting ? 0 : 60_000) } },
    started: () => {
      isStarting = false
    },
  }
}

test('the report adds up what went into both epochs and out of them, and what clients told', TIMEOUT, async (t) => {
  const world = makeWorld(t)
  const plane = await start(t, world)
  await declare(plane, world)
  world.a.topics.get(`${ID}.e1`)!.starts[0] = 3n
  await plane.call('POST', `/v1/ids/${ID}/migrations`, { to: 'b' })
  const early = await until(plane, ['draining'])
  assert.equal(early.report.verdict.result, 'pending')
  assert.equal(check(early, 'no send failed')?.result, 'pending')
  const move = { mqId: ID, fromEpoch: 1, toEpoch: 2 }
  for (const writePauseMs of [10, 20, 400]) {
    const producers = [{ ...move, writePauseMs, handedOver: 4, found: 1, uncertain: 0 }]
    const consumers = [{ ...move, group: 'billing', gapMs: writePauseMs * 2 }]
    const answer = await plane.call('POST', '/v1/telemetry', telemetryReport({ migrations: { producers, consumers } }))
    assert.equal(answer.status, 200, answer.text)
  }
  // A migration nobody makes is not kept.
  const other = { ...move, toEpoch: 9, writePauseMs: 9_999, handedOver: 0, found: 0, uncertain: 7 }
  await plane.call('POST', '/v1/telemetry', telemetryReport({ migrations: { producers: [other], consumers: [] } }))
  while ((await migration(plane)).report.writePauseMs?.count !== 3) await new Promise((done) => setTimeout(done, 2))
  world.b.append(`${ID}.e2`, 1, 6n)
  readToEnd(world.a, `${ID}.e1`)
  const done = await over(plane)
  const { report } = done
  assert.deepEqual(report.writePauseMs, { count: 3, p50: 20, p99: 400, max: 400 })
  assert.deepEqual(report.consumerGapMs, { count: 3, p50: 40, p99: 800, max: 800 })
  assert.deepEqual([report.handedOver, report.foundInLog, report.uncertain], [12, 3, 0])
  assert.deepEqual(
    report.epochs.map(({ epoch, records, groups }) => ({ epoch, records, groups })),
    [
      { epoch: 1, records: '37', groups: [{ group: 'billing', committed: '37', remaining: '0' }] },
      { epoch: 2, records: '6', groups: [{ group: 'billing', committed: '0', remaining: '6' }] },
    ],
  )
  assert.equal(report.verdict.result, 'held')
  assert.equal(check(done, 'nothing was added')?.result, 'proven')
  assert.equal(check(done, 'every group')?.result, 'proven')
  // These clients do not tell how many sends failed (migration-claims.test.ts).
  assert.equal(check(done, 'no send failed')?.result, 'unknown')
  assert.equal(check(done, 'records of one key')?.result, 'unknown', 'the control plane does not see handlers')
  assert.equal(check(done, 'only clients of mQ')?.result, 'unknown')
})

test('a straggler and a send nobody can tell of make the verdict broken', TIMEOUT, async (t) => {
  const world = makeWorld(t)
  const plane = await start(t, world, { watchMs: 1_000 })
  await declare(plane, world)
  await plane.call('POST', `/v1/ids/${ID}/migrations`, { to: 'b' })
  await until(plane, ['open'])
  const lost = { mqId: ID, fromEpoch: 1, toEpoch: 2, writePauseMs: 5, handedOver: 0, found: 0, uncertain: 2 }
  await plane.call('POST', '/v1/telemetry', telemetryReport({ migrations: { producers: [lost], consumers: [] } }))
  world.a.topics.get(`${ID}.e1`)!.ends[2] = 13n
  const found = await until(plane, ['draining'])
  assert.equal(found.report.verdict.result, 'broken')
  assert.match(check(found, 'nothing was added')?.evidence ?? '', /1 of 4 partitions grew/)
  assert.match(check(found, 'no send failed')?.evidence ?? '', /of 2 nobody can tell/)
})

test('a migration that was undone says that all is as before, and by what that is known', TIMEOUT, async (t) => {
  const world = makeWorld(t)
  world.a.leadersPerProbe = 0
  const plane = await start(t, world)
  await declare(plane, world)
  await plane.call('POST', `/v1/ids/${ID}/migrations`, { to: 'b' })
  await until(plane, ['sealing'])
  await plane.call('POST', '/v1/migrations/1/cancel')
  const done = await over(plane)
  assert.equal(done.report.verdict.result, 'undone')
  assert.equal(check(done, 'epoch 1 takes records')?.result, 'proven')
})

test(
  'producers that no client reports are said before the migration and in the report; those that report late are not',
  TIMEOUT,
  async (t) => {
    const world = makeWorld(t)
    const { deps, started } = longRunning()
    const plane = await start(t, world, { watchMs: 1_500 }, { deps })
    await declare(plane, world)
    const plan = async () => (await plane.call('POST', `/v1/ids/${ID}/migrations`, { to: 'b', plan: true })).body.plan
    const found = (one: { checks: { check: string; found: string }[] }): string =>
      one.checks.find(({ check: name }) => name === 'other producers')!.found
    assert.match(found(await plan()), /not known: the control plane has not run for long enough/)
    started()
    const wrote = (producerId: bigint, partition: number, agoMs: number) => ({
      ...{ producerId, partition, producerEpoch: 0, lastWriteAtMs: Date.now() - agoMs },
    })
    world.a.producers = [
      wrote(11n, 0, 10),
      wrote(22n, 0, 10),
      wrote(22n, 3, 10),
      wrote(33n, 1, 10),
      wrote(44n, 1, 120_000),
    ]
    await plane.call('POST', '/v1/telemetry', sending(1, ['11']))
    const warned = await plan()
    assert.equal(found(warned), '2 that no client of mQ reports')
    assert.match(warned.warnings.join(), /producer id 22, 33; Kafka gives no client ids/)
    await plane.call('POST', `/v1/ids/${ID}/migrations`, { to: 'b' })
    assert.deepEqual(
      (await until(plane, ['open'])).foreignProducers.map(({ producerId, partitions }) => [producerId, partitions]),
      [
        ['22', [0, 3]],
        ['33', [1]],
      ],
    )
    await plane.call('POST', '/v1/telemetry', sending(1, ['33']))
    const drained = await until(plane, ['draining'])
    assert.deepEqual(
      drained.foreignProducers.map(({ producerId }) => producerId),
      ['22'],
    )
    assert.match(check(drained, 'only clients')?.evidence ?? '', /producer id 22.*not idempotent/)
    // A client from before ids were reported: nothing can be said of anybody.
    await plane.call('POST', '/v1/telemetry', sending(2, undefined))
    assert.match(
      found((await plane.call('POST', `/v1/ids/${ID}/migrations`, { to: 'a', plan: true })).body.plan),
      /too old/,
    )
  },
)

test(
  'a target without room or rights is refused before anything is touched, and one that does not tell is not',
  TIMEOUT,
  async (t) => {
    const world = makeWorld(t)
    const plane = await start(t, world)
    await declare(plane, world)
    const before = [...world.a.topics.keys(), ...world.b.topics.keys()]
    const plan = async (plane_: Harness) =>
      (await plane_.call('POST', `/v1/ids/${ID}/migrations`, { to: 'b', plan: true })).body.plan
    world.a.topicBytes = 1_000_000_000n
    world.b.freeBytes = 900_000_000n
    const full = await plan(plane)
    assert.equal(full.refusal.code, 'MQ_MIGRATION_NO_ROOM')
    assert.match(full.refusal.message, /2700000000 bytes free on 3 brokers, .* 3000000000 bytes in 3 copies/)
    assertProblem(await plane.call('POST', `/v1/ids/${ID}/migrations`, { to: 'b' }), 'MQ_MIGRATION_NO_ROOM')
    world.b.freeBytes = 1_200_000_000n
    assert.equal((await plan(plane)).refusal, null)
    world.b.quotas = [{ entity: 'client-id=<default>', bytesPerSecond: 1_000 }]
    const slow = await plan(plane)
    assert.equal(slow.refusal, null)
    assert.match(slow.warnings.join(), /client-id=<default> 1000 bytes\/s, at each broker/)
    world.b.quotas = []
    world.b.freeBytes = undefined
    const silent = await plan(plane)
    assert.equal(silent.refusal, null)
    assert.match(JSON.stringify(silent.checks), /no broker of 'b' tells its free bytes/)
    world.b.before = (name) => {
      if (name === 'validateTopic') throw new MqError('MQ_KAFKA_FORBIDDEN', 'CLUSTER_AUTHORIZATION_FAILED')
    }
    assert.equal((await plan(plane)).refusal.code, 'MQ_KAFKA_FORBIDDEN')
    assertProblem(await plane.call('POST', `/v1/ids/${ID}/migrations`, { to: 'b' }), 'MQ_KAFKA_FORBIDDEN')
    world.b.before = () => {}
    // A room or a list of producers that may not be looked at is no reason to refuse: it is said.
    for (const kafka of [world.a, world.b]) {
      kafka.before = (name) => {
        if (name === 'disks' || name === 'activeProducers')
          throw new MqError('MQ_KAFKA_FORBIDDEN', `no right to ${name}`)
      }
    }
    const blind = await plan(plane)
    assert.equal(blind.refusal, null)
    assert.match(JSON.stringify(blind.checks), /not known: no right to disks/)
    assert.deepEqual([...world.a.topics.keys(), ...world.b.topics.keys()], before)
  },
)

test('another number of copies is a migration like any other, also where it is', TIMEOUT, async (t) => {
  const world = makeWorld(t)
  const plane = await start(t, world)
  await declare(plane, world)
  const answer = await plane.call('POST', `/v1/ids/${ID}/migrations`, { replication: 2 })
  assert.equal(answer.status, 200, answer.text)
  await until(plane, ['draining'])
  assert.equal(world.a.topics.get(`${ID}.e2`)?.replication, 2)
  assert.equal(bindingOf(plane).epochs.at(-1)?.cluster, 'a')
  readToEnd(world.a, `${ID}.e1`)
  await over(plane)
  assert.equal((await plane.call('GET', `/v1/ids/${ID}`)).body.replication, 2)
  const same = await plane.call('POST', `/v1/ids/${ID}/migrations`, { replication: 2, plan: true })
  assert.equal(same.body.plan.refusal.code, 'MQ_MIGRATION_REFUSED')
})
