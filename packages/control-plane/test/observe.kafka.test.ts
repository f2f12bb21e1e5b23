/**
 * Looking at a real Apache Kafka without an agent: what is there, what it costs by, and what may not be seen (observation.ts, O1 and O2).
 */
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { Admin, Cluster, MemoryBudget, Producer } from '@mq/kafka'
import { type LocalCluster, startCluster } from '@mq/local'
import { type ClusterObservation, readersOf } from '../src/observe/observation.ts'
import { observeCluster } from '../src/observe/observe-cluster.ts'

const SETTINGS = {
  lingerMs: 5,
  batchBytes: 16_384,
  maxMessageBytes: 1_048_576,
  requestTimeoutMs: 10_000,
  codec: 'none' as const,
}

describe('an observation of a cluster of one broker', { timeout: 300_000 }, () => {
  let kafka: LocalCluster
  let cluster: Cluster
  let admin: Admin

  before(async () => {
    kafka = await startCluster({ name: 'observe', configs: { 'offsets.topic.num.partitions': '2' } })
    cluster = new Cluster({ name: 'observe', clientId: 'test', bootstrap: kafka.bootstrap })
    admin = new Admin(cluster)
  })
  after(async () => {
    await cluster?.close()
    await kafka?.stop()
  })

  const look = (topics?: readonly string[], watchMs = 0): Promise<ClusterObservation> =>
    observeCluster(cluster, { watchMs, ...(topics === undefined ? {} : { topics }) })

  async function write(topic: string, partitions: number, count: number): Promise<void> {
    const producer = new Producer({ cluster, settings: SETTINGS, budget: new MemoryBudget(64 * 1_048_576) })
    try {
      const handle = producer.topic(topic, partitions)
      for (let index = 0; index < count; index++) {
        const value = JSON.stringify({
          order: index,
          customer: `customer-${index % 50}`,
          state: 'placed',
          items: [1, 2],
        })
        if (index % 20 === 0) await producer.flush()
        producer.send(handle, `key ${index % 97}`, value).catch(() => {})
      }
    } finally {
      await producer.close(10_000)
    }
  }

  it('finds nothing in an empty cluster, and no problem', async () => {
    const found = await look()
    assert.deepEqual(found.topics, [])
    assert.deepEqual(found.groups, [])
    assert.deepEqual(found.problems, [])
    assert.equal(found.brokers.length, 1)
  })

  it('sees shape, settings, sizes, batches and readers of a topic, and what other codecs would make of it', async () => {
    await admin.createTopic({
      name: 'orders',
      partitions: 3,
      replication: 1,
      configs: { 'retention.ms': '86400000', 'segment.bytes': '104857600' },
    })
    await admin.createTopic({ name: 'quiet', partitions: 2, replication: 1, configs: { 'cleanup.policy': 'compact' } })
    await write('orders', 3, 3_000)
    await admin.commitOffsets('gone', [{ topic: 'orders', partition: 0, offset: 10n }])
    const found = await look(undefined, 500)
    const orders = found.topics.find(({ name }) => name === 'orders')!
    assert.deepEqual([orders.partitions, orders.replication, orders.retainedRecords], [3, 1, 3_000])
    assert.equal(orders.configs?.retentionMs, 86_400_000)
    assert.equal(orders.configs?.segmentBytes, 104_857_600)
    assert.ok(orders.leaderBytes! > 100_000)
    assert.equal(orders.diskBytes, orders.leaderBytes)
    const { batches } = orders
    assert.ok(batches !== null)
    assert.deepEqual(batches.codecs, { none: 1 })
    assert.equal(batches.producers, 1)
    const depth = batches.records / batches.batches
    assert.ok(depth > 1 && depth <= 20, `${depth} records a batch`)
    const zstd = batches.tried.find(
      (sample) => sample.codec === 'zstd' && sample.codecLevel === 1 && sample.depth === 64,
    )!
    assert.ok(zstd.compressedBytes * 2 < zstd.uncompressedBytes)
    const quiet = found.topics.find(({ name }) => name === 'quiet')!
    assert.deepEqual([quiet.configs?.compacted, quiet.configs?.retentionMs, quiet.batches], [true, null, null])
    assert.equal(quiet.rate?.recordsPerSecond, 0)
    assert.equal(quiet.quietPartitions, 2)
    const gone = found.groups.find(({ group }) => group === 'gone')!
    assert.equal(gone.topics[0]?.topic, 'orders')
    assert.ok(gone.topics[0]!.lagRecords > 100)
    assert.deepEqual(readersOf(found, 'orders'), [])
    assert.deepEqual(found.problems, [])
    assert.ok(found.watchedMs >= 500)
  })

  it('tells about a topic that does not exist, and about a cluster that is away', async () => {
    const found = await look(['orders', 'no-such-topic'])
    assert.deepEqual(
      found.problems.map(({ about, name, code }) => ({ about, name, code })),
      [{ about: 'topic', name: 'no-such-topic', code: 'MQ_TOPIC_MISSING' }],
    )
    assert.deepEqual(
      found.topics.map(({ name }) => name),
      ['orders'],
    )
    const away = new Cluster({ name: 'away', clientId: 'test', bootstrap: ['127.0.0.1:1'], connectTimeoutMs: 500 })
    await assert.rejects(observeCluster(away, { watchMs: 0 }), { code: 'MQ_KAFKA_UNREACHABLE' })
    await away.close()
  })
})
