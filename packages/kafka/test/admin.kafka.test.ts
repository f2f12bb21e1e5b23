/**
 * Admin on a real Apache Kafka.
 */
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { MqError } from '@mq/contract'
import { isKafkaAtLeast, type LocalCluster, startCluster } from '@mq/local'
import { within } from '@mq/testkit'
import { Consumer, Producer, stringSerializers } from '@platformatic/kafka'
import { Admin } from '../src/admin/admin.ts'
import { Cluster } from '../src/net/cluster.ts'

const hasCode = (code: string) => (error: unknown) => {
  assert.ok(error instanceof MqError, String(error))
  assert.equal(error.code, code, error.message)
  return true
}

describe('admin of a cluster of one broker', { timeout: 300_000 }, () => {
  let kafka: LocalCluster
  let cluster: Cluster
  let admin: Admin

  before(async () => {
    kafka = await startCluster({ name: 'admin', configs: { 'offsets.topic.num.partitions': '2' } })
    cluster = new Cluster({ name: 'admin', clientId: 'test', bootstrap: kafka.bootstrap })
    admin = new Admin(cluster)
  })

  after(async () => {
    await cluster?.close()
    await kafka?.stop()
  })

  const send = async (topic: string, records: readonly { partition: number; timestamp: number }[]): Promise<void> => {
    const producer = new Producer({
      clientId: 'test',
      bootstrapBrokers: kafka.bootstrap,
      serializers: stringSerializers,
    })
    try {
      for (const { partition, timestamp } of records) {
        await producer.send({ messages: [{ topic, partition, value: 'v', timestamp: BigInt(timestamp) }] })
      }
    } finally {
      await producer.close()
    }
  }

  it('describes the cluster as it is', async () => {
    const found = await admin.describeCluster()
    assert.equal(found.clusterId, kafka.clusterId)
    assert.equal(found.controllerId, kafka.brokers[0]?.nodeId)
    const [broker] = found.brokers
    assert.deepEqual([found.brokers.length, broker?.nodeId], [1, kafka.brokers[0]?.nodeId])
    // A proxy in front gives each broker an address beside the one to begin with.
    const address = `${broker?.host}:${broker?.port}`
    if (kafka.kafka.front === undefined) assert.equal(address, kafka.bootstrap[0])
    else assert.notEqual(address, `127.0.0.1:${kafka.brokers[0]?.port}`)
  })

  it('makes a topic that can be written at once, with the settings asked for, and removes it', async () => {
    await admin.createTopic({ name: 'made', partitions: 3, replication: 1, configs: { 'retention.ms': '3600000' } })
    const [topic] = await admin.describeTopics(['made', 'never-made'])
    assert.equal(topic?.name, 'made')
    assert.deepEqual(
      topic?.partitions.map(({ index, leader, replicas }) => [index, leader >= 0, replicas.length]),
      [
        [0, true, 1],
        [1, true, 1],
        [2, true, 1],
      ],
    )
    assert.equal((await admin.topicConfigs('made')).get('retention.ms'), '3600000')
    await assert.rejects(
      admin.createTopic({ name: 'made', partitions: 3, replication: 1, configs: { 'retention.ms': '3600000' } }),
      hasCode('MQ_TOPIC_EXISTS'),
    )
    await admin.deleteTopic('made')
    assert.deepEqual(await admin.describeTopics(['made']), [])
    await admin.createTopic({ name: 'made', partitions: 1, replication: 1 })
    assert.equal((await admin.describeTopics(['made']))[0]?.partitions.length, 1)
  })

  it('says which request Kafka refused', async () => {
    await assert.rejects(admin.createTopic({ name: 'three', partitions: 1, replication: 3 }), (error: unknown) => {
      hasCode('MQ_KAFKA_REFUSED')(error)
      assert.match((error as MqError).message, /create topic three on cluster admin.*INVALID_REPLICATION_FACTOR/)
      return true
    })
    const odd = { name: 'odd', partitions: 1, replication: 1, configs: { 'retention.ms': 'soon' } }
    await assert.rejects(admin.createTopic(odd), hasCode('MQ_KAFKA_REFUSED'))
    await assert.rejects(
      admin.createTopic({ name: 'no/slash', partitions: 1, replication: 1 }),
      hasCode('MQ_KAFKA_REFUSED'),
    )
    for (const partitions of [0, -1, 1.5, Number.NaN, 2 ** 31]) {
      await assert.rejects(admin.createTopic({ name: 'odd', partitions, replication: 1 }), hasCode('MQ_OPTION_INVALID'))
    }
    assert.deepEqual(await admin.describeTopics(['three', 'odd']), [])
  })

  it('finds a topic missing within about a second', async () => {
    const missing = hasCode('MQ_TOPIC_MISSING')
    const refusals = () => [
      assert.rejects(admin.deleteTopic('missing'), missing),
      assert.rejects(admin.topicConfigs('missing'), missing),
      assert.rejects(admin.alterTopicConfigs('missing', { 'retention.ms': '1' }), missing),
      assert.rejects(admin.listOffsets('missing', [0], 'latest'), missing),
      assert.rejects(admin.endOffsetForLeaderEpoch('missing', 0, 0), missing),
    ]
    await within(5_000, () => Promise.all(refusals()))
    await admin.createTopic({ name: 'narrow', partitions: 1, replication: 1 })
    await assert.rejects(admin.listOffsets('narrow', [0, 7], 'latest'), missing)
  })

  it('changes the settings it names and no others', async () => {
    const configs = { 'retention.ms': '1000000', 'max.message.bytes': '2000000' }
    await admin.createTopic({ name: 'settings', partitions: 1, replication: 1, configs })
    const before = await admin.topicConfigs('settings')
    await admin.alterTopicConfigs('settings', { 'retention.ms': '-1', 'compression.type': 'zstd' })
    const changed = await admin.topicConfigs('settings')
    const differing = [...changed].filter(([name, value]) => before.get(name) !== value)
    assert.deepEqual(
      new Map(differing),
      new Map([
        ['retention.ms', '-1'],
        ['compression.type', 'zstd'],
      ]),
    )
    await admin.alterTopicConfigs('settings', { 'retention.ms': null })
    assert.equal((await admin.topicConfigs('settings')).get('retention.ms'), '604800000')
    assert.equal((await admin.topicConfigs('settings')).get('max.message.bytes'), '2000000')
    await assert.rejects(admin.alterTopicConfigs('settings', { 'retention.ms': 'soon' }), hasCode('MQ_KAFKA_REFUSED'))
    await admin.alterTopicConfigs('settings', {})
  })

  it('finds the first, the last, the newest and the first not older offset of each partition', async () => {
    await admin.createTopic({ name: 'offsets', partitions: 3, replication: 1 })
    const now = 1_700_000_000_000
    await admin.alterTopicConfigs('offsets', { 'retention.ms': '-1' })
    await send('offsets', [
      { partition: 0, timestamp: now },
      { partition: 0, timestamp: now + 2_000 },
      { partition: 0, timestamp: now + 1_000 },
      { partition: 1, timestamp: now },
    ])
    const all = [0, 1, 2]
    assert.deepEqual(
      await admin.listOffsets('offsets', all, 'earliest'),
      new Map([
        [0, 0n],
        [1, 0n],
        [2, 0n],
      ]),
    )
    assert.deepEqual(
      await admin.listOffsets('offsets', all, 'latest'),
      new Map([
        [0, 3n],
        [1, 1n],
        [2, 0n],
      ]),
    )
    const committed = await admin.listOffsets('offsets', all, 'latest', 'read_committed')
    assert.deepEqual(
      committed,
      new Map([
        [0, 3n],
        [1, 1n],
        [2, 0n],
      ]),
    )
    const newest = admin.listOffsets('offsets', all, 'max-timestamp')
    if (isKafkaAtLeast(kafka.kafka.version, '3.0.0')) {
      assert.deepEqual(
        await newest,
        new Map([
          [0, 1n],
          [1, 0n],
        ]),
      )
    } else {
      await assert.rejects(newest, hasCode('MQ_KAFKA_VERSION'))
    }
    assert.deepEqual(await admin.listOffsets('offsets', all, { timestampMs: now + 500 }), new Map([[0, 1n]]))
    assert.deepEqual(await admin.listOffsets('offsets', [], 'latest'), new Map())
    const bad = admin.listOffsets('offsets', all, { timestampMs: -1 })
    await assert.rejects(bad, hasCode('MQ_OPTION_INVALID'))
    const epoch = cluster.leader('offsets', 0)!.leaderEpoch
    assert.deepEqual(await admin.endOffsetForLeaderEpoch('offsets', 0, epoch), { leaderEpoch: epoch, endOffset: 3n })
    assert.equal(await admin.endOffsetForLeaderEpoch('offsets', 0, epoch + 5), undefined)
  })

  it('keeps positions of a group without members, and removes the group', async () => {
    await admin.createTopic({ name: 'seeded', partitions: 2, replication: 1 })
    await admin.createTopic({ name: 'seeded-too', partitions: 1, replication: 1 })
    assert.deepEqual(await admin.committedOffsets('seeds'), new Map())
    assert.equal(await admin.describeGroup('seeds'), undefined)
    await admin.commitOffsets('seeds', [
      { topic: 'seeded', partition: 0, offset: 0n },
      { topic: 'seeded', partition: 1, offset: 9_007_199_254_740_993n, metadata: 'why' },
      { topic: 'seeded-too', partition: 0, offset: 5n },
    ])
    assert.deepEqual(
      await admin.committedOffsets('seeds', ['seeded']),
      new Map([
        ['seeded:0', 0n],
        ['seeded:1', 9_007_199_254_740_993n],
      ]),
    )
    assert.equal((await admin.committedOffsets('seeds')).size, 3)
    const found = await admin.describeGroup('seeds')
    assert.equal(found?.state, 'Empty')
    assert.deepEqual(found?.members, [])
    assert.ok((await admin.listGroups()).some(({ groupId, state }) => groupId === 'seeds' && state === 'Empty'))
    const below = admin.commitOffsets('seeds', [{ topic: 'seeded', partition: 0, offset: -1n }])
    await assert.rejects(below, hasCode('MQ_OPTION_INVALID'))
    assert.equal(await admin.deleteGroup('seeds'), true)
    assert.equal(await admin.deleteGroup('seeds'), false)
    assert.deepEqual(await admin.committedOffsets('seeds'), new Map())
  })

  for (const protocol of ['classic', 'consumer'] as const) {
    it(`sees who reads what in a group of the ${protocol} protocol, and does not disturb it`, async (test) => {
      const lack = protocol === 'consumer' ? await kafka.lacks('group.version') : undefined
      if (lack !== undefined) return test.skip(lack)
      const topic = `read-${protocol}`
      const groupId = `group-${protocol}`
      await admin.createTopic({ name: topic, partitions: 2, replication: 1 })
      const consumer = new Consumer({
        clientId: `reader-${protocol}`,
        bootstrapBrokers: kafka.bootstrap,
        groupId,
        groupProtocol: protocol,
      })
      const stream = await consumer.consume({ topics: [topic] })
      stream.on('error', () => {})
      try {
        let group = await admin.describeGroup(groupId)
        for (let tries = 0; tries < 100 && (group?.members[0]?.partitions.length ?? 0) < 2; tries += 1) {
          await new Promise((resolve) => setTimeout(resolve, 50))
          group = await admin.describeGroup(groupId)
        }
        assert.equal(group?.type, protocol)
        assert.equal(group?.state, 'Stable')
        const [member] = group!.members
        assert.equal(member?.clientId, `reader-${protocol}`)
        assert.deepEqual(
          member?.partitions.toSorted((a, b) => a.partition - b.partition),
          [
            { topic, partition: 0 },
            { topic, partition: 1 },
          ],
        )
        const told = protocol === 'consumer' ? { topics: [topic], isSettled: true } : {}
        assert.deepEqual(
          { topics: member?.topics, isSettled: member?.isSettled },
          { topics: undefined, isSettled: undefined, ...told },
        )
        const listed = (await admin.listGroups()).find((one) => one.groupId === groupId)
        // Only Kafka 3.8 and newer tell the type of a group in a list.
        const type = isKafkaAtLeast(kafka.kafka.version, '3.8.0') ? protocol : undefined
        assert.deepEqual(listed, { groupId, type, state: 'Stable' })
        const meddling = admin.commitOffsets(groupId, [{ topic, partition: 0, offset: 0n }])
        await assert.rejects(meddling, hasCode('MQ_GROUP_FENCED'))
        await assert.rejects(admin.deleteGroup(groupId), hasCode('MQ_KAFKA_REFUSED'))
      } finally {
        await stream.close()
        await consumer.close(true)
      }
    })
  }
})
