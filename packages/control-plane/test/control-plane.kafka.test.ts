/**
 * The control plane on a real Apache Kafka: what it asks for is what the cluster has.
 */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { Binding } from '@mq/contract'
import { Admin, Cluster, MemoryBudget, Producer } from '@mq/kafka'
import { isKafkaAtLeast, type LocalCluster, startCluster } from '@mq/local'
import { within } from '@mq/testkit'
import { type ControlPlane, startControlPlane } from '../src/control-plane.ts'
import { silentLogger } from '../src/logger.ts'
import { temporaryFolder } from './harness.ts'

const TIMEOUT = { timeout: 300_000 }
let kafka: LocalCluster
let cluster: Cluster
let admin: Admin

before(
  async () => {
    kafka = await startCluster({ name: 'main' })
    cluster = new Cluster({ name: 'main', clientId: 'test', bootstrap: kafka.bootstrap })
    admin = new Admin(cluster)
  },
  { timeout: 300_000 },
)
after(async () => {
  await cluster?.close()
  await kafka?.stop()
})

const address = () => ({ name: 'main', bootstrap: [...kafka.bootstrap], securityProtocol: 'plaintext' as const })

interface Answer {
  readonly status: number
  // biome-ignore lint/suspicious/noExplicitAny: a test reads any part of any answer
  readonly body: any
}

async function call(plane: ControlPlane, method: string, path: string, body?: unknown): Promise<Answer> {
  const answer = await fetch(plane.url + path, {
    method,
    ...(body === undefined ? {} : { body: JSON.stringify(body), headers: { 'content-type': 'application/json' } }),
  })
  return { status: answer.status, body: await answer.json() }
}

test('a declared mQ ID is a topic with exactly the shape and settings its description says', TIMEOUT, async (t) => {
  const plane = await startControlPlane({
    port: 0,
    dataDir: temporaryFolder(t),
    clusters: [address()],
    logger: silentLogger,
  })
  t.after(() => plane.close())
  const intent = {
    retention: '2d',
    maxMessageBytes: 2_097_152,
    expectedMessagesPerSecond: 120_000,
    expectedMessageBytes: 200,
  }
  const made = await call(plane, 'PUT', '/v1/ids/orders.placed', { intent })
  assert.equal(made.status, 200, JSON.stringify(made.body))
  assert.equal(made.body.partitions, 8)
  assert.equal(made.body.replication, 1)
  assert.deepEqual(made.body.warnings, ['one broker: a record is lost if its disk is'])
  const [topic] = await cluster.metadata(['orders.placed.e1'], { refresh: true })
  assert.equal(topic?.partitions.length, 8)
  for (const partition of topic!.partitions) assert.ok(partition.leader >= 0, 'every partition can be written at once')
  const configs = await admin.topicConfigs('orders.placed.e1')
  for (const [name, expected] of Object.entries({
    'retention.ms': '172800000',
    'cleanup.policy': 'delete',
    'compression.type': 'producer',
    // Kafka before 3.6 keeps the limit by an older setting, in both directions.
    [`message.timestamp.${isKafkaAtLeast(kafka.kafka.version, '3.6.0') ? 'before' : 'difference'}.max.ms`]: '172800000',
    'max.message.bytes': String(2_097_152 + 131_072),
    'min.insync.replicas': '1',
  })) {
    assert.equal(configs.get(name), expected, name)
  }
  const changed = await call(plane, 'PUT', '/v1/ids/orders.placed', { intent: { ...intent, retention: 'forever' } })
  assert.equal(changed.status, 200, JSON.stringify(changed.body))
  assert.equal((await admin.topicConfigs('orders.placed.e1')).get('retention.ms'), '-1')
  const binding = Binding.parse((await call(plane, 'GET', '/v1/bindings/orders.placed')).body)
  assert.deepEqual(binding.clusters[0]?.bootstrap, kafka.bootstrap)
  const info = await call(plane, 'GET', '/v1/clusters')
  assert.equal(info.body.clusters[0].status, 'up')
  assert.equal(info.body.clusters[0].brokers, 1)
  const gone = await call(plane, 'DELETE', '/v1/ids/orders.placed?now=true')
  assert.deepEqual(gone.body, { deleted: true, topics: ['orders.placed.e1'], keptUntilMs: null })
})

test('a foreign topic is left alone, and a compacted mQ ID is compacted', TIMEOUT, async (t) => {
  await admin.createTopic({ name: 'foreign.e1', partitions: 1, replication: 1, configs: {} })
  const plane = await startControlPlane({
    port: 0,
    dataDir: temporaryFolder(t),
    clusters: [address()],
    logger: silentLogger,
  })
  t.after(() => plane.close())
  const refused = await call(plane, 'PUT', '/v1/ids/foreign', { intent: {} })
  assert.equal(refused.body.code, 'MQ_TOPIC_EXISTS', JSON.stringify(refused.body))
  const compacted = await call(plane, 'PUT', '/v1/ids/stock.level', { intent: { retention: 'latest-per-key' } })
  assert.equal(compacted.status, 200, JSON.stringify(compacted.body))
  assert.equal((await admin.topicConfigs('stock.level.e1')).get('cleanup.policy'), 'compact')
})

test('an empty mQ ID may change its format, one with records may not', TIMEOUT, async (t) => {
  const plane = await startControlPlane({
    port: 0,
    dataDir: temporaryFolder(t),
    clusters: [address()],
    logger: silentLogger,
  })
  t.after(() => plane.close())
  await call(plane, 'PUT', '/v1/ids/formats', { intent: {} })
  const changed = await call(plane, 'PUT', '/v1/ids/formats', { intent: { format: 'text' } })
  assert.equal(changed.body.format, 'text', JSON.stringify(changed.body))
  const producer = new Producer({
    cluster,
    settings: Binding.parse((await call(plane, 'GET', '/v1/bindings/formats')).body).producer,
    budget: new MemoryBudget(1_048_576),
  })
  t.after(() => producer.close(1_000))
  await producer.send(producer.topic('formats.e1', changed.body.partitions), null, 'a record')
  const refused = await call(plane, 'PUT', '/v1/ids/formats', { intent: { format: 'bytes' } })
  assert.equal(refused.body.code, 'MQ_INTENT_UNMET', JSON.stringify(refused.body))
  assert.match(refused.body.message, /format cannot change from 'text' to 'bytes'/)
})

test('a cluster that is away is said within seconds, and found again by itself', TIMEOUT, async (t) => {
  const plane = await startControlPlane({
    port: 0,
    dataDir: temporaryFolder(t),
    clusters: [{ name: 'gone', bootstrap: ['127.0.0.1:1'], securityProtocol: 'plaintext' }],
    logger: silentLogger,
  })
  t.after(() => plane.close())
  const refused = await within(8_000, () => call(plane, 'PUT', '/v1/ids/orders.placed', { intent: {} }))
  assert.equal(refused.body.code, 'MQ_KAFKA_UNREACHABLE', JSON.stringify(refused.body))
  assert.equal((await call(plane, 'GET', '/v1/ready')).status, 503)
  const back = await call(plane, 'PUT', '/v1/clusters/gone', { bootstrap: kafka.bootstrap })
  assert.equal(back.body.status, 'up', JSON.stringify(back.body))
  assert.equal((await call(plane, 'GET', '/v1/ready')).status, 200)
})
