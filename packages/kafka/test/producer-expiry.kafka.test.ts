/** A producer that is idle for longer than brokers remember producer ids. */
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { type LocalCluster, startCluster } from '@mq/local'
import { Admin } from '../src/admin/admin.ts'
import { Fetcher } from '../src/fetch/fetcher.ts'
import { Cluster } from '../src/net/cluster.ts'
import { MemoryBudget } from '../src/produce/memory-budget.ts'
import { Producer } from '../src/produce/producer.ts'
import { SETTINGS } from './fetcher-rig.ts'
import { until, untilAsync } from './group-fixture.ts'

const ROUNDS = 3
const EACH = 7

describe('a producer id that brokers forget', { timeout: 300_000 }, () => {
  let kafka: LocalCluster
  let cluster: Cluster
  before(async () => {
    const configs = { 'producer.id.expiration.ms': '1000', 'producer.id.expiration.check.interval.ms': '200' }
    kafka = await startCluster({ name: 'expiry', brokers: 1, configs })
    cluster = new Cluster({ name: 'expiry', clientId: 'test', bootstrap: kafka.bootstrap })
  })
  after(async () => {
    await cluster?.close()
    await kafka?.stop()
  })

  it('goes on being used: no error, no loss, no second copy, in order', async () => {
    const admin = new Admin(cluster)
    const topic = 'idle'
    await admin.createTopic({ name: topic, partitions: 1, replication: 1 })
    const settings = {
      codec: 'none' as const,
      lingerMs: 0,
      batchBytes: 16_384,
      maxMessageBytes: 65_536,
      requestTimeoutMs: 10_000,
    }
    const producer = new Producer({ cluster, settings, budget: new MemoryBudget(1_048_576) })
    const handle = producer.topic(topic, 1)
    for (let round = 0; round < ROUNDS; round++) {
      for (let n = 0; n < EACH; n++) await producer.send(handle, 'k', String(round * EACH + n))
      await untilAsync(
        'the broker forgets the producer',
        async () => (await admin.activeProducers(topic, [0])).length === 0,
        30_000,
      )
    }
    const seen: (string | null)[] = []
    const fetcher = new Fetcher({
      cluster,
      settings: SETTINGS,
      onBatch: (batch) => {
        for (const record of batch) seen.push(record.valueString())
        batch.release()
      },
      onError: (_topic, _partition, error) => assert.fail(error),
    })
    fetcher.add(topic, 0, 0n)
    const [end = 0n] = (await admin.listOffsets(topic, [0], 'latest')).values()
    await until('all of it is read', () => (fetcher.position(topic, 0) ?? 0n) >= end)
    assert.deepEqual(
      seen,
      Array.from({ length: ROUNDS * EACH }, (_, n) => String(n)),
    )
    await fetcher.close()
    await producer.close()
  })
})
