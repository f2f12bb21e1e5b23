import assert from 'node:assert/strict'
import { after, afterEach, before, describe, it } from 'node:test'
import { Admin, Cluster } from '@mq/kafka'
import { RecordingLogger } from './support/logs.ts'
import { Stack } from './support/stack.ts'
import { until } from './support/time.ts'

interface Event {
  n: string
}

/** Positions of groups on real Kafka while what they belong to changes. */
describe('positions of a group on real Kafka', { timeout: 180_000 }, () => {
  let stack: Stack
  let cluster: Cluster
  let admin: Admin
  before(
    async () => {
      stack = await Stack.start()
      cluster = new Cluster({ name: 'main', clientId: 'positions-test', bootstrap: stack.cluster.bootstrap })
      admin = new Admin(cluster)
    },
    { timeout: 60_000 },
  )
  after(
    async () => {
      await cluster?.close()
      await stack?.stop()
    },
    { timeout: 30_000 },
  )
  afterEach(() => stack.closeConnections(), { timeout: 30_000 })

  for (const isCommitted of [true, false]) {
    const what = isCommitted ? 'whose group has committed' : 'whose group has not committed what it read'
    it(`reads a topic ${what} from its beginning when it was created again (R10)`, { timeout: 90_000 }, async () => {
      const id = `reborn.${isCommitted ? 'committed' : 'uncommitted'}`
      const topic = `${id}.e1`
      const logger = new RecordingLogger()
      const mq = await stack.connect({ logger })
      const seen: string[] = []
      await mq.consume<Event>(id, 'g', (message) => void seen.push(message.value.n))
      const send = (prefix: string, count: number): Promise<unknown> =>
        Promise.all(Array.from({ length: count }, (_, n) => mq.send(id, { n: `${prefix}${n}` }, { key: 'k' })))
      const receipt = await mq.send(id, { n: 'old' }, { key: 'k' })
      await send('old', 99)
      await until('the old records are handled', () => seen.length === 100, 30_000)
      const total = async (): Promise<bigint> =>
        [...(await admin.committedOffsets(`g@${id}`, [topic])).values()].reduce((sum, offset) => sum + offset, 0n)
      if (isCommitted) await until('they are committed', async () => (await total()) === 100n, 10_000)
      await admin.deleteTopic(topic)
      await until(
        'the topic is there again',
        () =>
          admin.createTopic({ name: topic, partitions: 4, replication: 1 }).then(
            () => true,
            () => false,
          ),
        20_000,
      )
      seen.length = 0
      await send('new', 150)
      await until('the new records are handled', () => new Set(seen).size === 150, 60_000)
      assert.ok(seen.every((n) => n.startsWith('new')))
      await until('they are committed', async () => (await total()) === 150n, 10_000)
      const positions = await admin.committedPositions(`g@${id}`, [topic])
      assert.equal(positions.find(({ partition }) => partition === receipt.partition)?.topicId, cluster.topicId(topic))
      assert.equal(logger.codes().filter((code) => code === 'MQ_TOPIC_RECREATED').length >= 1, true)
    })
  }
})
