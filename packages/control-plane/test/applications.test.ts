/** Who produces and who consumes, from reports (client-book B1-B3, applications A1, A2). */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Application, ConsumerTelemetry, ProducerTelemetry, TelemetryReport } from '@mq/contract'
import { assertProblem, type Harness, movableClock, startHarness, telemetryReport } from './harness.ts'

const TIMEOUT = { timeout: 300_000 }
const ID = 'orders.placed'

const sent = (records: number, mqId = ID): ProducerTelemetry => ({
  ...{
    mqId,
    epoch: 1,
    records,
    batches: 1,
    requests: 1,
    recordBytes: 0,
    batchBytesUncompressed: 100,
    batchBytesWire: 100,
  },
  ...{ retries: 0, errors: 0, throttledMs: 0, bufferBytesMax: 0, codec: 'none' as const, lingerMs: 0 },
  sendLatencyUs: '',
})
const read = (records: number, parts: Partial<ConsumerTelemetry> = {}): ConsumerTelemetry => ({
  ...{ mqId: ID, group: 'billing', epoch: 1, records, recordBytes: 0, wireBytes: 0, handlerErrors: 0, redeliveries: 0 },
  ...{ commits: 0, rebalances: 0, lagRecords: 0, endToEndLatencyUs: '', ...parts },
})

async function declared(
  t: Parameters<typeof startHarness>[0],
  options: Parameters<typeof startHarness>[1] = {},
): Promise<Harness> {
  const plane = await startHarness(t, options)
  assert.equal((await plane.call('PUT', `/v1/ids/${ID}`, { intent: {} })).status, 200)
  return plane
}

async function report(plane: Harness, parts: Partial<TelemetryReport>): Promise<void> {
  const answer = await plane.call('POST', '/v1/telemetry', telemetryReport(parts))
  assert.equal(answer.status, 200, answer.text)
}

const apps = async (plane: Harness, query = ''): Promise<Application[]> =>
  (await plane.call('GET', `/v1/apps${query}`)).body.applications

test(
  'applications are told with processes, hosts, versions, since when, and what they do how fast',
  TIMEOUT,
  async (t) => {
    const plane = await declared(t)
    const where = { host: 'node-7', startedAtMs: 1_000, zone: 'use1-az1' }
    await report(plane, { ...where, app: 'checkout', instance: 'a', producers: [sent(600)] })
    await report(plane, {
      app: 'checkout',
      instance: 'b',
      producers: [sent(100)],
      consumers: [read(50, { group: 'audit' })],
    })
    // Two epochs, and a process that has been told of no version with a host.
    const consumers = [read(30, { unfinishedRecords: 2 }), read(10, { epoch: 2, unfinishedRecords: 3 })]
    await report(plane, { app: 'billing', instance: 'c', consumers })
    const all = await apps(plane)
    assert.deepEqual(
      all.map(({ app, instances }) => [app, instances.length]),
      [
        ['billing', 1],
        ['checkout', 2],
      ],
    )
    const [first, second] = all[1]!.instances
    assert.deepEqual(
      [first!.host, first!.zone, first!.startedAtMs, first!.version],
      ['node-7', 'use1-az1', 1_000, '0.1.0'],
    )
    assert.deepEqual(first!.produces, [{ mqId: ID, perSecond: 60 }])
    assert.deepEqual([second!.host, second!.consumes[0]!.group], [null, 'audit'])
    assert.deepEqual(all[0]!.instances[0]!.consumes, [
      { mqId: ID, group: 'billing', perSecond: 4, unfinishedRecords: 5 },
    ])
    assert.deepEqual(
      (await apps(plane, '?app=billing')).map(({ app }) => app),
      ['billing'],
    )
    assert.deepEqual(await apps(plane, `?id=${ID}&app=nobody`), [])
    assertProblem(await plane.call('GET', '/v1/apps?id=no.such'), 'MQ_ID_UNKNOWN')
    const { applications } = (await plane.call('GET', `/v1/ids/${ID}`)).body
    assert.equal(applications.length, 2)
  },
)

test('an mQ ID shows only who uses it, and nothing is kept of one that is not registered (B3)', TIMEOUT, async (t) => {
  const plane = await declared(t)
  assert.equal((await plane.call('PUT', '/v1/ids/other.one', { intent: {} })).status, 200)
  await report(plane, {
    app: 'checkout',
    instance: 'a',
    producers: [sent(10), sent(20, 'other.one'), sent(5, 'no.such')],
  })
  await report(plane, { app: 'billing', instance: 'b', consumers: [read(1)] })
  const other = await apps(plane, '?id=other.one')
  assert.deepEqual(
    other.map(({ app, instances }) => [app, instances[0]!.produces]),
    [['checkout', [{ mqId: 'other.one', perSecond: 2 }]]],
  )
  assert.deepEqual(
    (await apps(plane)).flatMap(({ instances }) => instances[0]!.produces.map(({ mqId }) => mqId)),
    [ID, 'other.one'],
  )
})

test(
  'a process that stops reporting is away after a minute and gone after a quarter of an hour (B1, B2)',
  TIMEOUT,
  async (t) => {
    const deps = movableClock()
    const plane = await declared(t, { deps })
    await report(plane, { app: 'checkout', instance: 'a', producers: [sent(10)] })
    deps.advance(20_000)
    await report(plane, { app: 'checkout', instance: 'a' })
    assert.deepEqual(
      (await apps(plane))[0]!.instances[0]!.produces,
      [{ mqId: ID, perSecond: 0 }],
      'silent, and a producer all the same',
    )
    deps.advance(61_000)
    const [away] = (await apps(plane))[0]!.instances
    assert.deepEqual([away!.isAway, away!.produces[0]!.perSecond], [true, null])
    assert.equal(deps.clock.nowMs() - away!.lastSeenAtMs >= 61_000, true)
    deps.advance(15 * 60_000)
    assert.deepEqual(await apps(plane), [])
  },
)

test('members of a version that cannot leave are named, and nothing is begun', TIMEOUT, async (t) => {
  const plane = await declared(t)
  plane.kafka.commit(`billing@${ID}`, `${ID}.e1`, 0, 0n)
  plane.kafka.append(`${ID}.e1`, 0, 10n)
  plane.kafka.group(`billing@${ID}`).members = 2
  await report(plane, { app: 'new', instance: 'a', features: ['group-hold'], consumers: [read(1)] })
  await report(plane, { app: 'old', instance: 'b', host: 'node-3', consumers: [read(1)] })
  const body = { group: 'billing', action: { kind: 'to-latest' } }
  const refused = await plane.call('POST', `/v1/ids/${ID}/groups/positions`, body)
  assert.match(
    assertProblem(refused, 'MQ_GROUP_IN_USE').message,
    /cannot leave by itself: old@node-3 \(SDK 0\.1\.0\)\. Stop them/,
  )
  const plan = await plane.call('POST', `/v1/ids/${ID}/groups/positions`, { ...body, plan: true })
  assert.match(plan.body.notes.at(-1), /old@node-3/)
  assert.equal(plane.registry.binding(ID)!.holds, undefined)
})
