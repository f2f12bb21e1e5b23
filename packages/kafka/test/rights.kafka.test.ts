/** What readers and writers do while rights are taken away and given back (Z1 to Z4). */
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { MqError } from '@mq/contract'
import { type LocalCluster, startCluster } from '@mq/local'
import { type Connection, createAclsV2, deleteAclsV2 } from '@platformatic/kafka'
import { Admin } from '../src/admin/admin.ts'
import { Fetcher } from '../src/fetch/fetcher.ts'
import { Cluster } from '../src/net/cluster.ts'
import { MemoryBudget } from '../src/produce/memory-budget.ts'
import { Producer } from '../src/produce/producer.ts'
import { SETTINGS } from './fetcher-rig.ts'
import { Fixture, Timeline, until } from './group-fixture.ts'

const [TOPIC, GROUP, LITERAL, ALL, DENY] = [2, 3, 3, 2, 2] as const
const PRINCIPAL = 'User:ANONYMOUS'
const PROTOCOLS = ['consumer', 'classic'] as const
const SESSION_MS = 6_000

describe('rights that are taken away for a while', { timeout: 300_000 }, () => {
  let kafka: LocalCluster
  let cluster: Cluster
  let admin: Admin
  let fixture: Fixture
  /** Of a cluster of its own: a program that may not read a topic may still be allowed to change rights. */
  let operator: Connection

  before(async () => {
    kafka = await startCluster({
      name: 'rights',
      authorizer: true,
      configs: {
        'allow.everyone.if.no.acl.found': 'true',
        'group.consumer.min.session.timeout.ms': '3000',
        'group.consumer.session.timeout.ms': String(SESSION_MS),
        'group.consumer.min.heartbeat.interval.ms': '300',
        'group.consumer.heartbeat.interval.ms': '500',
        'group.min.session.timeout.ms': '3000',
      },
    })
    cluster = new Cluster({ name: 'rights', clientId: 'test', bootstrap: kafka.bootstrap })
    admin = new Admin(cluster)
    fixture = new Fixture(kafka.bootstrap)
    operator = await cluster.anyConnection('admin')
  })

  after(async () => {
    await fixture?.close()
    await cluster?.close()
    await kafka?.stop()
  })

  async function deny(resourceType: typeof TOPIC | typeof GROUP, resourceName: string): Promise<void> {
    const resource = { resourceType, resourceName, resourcePatternType: LITERAL }
    const rule = { principal: PRINCIPAL, host: '*', operation: ALL, permissionType: DENY }
    await createAclsV2.api.async(operator, [{ ...resource, ...rule }])
  }

  async function allow(resourceType: typeof TOPIC | typeof GROUP, resourceName: string): Promise<void> {
    const filter = { resourceType, resourceName, resourcePatternType: LITERAL, principal: PRINCIPAL }
    await deleteAclsV2.api.async(operator, [{ ...filter, host: null, operation: 1, permissionType: 1 }])
  }

  for (const protocol of PROTOCOLS) {
    for (const isLong of [false, true]) {
      const length = isLong ? 'for longer than its session' : 'for a moment'
      it(`a member of the ${protocol} protocol that may not be in its group ${length} comes back (Z1)`, async (t) => {
        const missing = protocol === 'consumer' ? await kafka.lacks('group.version') : undefined
        if (missing !== undefined) return t.skip(missing)
        const topic = `group-${protocol}-${isLong}`
        await admin.createTopic({ name: topic, partitions: 2, replication: 1 })
        const only = fixture.member(new Timeline(), { groupId: topic, topics: [topic], protocol })
        await only.member.start()
        await until('it holds both', () => only.count() === 2)
        await deny(GROUP, topic)
        await until('it says so', () => only.errors.some(({ code }) => code === 'MQ_KAFKA_FORBIDDEN'))
        if (isLong) await until('it lost both', () => only.lost.length >= 2, SESSION_MS + 20_000)
        await assert.rejects(
          only.member.commit([{ topic, partition: 0, offset: 3n }]),
          (error) => error instanceof MqError && ['MQ_KAFKA_FORBIDDEN', 'MQ_GROUP_FENCED'].includes(error.code),
        )
        const told = only.errors.filter(({ code }) => code === 'MQ_KAFKA_FORBIDDEN').length
        assert.ok(told <= 2, `said ${told} times`)
        await allow(GROUP, topic)
        await until('it holds both', () => only.count() === 2, 120_000)
        await only.member.commit([{ topic, partition: 0, offset: 4n }])
        assert.equal((await only.member.committed([{ topic, partition: 0 }])).get(`${topic}:0`), 4n)
        assert.deepEqual(only.ends, [])
        await only.member.close()
      })
    }

    it(`a member of the ${protocol} protocol that may not know its topic for a while comes back (Z1)`, async (t) => {
      const missing = protocol === 'consumer' ? await kafka.lacks('group.version') : undefined
      if (missing !== undefined) return t.skip(missing)
      const topic = `topic-${protocol}`
      await admin.createTopic({ name: topic, partitions: 2, replication: 1 })
      await deny(TOPIC, topic)
      const only = fixture.member(new Timeline(), { groupId: topic, topics: [topic], protocol })
      const started = only.member.start()
      started.catch(() => {})
      await sleep(3_000)
      assert.equal(only.count(), 0)
      await allow(TOPIC, topic)
      await until('it holds both', () => only.count() === 2, 120_000)
      await started
      assert.deepEqual(only.ends, [])
      await only.member.close()
    })
  }

  it('a producer fails the sends of that time with what is missing, and a reader reads on; nothing is lost (Z4)', async () => {
    const topic = 'flow'
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
    const send = async (value: string): Promise<boolean> => {
      try {
        await producer.send(handle, 'k', value)
        return true
      } catch (error) {
        assert.ok(error instanceof MqError)
        assert.equal(error.code, 'MQ_KAFKA_FORBIDDEN', error.message)
        return false
      }
    }
    const seen: (string | null)[] = []
    const errors: { code: string; isHalted: boolean }[] = []
    const fetcher = new Fetcher({
      cluster,
      settings: SETTINGS,
      onBatch: (batch) => {
        for (const record of batch) seen.push(record.valueString())
        batch.release()
      },
      onError: (_topic, _partition, { code }, isHalted) => errors.push({ code, isHalted }),
    })
    const stored: string[] = []
    const put = async (value: string): Promise<boolean> => {
      const isStored = await send(value)
      if (isStored) stored.push(value)
      return isStored
    }
    assert.equal(await put('before'), true)
    fetcher.add(topic, 0, 0n)
    await until('it reads', () => seen.length === 1)
    await deny(TOPIC, topic)
    const refused = async (): Promise<number> => {
      let count = 0
      for (let n = 0; n < 200 && count < 3; n += 1) if (!(await put(`meanwhile ${n}`))) count += 1
      return count
    }
    assert.equal(await refused(), 3)
    await until('it is said', () => errors.length > 0)
    await sleep(2_000)
    assert.deepEqual(errors, [{ code: 'MQ_KAFKA_FORBIDDEN', isHalted: false }])
    await allow(TOPIC, topic)
    let n = 0
    const endMs = performance.now() + 120_000
    while (!(await put(`after ${n++}`))) {
      assert.ok(performance.now() < endMs, 'sends are refused for ever')
      await sleep(50)
    }
    await until('it read all that was stored', () => seen.length === stored.length, 120_000)
    assert.deepEqual(seen, stored)
    await fetcher.close()
    await producer.close()
  })
})
