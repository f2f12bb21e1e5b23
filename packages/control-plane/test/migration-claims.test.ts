/**
 * What the report of a migration claims: `proven` only from evidence that would have shown the opposite, otherwise `unknown` with
 * what is missing (report R1). For each claim here is what makes it false.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Migration, TelemetryReport } from '@mq/contract'
import { systemDeps } from '@mq/kafka'
import { type Harness, telemetryReport } from './harness.ts'
import {
  declare,
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

import { AWAY } from './succession-client.ts'

const OLD = `${ID}.e1`
const check = (found: Migration, start: string) =>
  found.report.verdict.checks.find(({ claim }) => claim.startsWith(start))

/** A control plane that has run for long enough to have heard of every client, once `isOld` says so. */
function aging() {
  const state = { isOld: false }
  const { clock } = systemDeps
  const deps = {
    ...systemDeps,
    clock: { ...clock, monotonicMs: () => clock.monotonicMs() + (state.isOld ? 120_000 : 0) },
  }
  return { deps, state }
}

function sent(instance: string, epoch: number, errors = 0): TelemetryReport {
  const counts = { records: 5, batches: 1, requests: 1, recordBytes: 9, batchBytesUncompressed: 9, batchBytesWire: 9 }
  const rest = { retries: 0, errors, throttledMs: 0, bufferBytesMax: 0, lingerMs: 0, sendLatencyUs: '' }
  return telemetryReport({
    instance,
    producers: [{ mqId: ID, epoch, codec: 'none', ...counts, ...rest, producerIds: [instance.length.toString()] }],
  })
}

function moved(instance: string, move: { failed?: number; uncertain?: number } = { failed: 0 }): TelemetryReport {
  const counts = { writePauseMs: 12, handedOver: 1, found: 0, uncertain: 0 }
  return telemetryReport({
    instance,
    migrations: { producers: [{ mqId: ID, fromEpoch: 1, toEpoch: 2, ...counts, ...move }], consumers: [] },
  })
}

interface Told {
  /** Clients that wrote before the seal. */
  readonly writers: readonly string[]
  readonly after: readonly TelemetryReport[]
  readonly isYoung?: boolean
}

async function sendClaim(plane: Harness, world: World, aged: ReturnType<typeof aging>, told: Told) {
  await declare(plane, world)
  aged.state.isOld = told.isYoung !== true
  for (const instance of told.writers) await plane.call('POST', '/v1/telemetry', sent(instance, 1))
  // The watch of the old topic does not end before the reports are there.
  const reported = Promise.withResolvers<void>()
  world.a.before = (name) => (name === 'endOffsets' ? reported.promise : undefined)
  await plane.call('POST', `/v1/ids/${ID}/migrations`, { to: 'b' })
  await until(plane, ['open'])
  for (const report of told.after) assert.equal((await plane.call('POST', '/v1/telemetry', report)).status, 200)
  reported.resolve()
  await until(plane, ['draining'])
  readToEnd(world.a, OLD)
  return check(await over(plane), 'no send failed')
}

const cases: readonly {
  readonly what: string
  readonly told: Told
  readonly result: string
  readonly evidence: RegExp
}[] = [
  {
    what: 'every client that wrote reported the migration, and none failed a send',
    told: { writers: ['one', 'three'], after: [moved('one'), moved('three')] },
    result: 'proven',
    evidence: /2 producers went over.*every client that wrote in the minute before the seal reported it/,
  },
  {
    what: 'sends failed in the pause',
    told: { writers: ['one'], after: [moved('one', { failed: 1_535 })] },
    result: 'broken',
    evidence: /sends of 1535 records failed in the pause/,
  },
  {
    what: 'of a send nobody can tell',
    told: { writers: ['one'], after: [moved('one', { failed: 0, uncertain: 2 })] },
    result: 'broken',
    evidence: /of 2 nobody can tell/,
  },
  {
    what: 'a client that wrote before the seal says nothing',
    told: { writers: ['one', 'three'], after: [moved('one')] },
    result: 'unknown',
    evidence: /1 of 2 clients that wrote before the seal did not report it \(three\)/,
  },
  {
    what: 'sends failed meanwhile, for a reason that clients do not tell',
    told: { writers: ['one'], after: [moved('one'), sent('one', 2, 7)] },
    result: 'unknown',
    evidence: /7 records failed meanwhile/,
  },
  {
    what: 'a client is too old to count sends that failed in the pause',
    told: { writers: ['one'], after: [moved('one', {})] },
    result: 'unknown',
    evidence: /1 clients are too old to tell/,
  },
  {
    what: 'the control plane does not know who wrote before the seal',
    told: { writers: ['one'], after: [moved('one')], isYoung: true },
    result: 'unknown',
    evidence: /had not run for long enough/,
  },
  {
    what: 'no client reports the migration at all',
    told: { writers: [], after: [] },
    result: 'unknown',
    evidence: /no producer has reported the migration/,
  },
]

for (const { what, told, result, evidence } of cases) {
  test(`no send failed for the migration: ${result} when ${what}`, TIMEOUT, async (t) => {
    const world = makeWorld(t)
    const aged = aging()
    const plane = await start(t, world, { quietMs: 0 }, { deps: aged.deps })
    const found = await sendClaim(plane, world, aged, told)
    assert.equal(found?.result, result, found?.evidence ?? '')
    assert.match(found?.evidence ?? '', evidence)
  })
}

test('an undone migration: the old epoch takes records as before, unless a look says otherwise', TIMEOUT, async (t) => {
  const limits: readonly [limit: string | undefined, result: string][] = [
    [undefined, 'proven'],
    ['78000', 'broken'],
    ['2000000', 'unknown'],
  ]
  for (const [limit, result] of limits) {
    const world = makeWorld(t)
    world.a.leadersPerProbe = 0
    const plane = await start(t, world)
    await declare(plane, world)
    world.a.after = (call) => {
      // Somebody changes the limit when it was set back.
      const topic = world.a.topics.get(OLD)!
      if (call === 'releaseSeal' && limit !== undefined)
        topic.configs = { ...topic.configs, 'max.message.bytes': limit }
    }
    await plane.call('POST', `/v1/ids/${ID}/migrations`, { to: 'b' })
    await until(plane, ['sealing'])
    while (!world.a.calls.includes('requestSeal')) await new Promise((done) => setTimeout(done, 2))
    await plane.call('POST', '/v1/migrations/1/cancel')
    const found = check(await over(plane), 'epoch 1 takes records')
    assert.equal(found?.result, result, found?.evidence ?? '')
    assert.match(found?.evidence ?? '', /4 of 4 leaders answered a probe|somebody changed it/)
    await plane.close()
  }
})

test('a leader that does not answer after an undoing leaves the claim unknown', TIMEOUT, async (t) => {
  const world = makeWorld(t)
  world.a.leadersPerProbe = 0
  const plane = await start(t, world)
  await declare(plane, world)
  await plane.call('POST', `/v1/ids/${ID}/migrations`, { to: 'b' })
  await until(plane, ['sealing'])
  while (!world.a.calls.includes('requestSeal')) await new Promise((done) => setTimeout(done, 2))
  world.a.mutePartition = 2
  await plane.call('POST', '/v1/migrations/1/cancel')
  const found = check(await over(plane), 'epoch 1 takes records')
  assert.equal(found?.result, 'unknown')
  assert.match(found?.evidence ?? '', /3 of 4 leaders answered a probe/)
  assert.equal((await migration(plane)).report.verdict.result, 'undone')
})

test('nothing was added after the end: not proven while no look after the opening was answered', TIMEOUT, async (t) => {
  for (const grows of [false, true]) {
    const world = makeWorld(t)
    const plane = await start(t, world, { watchMs: 50, lostMs: 600_000 })
    await declare(plane, world)
    world.a.before = () => {
      if (plane.migrations.current(1)?.state === 'open') world.a.away = AWAY
    }
    await plane.call('POST', `/v1/ids/${ID}/migrations`, { to: 'b' })
    const claim = 'nothing was added to epoch 1'
    const blind = check(await until(plane, ['draining']), claim)
    assert.equal(blind?.result, 'pending', blind?.evidence ?? '')
    assert.match(blind?.evidence ?? '', /away for all \d+ looks after the opening$/)
    world.a.before = () => {}
    if (grows) world.a.topics.get(OLD)!.ends[0]! += 1n
    readToEnd(world.a, OLD)
    world.a.away = undefined
    const last = check(await over(plane), claim)
    assert.equal(last?.result, grows ? 'broken' : 'proven', last?.evidence ?? '')
    if (!grows) assert.match(last?.evidence ?? '', /had not grown when it was back/)
    await plane.close()
  }
})
