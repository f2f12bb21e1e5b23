/** mQ's producer and fetcher before the fake cluster of the test kit: in all their versions, and with faults by control. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { KafkaErrorCode, speechUpTo } from '@mq/testkit'
import { Admin } from '../src/admin/admin.ts'
import * as requests from '../src/protocol/requests.ts'
import { fakeRig } from './fake-rig.ts'
import { until } from './group-fixture.ts'
import { numbered, values } from './produce-stage.ts'

const TIMEOUT = { timeout: 300_000 }
const keyOf = (name: 'Produce' | 'Fetch'): number => (name === 'Produce' ? 0 : 1)

describe('what was produced is fetched', () => {
  for (const version of requests.produce.versions) {
    it(`with Produce version ${version}`, TIMEOUT, async (t) => {
      const { fake, producer, read } = await fakeRig(t, { speech: speechUpTo({ Produce: version }) })
      const sender = producer({ codec: 'gzip' })
      await Promise.all(numbered(20).map((value) => sender.send(sender.topic('t', 1), 'k', value)))
      const reading = read('t', 1)
      await until('all is read', () => reading.count() === 20)
      assert.deepEqual(reading.values[0], numbered(20))
      assert.deepEqual(reading.offsets[0], [...new Array(20).keys()])
      const used = fake.requests.filter(({ key }) => key === keyOf('Produce'))
      assert.ok(used.length > 0 && used.every((one) => one.version === version))
    })
  }

  for (const version of requests.fetch.versions) {
    it(`with Fetch version ${version}`, TIMEOUT, async (t) => {
      const { fake, producer, read } = await fakeRig(t, { brokers: 2, speech: speechUpTo({ Fetch: version }) })
      const sender = producer()
      const topic = sender.topic('wide', 3)
      await Promise.all(numbered(300).map((value) => sender.send(topic, value, value)))
      const reading = read('wide', 3)
      await until('all is read', () => reading.count() === 300)
      for (const partition of [0, 1, 2]) assert.deepEqual(reading.values[partition], values(fake, partition, 'wide'))
      // What comes later is fetched by a poll that waits for it.
      await sender.send(topic, 'later', 'later')
      await until('the last is read', () => reading.count() === 301)
      const used = fake.requests.filter(({ key }) => key === keyOf('Fetch'))
      assert.ok(used.length > 0 && used.every((one) => one.version === version))
      assert.deepEqual(new Set(used.map(({ nodeId }) => nodeId)), new Set([1, 2]))
    })
  }
})

describe('a fault of one request', () => {
  it(
    'an answer to Produce that is lost after the batch was stored: it is sent again and not stored twice',
    TIMEOUT,
    async (t) => {
      const { fake, producer, stored } = await fakeRig(t)
      fake.control('Produce', (_, { index }) => (index === 1 ? { kind: 'drop', when: 'after' } : 'pass'))
      const sender = producer()
      const topic = sender.topic('t', 1)
      for (const value of numbered(3)) await sender.send(topic, null, value)
      assert.deepEqual(values(fake), numbered(3))
      assert.equal(fake.count('Produce'), 4)
      assert.deepEqual(
        stored.map(({ retries }) => retries),
        [0, 1, 0],
      )
    },
  )

  it('a request to Produce that is lost before it was looked at: it is sent again', TIMEOUT, async (t) => {
    const { fake, producer } = await fakeRig(t)
    fake.control('Produce', (_, { index }) => (index === 1 ? { kind: 'drop', when: 'before' } : 'pass'))
    const sender = producer()
    for (const value of numbered(3)) await sender.send(sender.topic('t', 1), null, value)
    assert.deepEqual(values(fake), numbered(3))
    assert.equal(fake.count('Produce'), 4)
  })

  it('an error code stands in every place of an answer', TIMEOUT, async (t) => {
    const { fake, producer } = await fakeRig(t)
    const stop = fake.control('Produce', () => ({ kind: 'error', code: KafkaErrorCode.NOT_LEADER_OR_FOLLOWER }))
    const sender = producer()
    const sent = sender.send(sender.topic('t', 1), null, 'a')
    await until('it was refused', () => fake.count('Produce') > 1)
    assert.deepEqual(values(fake), [])
    stop()
    await sent
    assert.deepEqual(values(fake), ['a'])
  })

  it('an answer of the test takes the place of that of the broker', TIMEOUT, async (t) => {
    const { fake, cluster } = await fakeRig(t)
    fake.control('Metadata', ({ topics }) => ({
      kind: 'answer',
      response: {
        brokers: [{ nodeId: 7, host: 'nowhere', port: 1 }],
        clusterId: 'made up',
        controllerId: 7,
        topics: (topics ?? []).map(({ name }) => ({ errorCode: KafkaErrorCode.NONE, name, partitions: [] })),
      },
    }))
    const connection = await cluster.anyConnection('admin')
    const answer = await requests.metadata.send(connection, ['t'], false, false)
    assert.deepEqual([answer.clusterId, answer.brokers[0]?.host, answer.topics[0]?.name], ['made up', 'nowhere', 't'])
  })

  it(
    'a Fetch that is delayed holds up its partition only as long, and others of another broker not at all',
    TIMEOUT,
    async (t) => {
      const { fake, producer, read } = await fakeRig(t, { brokers: 2, topics: { wide: 2 } })
      const sender = producer()
      const topic = sender.topic('wide', 2)
      const held = Promise.withResolvers<'pass'>()
      fake.control('Fetch', (_, { node }) => (node.id === fake.leaderOf('wide', 1) ? held.promise : 'pass'))
      for (let n = 0; fake.log('wide', 0).records.length < 5 || fake.log('wide', 1).records.length < 5; n++) {
        await sender.send(topic, `k${n}`, `m${n}`)
      }
      const reading = read('wide', 2)
      await until('the other partition is read', () => reading.values[0]!.length === fake.log('wide', 0).records.length)
      assert.deepEqual(reading.values[1], [])
      held.resolve('pass')
      await until('all is read', () => reading.values[1]!.length === fake.log('wide', 1).records.length)
      assert.deepEqual(reading.errors, [])
    },
  )

  it('a Fetch that is answered late is waited for', TIMEOUT, async (t) => {
    const { fake, producer, read } = await fakeRig(t)
    fake.control('Fetch', (_, { index }) => (index === 0 ? { kind: 'delay', when: 'after', delayMs: 300 } : 'pass'))
    const sender = producer()
    await sender.send(sender.topic('t', 1), null, 'a')
    const reading = read('t', 1)
    await until('it is read', () => reading.count() === 1)
    assert.deepEqual(reading.errors, [])
  })
})

describe('a leader that moves', () => {
  it('takes producer and fetcher along: nothing is lost, stored twice or out of order', TIMEOUT, async (t) => {
    const { fake, producer, read } = await fakeRig(t, { brokers: 3 })
    const sender = producer()
    const topic = sender.topic('t', 1)
    const reading = read('t', 1)
    for (let round = 0; round < 4; round++) {
      const sent = numbered(25, round * 25).map((value) => sender.send(topic, null, value))
      fake.moveLeader('t', 0, (round % 3) + 1)
      await Promise.all(sent)
    }
    await until('all is read', () => reading.count() === 100)
    assert.deepEqual(values(fake), numbered(100))
    assert.deepEqual(reading.values[0], numbered(100))
    assert.ok(new Set(fake.log('t', 0).batches.map(({ leaderEpoch }) => leaderEpoch)).size > 1)
    assert.deepEqual(reading.errors, [])
  })

  it('is waited for while there is none, and where its broker is away', TIMEOUT, async (t) => {
    const { fake, producer } = await fakeRig(t, { brokers: 2 })
    const sender = producer()
    const topic = sender.topic('t', 1)
    await sender.send(topic, null, 'm0')
    const first = fake.leaderOf('t', 0)!
    await fake.nodes.find(({ id }) => id === first)!.down()
    fake.moveLeader('t', 0, -1)
    const sent = sender.send(topic, null, 'm1')
    fake.moveLeader('t', 0, first === 1 ? 2 : 1)
    await sent
    assert.deepEqual(values(fake), numbered(2))
  })
})

describe('topics', () => {
  it('are made, described, changed, listed and removed as mQ does it', TIMEOUT, async (t) => {
    const { fake, cluster, producer } = await fakeRig(t, { brokers: 2, topics: {} })
    const admin = new Admin(cluster)
    await admin.createTopic({ name: 'made', partitions: 4, replication: 1, configs: { 'retention.ms': '1000' } })
    await admin.alterTopicConfigs('made', { 'max.message.bytes': '5000' })
    const configs = await admin.topicConfigs('made')
    assert.deepEqual([configs.get('retention.ms'), configs.get('max.message.bytes')], ['1000', '5000'])
    const sender = producer()
    await Promise.all(numbered(40).map((value) => sender.send(sender.topic('made', 4), value, value)))
    const ends = await admin.listOffsets('made', [0, 1, 2, 3], 'latest')
    assert.deepEqual(
      [0, 1, 2, 3].map((partition) => ends.get(partition)),
      [0, 1, 2, 3].map((partition) => fake.log('made', partition).nextOffset),
    )
    await admin.deleteTopic('made')
    assert.deepEqual(fake.topics, [])
  })

  it('that are made again under their name are other ones', TIMEOUT, async (t) => {
    const { fake, cluster, producer, read } = await fakeRig(t)
    const sender = producer()
    await sender.send(sender.topic('t', 1), null, 'old')
    const [known] = await cluster.metadata(['t'], { refresh: true })
    const reading = read('t', 1)
    reading.fetcher.add('t', 0, 0n, known!.id)
    await until('it is read', () => reading.count() > 0)
    fake.deleteTopic('t')
    fake.createTopic('t', 1)
    const [made] = await cluster.metadata(['t'], { refresh: true })
    assert.notEqual(made!.id, known!.id)
    await until('the fetcher hears of it', () => reading.recreated.length > 0)
  })

  it('whose beginning is gone are read from where they begin now, once that was said', TIMEOUT, async (t) => {
    const { fake, producer, read } = await fakeRig(t)
    const sender = producer()
    for (const value of numbered(5)) await sender.send(sender.topic('t', 1), null, value)
    fake.log('t', 0).removeBefore(3n)
    const reading = read('t', 1)
    await until('the loss is told', () => reading.lost.length === 1)
    assert.deepEqual([reading.lost[0]?.requested, reading.lost[0]?.earliest], [0n, 3n])
  })
})
