/**
 * The API as a caller sees it, on a fake cluster.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Binding, MqError, type RouteShape, routes } from '@mq/contract'
import { FakeKafka } from './fake-kafka.ts'
import { assertProblem, startHarness, telemetryReport } from './harness.ts'

const TIMEOUT = { timeout: 300_000 }

test('a declared mQ ID has a topic named after it, a binding and a reason for every setting', TIMEOUT, async (t) => {
  const plane = await startHarness(t)
  const put = await plane.call('PUT', '/v1/ids/orders.placed', { intent: { latencyP99Ms: '1s' } })
  assert.equal(put.status, 200, put.text)
  assert.equal(put.body.cluster, 'main')
  assert.deepEqual([...plane.kafka.topics.keys()], ['orders.placed.e1'])
  const topic = plane.kafka.topics.get('orders.placed.e1')!
  assert.equal(topic.replication, 3)
  assert.equal(topic.configs['min.insync.replicas'], '2')
  assert.equal(topic.configs['retention.ms'], String(7 * 86_400_000))
  for (const setting of [
    'cluster',
    'partitions',
    'replication',
    'retention',
    'producer.codec',
    'producer.lingerMs',
    'consumer.fetchMaxWaitMs',
  ]) {
    const choice = put.body.choices.find((one: { setting: string }) => one.setting === setting)
    assert.ok(choice?.reason.length > 20, `a reason for ${setting}`)
  }
  const binding = await plane.call('GET', '/v1/bindings/orders.placed')
  assert.equal(binding.status, 200)
  const parsed = Binding.parse(binding.body)
  assert.equal(parsed.epochs[0]?.topic, 'orders.placed.e1')
  assert.equal(parsed.revision, put.body.revision)
  const list = await plane.call('GET', '/v1/ids')
  assert.deepEqual(
    list.body.ids.map((one: { id: string }) => one.id),
    ['orders.placed'],
  )
})

test('a binding says that messages need a key where the latest of every key is kept', TIMEOUT, async (t) => {
  const plane = await startHarness(t)
  for (const [id, retention] of [
    ['stock.level', 'latest-per-key'],
    ['orders.placed', '7d'],
  ] as const) {
    await plane.call('PUT', `/v1/ids/${id}`, { intent: { retention } })
    const { keyRequired } = Binding.parse((await plane.call('GET', `/v1/bindings/${id}`)).body)
    assert.equal(keyRequired, retention === 'latest-per-key' ? true : undefined, id)
  }
})

test('a binding is not sent again to a client that has it', TIMEOUT, async (t) => {
  const plane = await startHarness(t)
  await plane.call('PUT', '/v1/ids/orders.placed', { intent: {} })
  const first = await plane.call('GET', '/v1/bindings/orders.placed')
  const tag = String(first.headers.etag)
  assert.match(tag, /^"\d+\.\d+"$/)
  const again = await plane.call('GET', '/v1/bindings/orders.placed', undefined, { 'if-none-match': tag })
  assert.equal(again.status, 304)
  assert.equal(again.text, '')
  await plane.call('PUT', '/v1/ids/orders.placed', { intent: { latencyP99Ms: 5_000 } })
  const changed = await plane.call('GET', '/v1/bindings/orders.placed', undefined, { 'if-none-match': tag })
  assert.equal(changed.status, 200)
  assert.notEqual(changed.headers.etag, tag)
})

test('an unknown mQ ID is made on first use only where the policy allows it', TIMEOUT, async (t) => {
  const strict = await startHarness(t)
  assertProblem(await strict.call('GET', '/v1/bindings/orders.placed'), 'MQ_ID_UNKNOWN')
  assert.equal(strict.kafka.topics.size, 0)
  const said: string[][] = []
  const open = await startHarness(t, { createOnFirstUse: true, onFirstUse: (...one) => said.push(one) })
  const used = await open.call('GET', '/v1/bindings/orders.placed?app=checkout')
  assert.equal(used.status, 200, used.text)
  const detail = await open.call('GET', '/v1/ids/orders.placed')
  assert.equal(detail.body.createdBy, 'first-use')
  const journal = await open.call('GET', '/v1/journal?subject=orders.placed')
  assert.match(journal.body.entries[0].actor, /checkout/)
  await open.call('GET', '/v1/bindings/ordres.placed?app=checkout')
  await open.call('GET', '/v1/bindings/orders.placed?app=checkout')
  assert.deepEqual(said, [
    ['orders.placed', 'local (application checkout)', ''],
    ['ordres.placed', 'local (application checkout)', "; did you mean 'orders.placed'?"],
  ])
})

test(
  'a deleted mQ ID loses its topic, stays deleted for a first use, and comes back as a new epoch',
  TIMEOUT,
  async (t) => {
    const plane = await startHarness(t, { createOnFirstUse: true })
    await plane.call('PUT', '/v1/ids/orders.placed', { intent: {} })
    const gone = await plane.call('DELETE', '/v1/ids/orders.placed')
    assert.deepEqual(gone.body, { deleted: true, topics: ['orders.placed.e1'], keptUntilMs: null })
    assert.equal(plane.kafka.topics.size, 0)
    assertProblem(await plane.call('GET', '/v1/bindings/orders.placed'), 'MQ_ID_DELETED')
    assertProblem(await plane.call('GET', '/v1/ids/orders.placed'), 'MQ_ID_DELETED')
    assertProblem(await plane.call('DELETE', '/v1/ids/orders.placed'), 'MQ_ID_DELETED')
    assertProblem(await plane.call('DELETE', '/v1/ids/orders.never'), 'MQ_ID_UNKNOWN')
    assert.deepEqual((await plane.call('GET', '/v1/ids')).body.ids, [])
    const back = await plane.call('PUT', '/v1/ids/orders.placed', { intent: {} })
    assert.equal(back.body.epoch, 2)
    assert.deepEqual([...plane.kafka.topics.keys()], ['orders.placed.e2'])
  },
)

test('apply says what it would do, does it once, and does nothing the second time', TIMEOUT, async (t) => {
  const plane = await startHarness(t)
  const declarations = [
    { id: 'orders.placed', intent: {} },
    { id: 'orders.paid', intent: { retention: '1d' } },
  ]
  const planned = await plane.call('POST', '/v1/apply', { declarations, plan: true })
  assert.equal(planned.body.applied, false)
  assert.deepEqual(
    planned.body.entries.map((one: { action: string }) => one.action),
    ['create', 'create'],
  )
  assert.equal(plane.kafka.topics.size, 0)
  const done = await plane.call('POST', '/v1/apply', { declarations })
  assert.equal(done.body.applied, true, done.text)
  const revision = plane.store.revision
  const again = await plane.call('POST', '/v1/apply', { declarations })
  assert.deepEqual(
    again.body.entries.map((one: { action: string }) => one.action),
    ['unchanged', 'unchanged'],
  )
  assert.equal(again.body.applied, true)
  assert.equal(plane.store.revision, revision)
  assert.equal((await plane.call('GET', '/v1/journal')).body.entries.length, 3)
})

test('apply touches nothing when one of the declarations is refused', TIMEOUT, async (t) => {
  const plane = await startHarness(t)
  const declarations = [
    { id: 'orders.placed', intent: {} },
    { id: 'orders.paid', intent: { durability: 'dual' } },
  ]
  const answer = await plane.call('POST', '/v1/apply', { declarations })
  assert.equal(answer.body.applied, false)
  assert.equal(answer.body.entries[1].action, 'refuse')
  assert.equal(answer.body.entries[1].refusal.code, 'MQ_INTENT_UNMET')
  assert.equal(plane.kafka.topics.size, 0)
  assert.equal(plane.registry.get('orders.placed'), undefined)
})

test('the journal keeps what changed, why, and what was before', TIMEOUT, async (t) => {
  const plane = await startHarness(t)
  await plane.call('PUT', '/v1/ids/orders.placed', { intent: {} })
  await plane.call('PUT', '/v1/ids/orders.placed', { intent: { retention: '2d' } })
  await plane.call('DELETE', '/v1/ids/orders.placed')
  const { entries } = (await plane.call('GET', '/v1/journal?subject=orders.placed')).body
  assert.deepEqual(
    entries.map((one: { kind: string }) => one.kind),
    ['delete', 'change', 'create'],
  )
  assert.match(entries[1].why, /retention\.durationMs: 604800000 -> 172800000/)
  assert.equal(entries[1].before.intent.retention.durationMs, 604_800_000)
  assert.equal(entries[1].after.intent.retention.durationMs, 172_800_000)
})

test('readiness needs the store and one cluster, health needs neither', TIMEOUT, async (t) => {
  const plane = await startHarness(t)
  await plane.clusters.checkAll()
  const ready = await plane.call('GET', '/v1/ready')
  assert.equal(ready.status, 200, ready.text)
  assert.deepEqual(ready.body, { status: 'ready', checks: { store: 'ok', 'cluster main': 'up' } })
  const { MqError } = await import('@mq/contract')
  plane.kafka.away = new MqError('MQ_KAFKA_UNREACHABLE', 'no broker answers')
  await plane.clusters.checkAll()
  const not = await plane.call('GET', '/v1/ready')
  assert.equal(not.status, 503)
  assert.equal(not.body.status, 'not-ready')
  assert.match(not.body.checks['cluster main'], /MQ_KAFKA_UNREACHABLE/)
  assert.equal((await plane.call('GET', '/v1/health')).status, 200)
})

test('every route of the contract is registered', TIMEOUT, async (t) => {
  const plane = await startHarness(t)
  for (const { method, path } of Object.values(routes)) {
    assert.ok(plane.app.hasRoute({ method, url: path }), `${method} ${path}`)
  }
})

test('a field or query that a route does not know is refused, with the nearest known one (H6)', TIMEOUT, async (t) => {
  const plane = await startHarness(t)
  await plane.call('PUT', '/v1/ids/orders.placed', { intent: {} })
  const refused = async (method: 'GET' | 'PUT' | 'POST', url: string, body: unknown, text: RegExp): Promise<void> => {
    const answer = await plane.call(method, url, body)
    assert.equal(answer.status, 400, `${method} ${url}: ${answer.text}`)
    assert.match(answer.body.message, text)
  }
  const before = plane.store.revision
  await refused('POST', '/v1/ids/orders.placed/migrations', { cluster: 'big' }, /^body: unknown field 'cluster'/)
  await refused(
    'PUT',
    '/v1/clusters/east',
    { bootstrap: ['h:1'], securityProtocl: 'tls' },
    /^body: unknown field 'securityProtocl'; did you mean 'securityProtocol'\?/,
  )
  await refused(
    'PUT',
    '/v1/clusters/east',
    { bootstrap: ['h:1'], economics: { priceBook: 'aws-us-east-1', zonez: 3 } },
    /economics: unknown field 'zonez'; did you mean 'zones'\?/,
  )
  await refused(
    'PUT',
    '/v1/ids/a.b',
    { intent: { retentoin: '7d' } },
    /^intent: unknown field 'retentoin'; did you mean 'retention'\?/,
  )
  await refused('PUT', '/v1/ids/a.b', { intent: {}, paln: true }, /unknown field 'paln'/)
  await refused(
    'POST',
    '/v1/apply',
    { declarations: [{ id: 'a.b', intent: { owner: { team: 'x', servce: 'y' } } }], plann: true },
    /unknown field 'plann'; did you mean 'plan'\?|servce/,
  )
  await refused('GET', '/v1/migrations?Id=orders.placed', undefined, /^query: unknown field 'Id'; did you mean 'id'\?/)
  await refused('PUT', '/v1/autopilot', { on: true, of: 1 }, /unknown field 'of'/)
  assert.equal(plane.store.revision, before, 'nothing was changed')
  const newer = { ...telemetryReport({}), fromALaterVersion: 1 }
  assert.equal((await plane.call('POST', '/v1/telemetry', newer)).status, 200, 'the SDK may be newer')
  assert.equal((await plane.call('GET', '/v1/bindings/orders.placed?app=x&later=1')).status, 200)
})

test('no request schema takes a field that it does not know', TIMEOUT, async (t) => {
  const plane = await startHarness(t)
  for (const [name, route] of Object.entries(routes) as [string, RouteShape][]) {
    if (route.speaksToSdk === true) continue
    const path = route.path
      .replace(':id', 'a.b')
      .replace(':number', '1')
      .replace(':name', 'n')
      .replace(':group', 'g')
      .replace(':scope', 'global')
      .replace(':group', 'g')
    if (route.method !== 'GET') {
      const answer = await plane.call(route.method, path, { 'no-such-field': 1 })
      assert.match(answer.text, /unknown field 'no-such-field'/, name)
    }
    assert.match((await plane.call(route.method, `${path}?nosuchquery=1`)).text, /unknown field 'nosuchquery'/, name)
  }
})

test('a cluster whose secrets nobody gave is refused and not registered', TIMEOUT, async (t) => {
  const kafka = new FakeKafka()
  const plane = await startHarness(t, {
    kafka,
    openAdmin: (address) => {
      if (address.saslMechanism === undefined) return kafka.openAdmin(address)
      throw new MqError('MQ_OPTION_INVALID', 'the control plane was given no username for it')
    },
  })
  const answer = await plane.call('PUT', '/v1/clusters/east', {
    bootstrap: ['h:1'],
    securityProtocol: 'sasl-plaintext',
    saslMechanism: 'PLAIN',
  })
  assertProblem(answer, 'MQ_OPTION_INVALID')
  const { clusters } = (await plane.call('GET', '/v1/clusters')).body
  assert.deepEqual(
    clusters.map(({ name }: { name: string }) => name),
    ['main'],
  )
})

test('a cluster that refuses its credentials is not registered; one that is away is', TIMEOUT, async (t) => {
  const kafka = new FakeKafka()
  const plane = await startHarness(t, { kafka })
  const sasl = { bootstrap: ['h:1'], securityProtocol: 'sasl-plaintext', saslMechanism: 'PLAIN' }
  const names = async () =>
    (await plane.call('GET', '/v1/clusters')).body.clusters.map(({ name }: { name: string }) => name)
  kafka.away = new MqError('MQ_KAFKA_AUTH_FAILED', 'the password is wrong')
  assertProblem(await plane.call('PUT', '/v1/clusters/east', sasl), 'MQ_KAFKA_AUTH_FAILED')
  assert.deepEqual(await names(), ['main'])
  kafka.away = new MqError('MQ_KAFKA_UNREACHABLE', 'no broker answers')
  const west = await plane.call('PUT', '/v1/clusters/west', sasl)
  assert.equal(west.body.status, 'unreachable', west.text)
  assert.deepEqual(await names(), ['main', 'west'])
  kafka.away = new MqError('MQ_KAFKA_AUTH_FAILED', 'the password is wrong')
  assertProblem(
    await plane.call('PUT', '/v1/clusters/west', { ...sasl, saslMechanism: 'SCRAM-SHA-512' }),
    'MQ_KAFKA_AUTH_FAILED',
  )
  const { clusters } = (await plane.call('GET', '/v1/clusters')).body
  assert.equal(clusters[1].saslMechanism, 'PLAIN', 'a change that is refused changes nothing')
})
