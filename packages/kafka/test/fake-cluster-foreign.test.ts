/** Clients of others before the fake cluster of the test kit, as a check that it is a Kafka: kafkajs and kcat (librdkafka). */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { it } from 'node:test'
import { promisify } from 'node:util'
import { FakeCluster } from '@mq/testkit'
import { Kafka, logLevel } from 'kafkajs'
import { until } from './group-fixture.ts'
import { kcat } from './kafka-tools.ts'
import { values } from './produce-stage.ts'

const TIMEOUT = { timeout: 300_000 }
const COUNT = 50
/** Long enough for a codec to be worth it. */
const texts = Array.from({ length: COUNT }, (_, n) => `m${n} ${'and so on '.repeat(10)}.`)

it(
  'kafkajs makes a topic, produces, consumes in a group of two, commits, and goes on after a restart',
  TIMEOUT,
  async (t) => {
    const fake = await FakeCluster.start({ topics: {}, brokers: 2, takesAnyClient: true })
    t.after(() => fake.stop())
    const brokers = fake.nodes.map(({ address }) => address)
    const kafka = new Kafka({ clientId: 'foreign', brokers, logLevel: logLevel.NOTHING })
    const admin = kafka.admin()
    await admin.connect()
    await admin.createTopics({ topics: [{ topic: 'jobs', numPartitions: 4 }] })
    const producer = kafka.producer({ idempotent: true })
    await producer.connect()
    for (let from = 0; from < COUNT; from += 10) {
      const messages = texts.slice(from, from + 10).map((value) => ({ key: value, value }))
      await producer.send({ topic: 'jobs', messages })
    }
    const stored = [0, 1, 2, 3].flatMap((partition) => values(fake, partition, 'jobs'))
    assert.deepEqual(stored.toSorted(), texts.toSorted())

    const seen: string[] = []
    const consume = async () => {
      const consumer = kafka.consumer({ groupId: 'workers', sessionTimeout: 10_000, heartbeatInterval: 200 })
      await consumer.connect()
      await consumer.subscribe({ topics: ['jobs'], fromBeginning: true })
      await consumer.run({
        autoCommitThreshold: 1,
        eachMessage: async ({ message }) => void seen.push(String(message.value)),
      })
      return consumer
    }
    const first = await consume()
    const second = await consume()
    await until('all is consumed', () => new Set(seen).size === COUNT)
    await until('there are two members', () => fake.membersOf('workers').length === 2)
    await until(
      'all is committed',
      () => [...fake.positionsOf('workers').values()].reduce((a, b) => a + b, 0n) === BigInt(COUNT),
    )
    await first.disconnect()
    await second.disconnect()
    assert.deepEqual(fake.membersOf('workers'), [])

    const before = seen.length
    fake.moveLeader('jobs', 0, fake.leaderOf('jobs', 0) === 1 ? 2 : 1)
    await producer.send({ topic: 'jobs', messages: [{ partition: 0, value: 'after the restart' }] })
    const third = await consume()
    await until('the new one is consumed', () => seen.length > before)
    assert.deepEqual(seen.slice(before), ['after the restart'])
    await third.disconnect()
    await producer.disconnect()
    await admin.disconnect()
  },
)

it(
  'kcat produces, with and without idempotence and compressed, and consumes, alone and in a group',
  TIMEOUT,
  async (t) => {
    const fake = await FakeCluster.start({ topics: { lines: 3 }, brokers: 2, takesAnyClient: true })
    t.after(() => fake.stop())
    const at = ['-b', fake.nodes.map(({ address }) => address).join()]
    const input = `${texts.join('\n')}\n`
    await kcat([...at, '-P', '-t', 'lines', '-p', '0'], input)
    await kcat([...at, '-P', '-t', 'lines', '-p', '1', '-X', 'enable.idempotence=true', '-z', 'lz4'], input)
    assert.deepEqual([values(fake, 0, 'lines'), values(fake, 1, 'lines')], [texts, texts])
    assert.equal(fake.log('lines', 1).batches[0]?.codec, 'lz4')
    assert.equal(fake.log('lines', 0).batches[0]?.producerId, -1n)
    assert.notEqual(fake.log('lines', 1).batches[0]?.producerId, -1n)
    const alone = await kcat([...at, '-C', '-t', 'lines', '-p', '1', '-o', '10', '-e', '-q'])
    assert.equal(alone, `${texts.slice(10).join('\n')}\n`)
    const grouped = await kcat([
      ...at,
      '-G',
      'readers',
      '-c',
      String(2 * COUNT),
      '-X',
      'auto.offset.reset=earliest',
      '-q',
      'lines',
    ])
    assert.deepEqual(grouped.trim().split('\n').toSorted(), [...texts, ...texts].toSorted())
    assert.deepEqual(fake.positionsOf('readers').get('lines:0'), BigInt(COUNT))
    assert.deepEqual(fake.membersOf('readers'), [])
  },
)

it('kcat lists what the cluster has', TIMEOUT, async (t) => {
  const fake = await FakeCluster.start({ topics: { lines: 3 }, brokers: 2 })
  t.after(() => fake.stop())
  const { stdout } = await promisify(execFile)('kcat', ['-b', fake.bootstrap, '-L', '-J'])
  const told = JSON.parse(stdout) as { brokers: { id: number }[]; topics: { topic: string; partitions: unknown[] }[] }
  assert.deepEqual(told.brokers.map(({ id }) => id).toSorted(), [1, 2])
  assert.deepEqual(
    told.topics.map(({ topic, partitions }) => [topic, partitions.length]),
    [['lines', 3]],
  )
})
