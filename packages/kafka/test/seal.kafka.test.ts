/**
 * The seal on real clusters (seal S1-S4, canary N1).
 */
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { MqError } from '@mq/contract'
import { type LocalCluster, startCluster } from '@mq/local'
import { within } from '@mq/testkit'
import { Admin } from '../src/admin/admin.ts'
import { sendCanary } from '../src/admin/canary.ts'
import { type SealProbe, TopicSeal } from '../src/admin/seal.ts'
import { checkSealing } from '../src/admin/seal-check.ts'
import { Cluster } from '../src/net/cluster.ts'
import { MemoryBudget } from '../src/produce/memory-budget.ts'
import { Producer } from '../src/produce/producer.ts'

const producerSettings = {
  codec: 'none',
  lingerMs: 0,
  batchBytes: 16_384,
  maxMessageBytes: 1_048_576,
  requestTimeoutMs: 5_000,
} as const
const consumerSettings = {
  fetchMinBytes: 1,
  fetchMaxWaitMs: 100,
  readAheadBytes: 1_048_576,
  isolation: 'read_committed',
  sessionTimeoutMs: 10_000,
} as const

describe('the seal of a topic on three brokers', { timeout: 300_000 }, () => {
  let kafka: LocalCluster
  let cluster: Cluster
  let admin: Admin
  let seal: TopicSeal

  before(async () => {
    kafka = await startCluster({ name: 'seal', brokers: 3 })
    cluster = new Cluster({ name: 'seal', clientId: 'test', bootstrap: kafka.bootstrap })
    admin = new Admin(cluster)
    seal = new TopicSeal(cluster)
  })
  after(async () => {
    await cluster?.close()
    await kafka?.stop()
  })

  const all = [0, 1, 2, 3, 4, 5]
  const make = (name: string): Promise<void> =>
    admin.createTopic({ name, partitions: 6, replication: 3, configs: { 'min.insync.replicas': '2' } })
  const write = async (topic: string, records: number, sendDeadlineMs = 60_000): Promise<void> => {
    const budget = new MemoryBudget(1_048_576)
    const producer = new Producer({ cluster, settings: producerSettings, budget, sendDeadlineMs })
    const handle = producer.topic(topic, 6)
    await Promise.all(Array.from({ length: records }, (_, n) => producer.send(handle, `key-${n}`, 'x')))
    await producer.close()
  }
  const until = async (topic: string, verdict: SealProbe['verdict']): Promise<SealProbe[]> => {
    const deadline = performance.now() + 60_000
    for (;;) {
      const probes = await seal.probe(topic, all)
      if (probes.every((probe) => probe.verdict === verdict)) return probes
      assert.ok(performance.now() < deadline, JSON.stringify(probes))
    }
  }

  it('answers open before it and sealed after it, and a probe appends nothing (S1, S2)', async () => {
    await make('sealed')
    await write('sealed', 300)
    const before = await admin.listOffsets('sealed', all, 'latest')
    await until('sealed', 'open')
    await seal.validate('sealed')
    await until('sealed', 'open')
    const proofs = await within(5_000, async () => {
      await seal.request('sealed')
      return until('sealed', 'sealed')
    })
    await assert.rejects(write('sealed', 20, 3_000), MqError)
    const ends = await seal.ends('sealed', proofs)
    for (const end of ends) {
      assert.ok(end.kind === 'end')
      assert.equal(end.endOffset, before.get(end.partition))
      assert.equal(end.highWatermark, end.endOffset)
    }
    assert.equal(
      ends.reduce((sum, end) => sum + (end.kind === 'end' ? end.endOffset : 0n), 0n),
      300n,
    )
    await seal.release('sealed', '1048588')
    await until('sealed', 'open')
    await write('sealed', 10)
  })

  it('does not take the word of a leader that is none any more (S3)', async () => {
    await make('moved')
    await write('moved', 60)
    await seal.request('moved')
    const proofs = await until('moved', 'sealed')
    const old = proofs.map((proof) => ({ ...proof, leaderEpoch: proof.leaderEpoch - 1 }))
    assert.deepEqual(new Set((await seal.ends('moved', old)).map((end) => end.kind)), new Set(['moved']))
    const victim = kafka.brokers.find((broker) => broker.nodeId === proofs[0]!.leader)!
    await victim.kill()
    const during = await seal.ends('moved', proofs)
    for (const end of during) {
      const proof = proofs.find((one) => one.partition === end.partition)!
      if (proof.leader === victim.nodeId) assert.equal(end.kind, 'moved')
    }
    const again = await until('moved', 'sealed')
    for (const proof of again) assert.notEqual(proof.leader, victim.nodeId)
    // A leader that has just come up does not know its high watermark for a moment.
    let ends = await seal.ends('moved', again)
    for (let tries = 0; tries < 100 && ends.some((end) => end.kind === 'moved'); tries++) {
      await new Promise((resolve) => setTimeout(resolve, 50))
      ends = await seal.ends('moved', again)
    }
    const total = ends.reduce((sum, end) => {
      assert.ok(end.kind === 'end', end.kind === 'moved' ? end.reason : '')
      return sum + end.endOffset
    }, 0n)
    assert.equal(total, 60n)
    await victim.restart()
  })

  it('says what the cluster would refuse, and makes nothing (S4)', async () => {
    await assert.rejects(seal.validateTopic({ name: 'four', partitions: 1, replication: 4 }), (error: unknown) => {
      assert.ok(error instanceof MqError)
      assert.equal(error.retryable, false, error.message)
      return true
    })
    await seal.validateTopic({ name: 'fine', partitions: 4, replication: 3 })
    assert.deepEqual(await admin.describeTopics(['four', 'fine']), [])
    await assert.rejects(seal.probe('four', [0]), MqError)
  })

  it('keeps what a seal rests on, as tried on a topic that is gone afterwards (seal-check Y1-Y4)', async () => {
    const topic = { name: 'mq.canary.seal', replication: 3, configs: { 'min.insync.replicas': '1' } }
    await admin.createTopic({ ...topic, partitions: 2 })
    await seal.request(topic.name)
    await checkSealing(cluster, topic)
    assert.deepEqual(await admin.describeTopics([topic.name]), [])
  })

  it('writes and reads a canary and leaves nothing (N1)', async () => {
    const topic = { name: 'mq.canary.1', replication: 3, configs: { 'min.insync.replicas': '2' } }
    await admin.createTopic({ ...topic, partitions: 1 })
    const times = await sendCanary(cluster, topic, { producer: producerSettings, consumer: consumerSettings })
    assert.ok(times.writeMs > 0 && times.readMs > 0)
    assert.deepEqual(await admin.describeTopics(['mq.canary.1']), [])
  })
})
