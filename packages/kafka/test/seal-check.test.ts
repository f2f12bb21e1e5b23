/**
 * Engines that do not keep what a seal rests on are found out on a canary topic, and topics of mQ IDs are never touched
 * (seal-check Y1-Y5, seal S4).
 */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { MqError } from '@mq/contract'
import { FakeCluster, type FakeClusterOptions } from '@mq/testkit'
import { TopicSeal } from '../src/admin/seal.ts'
import { checkSealing } from '../src/admin/seal-check.ts'
import { Cluster } from '../src/net/cluster.ts'

const LIVE = 'orders.placed.e1'
const CANARY = { name: 'mq.canary.seal', replication: 1 }

async function check(options: Partial<FakeClusterOptions>, before?: (broker: FakeCluster) => void) {
  const broker = await FakeCluster.start({ topics: { [LIVE]: 3 }, ...options })
  const cluster = new Cluster({ name: 'fake', clientId: 'test', bootstrap: [broker.bootstrap] })
  try {
    before?.(broker)
    const failure = await checkSealing(cluster, CANARY).then(
      () => undefined,
      (error: unknown) => error,
    )
    assert.deepEqual(broker.topics, [LIVE], 'the canary topic is left')
    assert.equal(broker.limitOf(LIVE), undefined)
    for (const partition of [0, 1, 2]) assert.equal(broker.log(LIVE, partition).batches.length, 0)
    if (failure === undefined) return undefined
    assert.ok(failure instanceof MqError, String(failure))
    return failure
  } finally {
    await cluster.close()
    await broker.stop()
  }
}

describe('a cluster that is asked whether it can be moved from', () => {
  it('passes when it does as Kafka does, also with a canary topic left over from before', async () => {
    assert.equal(await check({}), undefined)
    assert.equal(
      await check({ topics: { [LIVE]: 3, [CANARY.name]: 1 } }, (broker) => broker.limit(CANARY.name, 78)),
      undefined,
    )
  })

  it('fails when it stores a batch with a wrong checksum', async () => {
    const failure = await check({ ignoresCrc: true })
    assert.equal(failure?.code, 'MQ_SEAL_UNSAFE')
    assert.match(failure?.message ?? '', /stores batches whose checksum is wrong/)
  })

  it('fails when it changes what it was only asked about', async () => {
    const failure = await check({ ignoresValidateOnly: true })
    assert.equal(failure?.code, 'MQ_SEAL_UNSAFE')
    assert.match(failure?.message ?? '', /changed it from 1048588 to 78; it was set back/)
  })

  it('fails when it refuses a wrong checksum in another way, and is only away when it does not answer for a while', async () => {
    const odd = await check({}, (broker) => {
      broker.wrongCrcCode = 87
    })
    assert.equal(odd?.code, 'MQ_SEAL_UNSAFE')
    const away = await check({}, (broker) => {
      broker.wrongCrcCode = 6
    })
    assert.equal(away?.code, 'MQ_KAFKA_UNAVAILABLE')
  })

  it('sets the limit of a topic back that a question has changed (S4)', async () => {
    const broker = await FakeCluster.start({ topics: { [LIVE]: 1 }, ignoresValidateOnly: true })
    const cluster = new Cluster({ name: 'fake', clientId: 'test', bootstrap: [broker.bootstrap] })
    await assert.rejects(new TopicSeal(cluster).validate(LIVE), { code: 'MQ_SEAL_UNSAFE' })
    assert.equal(broker.limitOf(LIVE), 1_048_588)
    await cluster.close()
    await broker.stop()
  })
})
