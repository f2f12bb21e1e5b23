/**
 * A survey of a real Apache Kafka: many topics at once, in part where not everything may be seen, and nothing changed by it.
 */
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { isKafkaAtLeast, type LocalCluster, startCluster } from '@mq/local'
import { Consumer, ProduceAcks, Producer, stringDeserializers, stringSerializers } from '@platformatic/kafka'
import { Admin } from '../src/admin/admin.ts'
import { Cluster } from '../src/net/cluster.ts'
import type { SampledBatch, SampledSpan } from '../src/survey/batches.ts'
import { Survey } from '../src/survey/survey.ts'
import { javaTool } from './kafka-tools.ts'

describe('a survey of a cluster of one broker', { timeout: 300_000 }, () => {
  let kafka: LocalCluster
  let cluster: Cluster
  let admin: Admin
  let survey: Survey

  before(async () => {
    kafka = await startCluster({
      name: 'survey',
      authorizer: true,
      configs: {
        'offsets.topic.num.partitions': '2',
        'allow.everyone.if.no.acl.found': 'true',
      },
    })
    cluster = new Cluster({ name: 'survey', clientId: 'test', bootstrap: kafka.bootstrap })
    admin = new Admin(cluster)
    survey = new Survey(cluster)
    // Its records are years old: with a retention, the broker would delete them some 30 s after its start, under the tests.
    await admin.createTopic({ name: 'zipped', partitions: 2, replication: 1, configs: { 'retention.ms': '-1' } })
    await admin.createTopic({ name: 'empty', partitions: 3, replication: 1 })
    const producer = new Producer({
      clientId: 'test',
      bootstrapBrokers: kafka.bootstrap,
      serializers: stringSerializers,
      compression: 'gzip',
      idempotent: true,
      acks: ProduceAcks.ALL,
    })
    for (let batch = 0; batch < 3; batch++) {
      await producer.send({
        messages: Array.from({ length: 10 }, (_, index) => ({
          topic: 'zipped',
          partition: 1,
          key: `key ${index}`,
          value: 'the same words again and again '.repeat(4),
          timestamp: BigInt(1_700_000_000_000 + batch * 1_000 + index),
        })),
      })
    }
    await producer.close()
  })

  after(async () => {
    await cluster?.close()
    await kafka?.stop()
  })

  it('finds offsets of all topics at one moment', async () => {
    const { topics, brokers } = await survey.topics(['zipped', 'empty'])
    assert.equal(brokers.length, 1)
    const latest = await survey.offsets(topics, 'latest')
    assert.equal(latest.problems.size, 0)
    assert.deepEqual(
      [...latest.found.get('zipped')!].sort(([a], [b]) => a - b).map(([partition, { offset }]) => [partition, offset]),
      [
        [0, 0],
        [1, 30],
      ],
    )
    assert.equal(latest.found.get('empty')!.size, 3)
    const later = await survey.offsets(topics, { timestampMs: 1_700_000_001_000 })
    assert.deepEqual([...later.found.get('zipped')!], [[1, { offset: 10, timestampMs: 1_700_000_001_000 }]])
  })

  it('tells for a topic that does not exist that it does not, and answers for the rest', async () => {
    const { topics } = await survey.topics(['zipped', 'no-such-topic'])
    const missing = topics.find(({ name }) => name === 'no-such-topic')
    assert.equal(missing?.errorCode, 3)
    const configs = await survey.configs(['zipped', 'no-such-topic'], ['retention.ms', 'no.such.setting'])
    assert.deepEqual([...configs.found.get('zipped')!], [['retention.ms', '-1']])
    assert.equal(configs.problems.get('no-such-topic')?.code, 'MQ_TOPIC_MISSING')
    assert.deepEqual(await cluster.topicNames().then((names) => names.includes('no-such-topic')), false)
  })

  it('weighs every copy of every partition on disk', async () => {
    const { brokers } = await survey.topics([])
    const disks = await survey.logDirs(brokers.map(({ nodeId }) => nodeId))
    assert.equal(disks.problems.size, 0)
    const disk = disks.found.get(String(brokers[0]!.nodeId))!
    assert.ok(disk.bytes.get('zipped:1')! > 61 * 3)
    assert.equal(disk.bytes.get('zipped:0'), 0)
    // Only Kafka 3.3 and newer tell the size of the disk.
    if (isKafkaAtLeast(kafka.kafka.version, '3.3.0')) assert.ok(disk.totalBytes! > disk.usableBytes!)
    else assert.deepEqual([disk.totalBytes, disk.usableBytes], [null, null])
    const away = await survey.logDirs([brokers[0]!.nodeId, 99])
    assert.equal(away.found.size, 1)
    assert.equal(away.problems.get('99')?.code, 'MQ_KAFKA_UNREACHABLE')
  })

  it('sees how batches were made', async () => {
    const { topics } = await survey.topics(['zipped'])
    const [partition] = topics[0]!.partitions.filter(({ index }) => index === 1)
    const seen: SampledBatch[] = []
    await survey.sample(
      [
        {
          topic: 'zipped',
          topicId: topics[0]!.id,
          partition: 1,
          leader: partition!.leader,
          leaderEpoch: partition!.leaderEpoch,
          offset: 12,
          maxBytes: 65_536,
        },
      ],
      { onSample: (_, batches) => seen.push(...batches), onProblem: (_, problem) => assert.fail(problem) },
    )
    assert.deepEqual(
      seen.map(({ codec, count, baseOffset, baseTimestampMs, maxTimestampMs }) => ({
        codec,
        count,
        baseOffset,
        baseTimestampMs,
        maxTimestampMs,
      })),
      [1, 2].map((batch) => ({
        codec: 'gzip',
        count: 10,
        baseOffset: batch * 10,
        baseTimestampMs: 1_700_000_000_000 + batch * 1_000,
        maxTimestampMs: 1_700_000_000_009 + batch * 1_000,
      })),
    )
    assert.ok(seen.every(({ wireBytes, uncompressedBytes }) => wireBytes < uncompressedBytes / 4))
    assert.ok(seen.every(({ producerId }) => producerId !== null))
    assert.ok(seen[0]!.records.includes('the same words'))
  })

  it('asks once more for batches that are larger than a sample, also those of many topics at once (B4)', async () => {
    const names = Array.from({ length: 9 }, (_, at) => `large-${at}`)
    const producer = new Producer({
      clientId: 'test',
      bootstrapBrokers: kafka.bootstrap,
      serializers: stringSerializers,
    })
    for (const name of names) {
      await admin.createTopic({ name, partitions: 1, replication: 1 })
      await producer.send({
        messages: Array.from({ length: 20 }, () => ({ topic: name, key: 'k', value: 'x'.repeat(30_000) })),
      })
    }
    await producer.close()
    const { topics } = await survey.topics(names)
    const seen = new Map<string, number>()
    await survey.sample(
      topics.map(({ name, id, partitions }) => ({
        topic: name,
        topicId: id,
        partition: 0,
        leader: partitions[0]!.leader,
        leaderEpoch: partitions[0]!.leaderEpoch,
        offset: 19,
        maxBytes: 48 * 1_024,
      })),
      {
        onSample: ({ topic }, batches) =>
          seen.set(
            topic,
            batches.reduce((sum, { count }) => sum + count, 0),
          ),
        onProblem: (_, problem) => assert.fail(problem),
      },
    )
    assert.deepEqual(
      names.map((name) => seen.get(name)),
      names.map(() => 20),
    )
  })

  it('tells markers of transactions from records', async () => {
    await admin.createTopic({ name: 'transactions', partitions: 1, replication: 1 })
    const producer = new Producer({
      clientId: 'test',
      bootstrapBrokers: kafka.bootstrap,
      serializers: stringSerializers,
      idempotent: true,
      transactionalId: 'survey',
      acks: ProduceAcks.ALL,
    })
    for (let turn = 0; turn < 3; turn++) {
      const transaction = await producer.beginTransaction()
      await transaction.send({ messages: [{ topic: 'transactions', key: 'k', value: 'v' }] })
      await transaction.commit()
    }
    await producer.close()
    const { topics } = await survey.topics(['transactions'])
    const { leader, leaderEpoch } = topics[0]!.partitions[0]!
    const request = { topic: 'transactions', topicId: topics[0]!.id, partition: 0, leader, leaderEpoch, offset: 0 }
    const seen: SampledSpan[] = []
    let records = 0
    await survey.sample([{ ...request, maxBytes: 65_536 }], {
      onSample: (_, batches, span) => {
        seen.push(span)
        records += batches.reduce((sum, { count }) => sum + count, 0)
      },
      onProblem: (_, problem) => assert.fail(problem),
    })
    assert.deepEqual([records, seen[0]!.markers, seen[0]!.offsets], [3, 3, 6])
    assert.ok(seen[0]!.markerBytes > 3 * 61)
  })

  it('knows groups with and without members, and how far they are', async () => {
    await admin.commitOffsets('gone', [{ topic: 'zipped', partition: 1, offset: 7n }])
    const consumer = new Consumer({
      clientId: 'test',
      groupId: 'here',
      bootstrapBrokers: kafka.bootstrap,
      deserializers: stringDeserializers,
    })
    const stream = await consumer.consume({ topics: ['zipped'], mode: 'earliest', autocommit: 100 })
    try {
      for await (const message of stream) if (message.offset === 29n) break
    } finally {
      const groups = await survey.groups()
      await stream.close().catch(() => {})
      await consumer.close(true)
      assert.equal(groups.problems.size, 0)
      const gone = groups.found.get('gone')!
      assert.deepEqual([gone.state, gone.members, gone.committed.get('zipped')?.get(1)], ['Empty', 0, 7])
      const here = groups.found.get('here')!
      assert.deepEqual([here.state, here.members], ['Stable', 1])
      assert.deepEqual([[...here.reads!], gone.reads!.size], [['zipped'], 0])
      assert.match(here.clients[0]!, /^test.*@/)
    }
  })

  it('takes the positions of a group away on the topics that are named, and the group with its last', async () => {
    await admin.createTopic({ name: 'kept', partitions: 1, replication: 1 })
    await admin.commitOffsets('dead', [
      { topic: 'zipped', partition: 0, offset: 3n },
      { topic: 'zipped', partition: 1, offset: 4n },
      { topic: 'kept', partition: 0, offset: 0n },
    ])
    assert.equal(await admin.dropPositions('dead', ['zipped']), 2)
    assert.deepEqual([...(await admin.committedOffsets('dead')).keys()], ['kept:0'])
    assert.equal(await admin.dropPositions('dead', ['zipped', 'kept']), 1)
    assert.ok(!(await admin.listGroups()).some(({ groupId }) => groupId === 'dead'))
    assert.equal(await admin.dropPositions('dead', ['kept']), 0)
  })

  it('leaves a cluster as it was', async () => {
    const before = await cluster.topicNames()
    const groupsBefore = (await admin.listGroups()).map(({ groupId }) => groupId).sort()
    const { topics } = await survey.topics()
    await survey.offsets(topics, 'latest')
    await survey.groups()
    await survey.configs(before, ['retention.ms'])
    assert.deepEqual((await cluster.topicNames()).toSorted(), before.toSorted())
    assert.deepEqual((await admin.listGroups()).map(({ groupId }) => groupId).sort(), groupsBefore)
  })

  it('answers in part where a topic may not be read, and says so for that topic', async () => {
    await admin.createTopic({ name: 'secret', partitions: 1, replication: 1 })
    const { topics } = await survey.topics(['zipped', 'secret'])
    await deny('secret')
    const denied = await survey.topics(['zipped', 'secret'])
    assert.equal(denied.topics.find(({ name }) => name === 'secret')?.errorCode, 29)
    const offsets = await survey.offsets(topics, 'latest')
    assert.equal(offsets.problems.get('secret')?.code, 'MQ_KAFKA_FORBIDDEN')
    assert.equal(offsets.found.get('zipped')?.get(1)?.offset, 30)
    const configs = await survey.configs(['zipped', 'secret'], ['retention.ms'])
    assert.equal(configs.problems.get('secret')?.code, 'MQ_KAFKA_FORBIDDEN')
    assert.equal(configs.found.get('zipped')?.get('retention.ms'), '-1')
    const problems: string[] = []
    const sampled: string[] = []
    await survey.sample(
      topics.map(({ name, id, partitions }) => ({
        topic: name,
        topicId: id,
        partition: partitions.length - 1,
        leader: partitions[0]!.leader,
        leaderEpoch: partitions[0]!.leaderEpoch,
        offset: 0,
        maxBytes: 10_000,
      })),
      {
        onSample: (request) => sampled.push(request.topic),
        onProblem: (request, problem) => problems.push(`${request.topic} ${problem.code}`),
      },
    )
    assert.deepEqual([sampled, problems], [['zipped'], ['secret MQ_KAFKA_FORBIDDEN']])
  })

  // By Kafka's tool: the library's request is one that Kafka 2.8 does not know.
  async function deny(topic: string): Promise<void> {
    const rule = ['--deny-principal', 'User:ANONYMOUS', '--operation', 'All', '--topic', topic]
    await javaTool('AclCommand', ['--bootstrap-server', kafka.bootstrap[0]!, '--add', ...rule])
  }
})
