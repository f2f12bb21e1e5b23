/**
 * Moves on real clusters, three brokers to one and back, with producers that know nothing of it.
 */
import assert from 'node:assert/strict'
import { after, before, describe, it, type TestContext } from 'node:test'
import { Migration, MqError } from '@mq/contract'
import { Admin, Cluster, MemoryBudget, Producer, systemDeps } from '@mq/kafka'
import { type LocalCluster, startCluster } from '@mq/local'
import { Pace, within } from '@mq/testkit'
import { type Assembled, assemble } from '../src/control-plane.ts'
import { silentLogger } from '../src/logger.ts'
import { kafkaAdminOpener } from '../src/provision/kafka-admin.ts'
import { temporaryFolder } from './harness.ts'

const ID = 'orders.placed'
const GROUP = `billing@${ID}`

describe('a migration between real clusters', { timeout: 300_000 }, () => {
  let source: LocalCluster
  let target: LocalCluster
  let a: Cluster
  let b: Cluster

  before(async () => {
    ;[source, target] = await Promise.all([startCluster({ name: 'a', brokers: 3 }), startCluster({ name: 'b' })])
    a = new Cluster({ name: 'a', clientId: 'test', bootstrap: source.bootstrap })
    b = new Cluster({ name: 'b', clientId: 'test', bootstrap: target.bootstrap })
  })
  after(async () => {
    await Promise.all([a?.close(), b?.close()])
    await Promise.all([source?.stop(), target?.stop()])
  })

  const start = async (t: TestContext, dataDir: string): Promise<Assembled> => {
    const plane = await assemble({
      port: 0,
      dataDir,
      logger: silentLogger,
      clusters: [
        { name: 'a', bootstrap: [...source.bootstrap], securityProtocol: 'plaintext' },
        { name: 'b', bootstrap: [...target.bootstrap], securityProtocol: 'plaintext' },
      ],
      openAdmin: kafkaAdminOpener({}, systemDeps),
      migrationTimes: { warmMs: 200, watchMs: 500, pollMs: 100, quietMs: 0, deleteAfterMs: 0 },
    })
    t.after(() => plane.close())
    return plane
  }
  const call = async (plane: Assembled, method: 'GET' | 'POST' | 'PUT', url: string, body?: object) => {
    const answer = await plane.app.inject({
      method,
      url,
      headers: { host: '127.0.0.1', ...(body === undefined ? {} : { 'content-type': 'application/json' }) },
      ...(body === undefined ? {} : { payload: JSON.stringify(body) }),
    })
    assert.equal(answer.statusCode, 200, answer.payload)
    return JSON.parse(answer.payload)
  }
  const until = async (plane: Assembled, number: number, states: readonly string[]): Promise<Migration> => {
    const deadline = performance.now() + 120_000
    for (;;) {
      const found = Migration.parse(await call(plane, 'GET', `/v1/migrations/${number}`))
      if (states.includes(found.state)) return found
      assert.ok(performance.now() < deadline, `still ${found.state}: ${JSON.stringify(found.steps)}`)
      await new Promise((resolve) => setTimeout(resolve, 10))
    }
  }

  interface Sent {
    readonly acknowledged: number
    /** Refused by the seal, or without an answer on a busy machine. */
    readonly rejected: number
  }
  /** No record is lost, and none is there that nobody sent. */
  const assertSealed = (sealed: string, { acknowledged, rejected }: Sent, label = ''): void => {
    assert.ok(BigInt(sealed) >= BigInt(acknowledged), `${label} ${sealed} sealed, ${acknowledged} acknowledged`)
    assert.ok(BigInt(sealed) <= BigInt(acknowledged + rejected), `${label} ${sealed} of ${acknowledged} + ${rejected}`)
  }

  /** Sends all the time, straight to the topic, until the topic refuses; resolves once some are acknowledged. */
  const sendUntilSealed = async (cluster: Cluster, topic: string, partitions: number) => {
    let acknowledged = 0
    let rejected = 0
    const flowing = Promise.withResolvers<void>()
    let stop = false
    const producer = new Producer({
      cluster,
      settings: { codec: 'none', lingerMs: 0, batchBytes: 16_384, maxMessageBytes: 1_048_576, requestTimeoutMs: 3_000 },
      budget: new MemoryBudget(8 * 1_048_576),
      sendDeadlineMs: 4_000,
    })
    const handle = producer.topic(topic, partitions)
    const done = (async () => {
      for (let n = 0; !stop; n += 50) {
        const sent = Array.from({ length: 50 }, (_, i) =>
          producer.send(handle, `key-${(n + i) % 97}`, `value-${n + i}`),
        )
        const results = await Promise.allSettled(sent)
        acknowledged += results.filter((result) => result.status === 'fulfilled').length
        rejected += results.filter((result) => result.status === 'rejected').length
        if (acknowledged >= 500 || rejected > 0) flowing.resolve()
        if (rejected > 0) stop = true
        await new Promise((resolve) => setTimeout(resolve, 2))
      }
      await producer.close(0).catch(() => {})
    })()
    await flowing.promise
    return {
      end: async (): Promise<Sent> => {
        stop = true
        await done
        return { acknowledged, rejected }
      },
    }
  }
  /** The controller has deleted it; each broker hears of that on its own. */
  const gone = async (cluster: Cluster, topic: string): Promise<void> => {
    const deadline = performance.now() + 120_000
    for (;;) {
      const found = await new Admin(cluster).describeTopics([topic])
      if (found.length === 0) return
      assert.ok(performance.now() < deadline, `${topic} is still there: ${JSON.stringify(found)}`)
      await new Promise((resolve) => setTimeout(resolve, 50))
    }
  }
  const readAll = async (cluster: Cluster, topic: string, ends: readonly string[]): Promise<void> => {
    const offsets = ends.map((end, partition) => ({ topic, partition, offset: BigInt(end) }))
    await new Admin(cluster).commitOffsets(GROUP, offsets)
  }

  it('seals at exactly what was acknowledged, opens, drains and removes, there and back', async (t) => {
    const pace = new Pace()
    const plane = await start(t, temporaryFolder(t))
    await plane.clusters.checkAll()
    await call(plane, 'PUT', `/v1/ids/${ID}`, { intent: {} })
    const closed: number[] = []
    let [cluster, partitions] = [a, 4]
    for (const [index, request] of [
      { to: 'b', partitions: 6, allowFewerCopies: true },
      { to: 'a', partitions: 3 },
      { partitions: 6 },
    ].entries()) {
      const topic = `${ID}.e${index + 1}`
      const load = await sendUntilSealed(cluster, topic, partitions)
      await new Admin(cluster).commitOffsets(GROUP, [{ topic, partition: 0, offset: 0n }])
      const { migration } = await call(plane, 'POST', `/v1/ids/${ID}/migrations`, request)
      const opened = await until(plane, migration.number, ['open', 'draining', 'retired'])
      assertSealed(opened.report.recordsSealed, await load.end())
      closed.push(opened.report.closedMs!)
      t.diagnostic(JSON.stringify(opened.steps.find(({ step }) => step === 'seal')?.result))
      const next = opened.to.cluster === 'a' ? a : b
      const seeded = await new Admin(next).committedOffsets(GROUP, [opened.to.topic])
      assert.equal(seeded.size, opened.to.partitions)
      await until(plane, migration.number, ['draining'])
      await readAll(cluster, topic, opened.endOffsets!)
      await until(plane, migration.number, ['retired'])
      while (plane.migrations.current(migration.number) !== undefined)
        await new Promise((resolve) => setTimeout(resolve, 20))
      await gone(cluster, topic)
      ;[cluster, partitions] = [next, opened.to.partitions]
    }
    t.diagnostic(`closed for ${closed.join(', ')} ms`)
    pace.stop()
    pace.check(Math.max(...closed), 5_000)
  })

  it('is cancelled before the seal and leaves the topic writable', async (t) => {
    const plane = await start(t, temporaryFolder(t))
    await plane.clusters.checkAll()
    await call(plane, 'PUT', '/v1/ids/carts.changed', { intent: {} })
    const { migration } = await call(plane, 'POST', '/v1/ids/carts.changed/migrations', {
      to: 'b',
      allowFewerCopies: true,
    })
    const cancelled = await call(plane, 'POST', `/v1/migrations/${migration.number}/cancel`)
    assert.equal(cancelled.state, 'cancelled')
    while (plane.migrations.current(migration.number) !== undefined)
      await new Promise((resolve) => setTimeout(resolve, 20))
    await gone(b, 'carts.changed.e2')
    const load = await sendUntilSealed(a, 'carts.changed.e1', 4)
    assert.ok((await load.end()).acknowledged > 0)
  })

  it('goes on from the row after its control plane is gone, in any state (X1)', { timeout: 300_000 }, async (t) => {
    for (const state of ['planned', 'prepared', 'sealing', 'refusing', 'sealed', 'open'] as const) {
      const id = `stock.${state}`
      const dataDir = temporaryFolder(t)
      const first = await start(t, dataDir)
      await first.clusters.checkAll()
      await call(first, 'PUT', `/v1/ids/${id}`, { intent: {} })
      const load = await sendUntilSealed(a, `${id}.e1`, 4)
      const took = first.migrations.commitToMemory.bind(first.migrations)
      const reached = Promise.withResolvers<void>()
      first.migrations.commitToMemory = (record) => {
        took(record)
        if (record.state !== state) return
        // Nothing after this moment is written: the process is as good as gone.
        first.migrations.close()
        reached.resolve()
      }
      await call(first, 'POST', `/v1/ids/${id}/migrations`, { to: 'b', partitions: 2, allowFewerCopies: true })
      await reached.promise
      await first.migrator.close(0)
      await first.close()
      const { second, ended } = await within(10_000, async () => {
        const second = await start(t, dataDir)
        return { second, ended: await until(second, 1, ['open', 'draining', 'retired', 'cancelled', 'failed']) }
      })
      assert.ok(['open', 'draining', 'retired'].includes(ended.state), `${state}: ${ended.state}`)
      assertSealed(ended.report.recordsSealed, await load.end(), state)
      await second.close()
    }
  })

  it('proves a leader anew that comes up while the others are sealed (S1)', async (t) => {
    const plane = await start(t, temporaryFolder(t))
    await plane.clusters.checkAll()
    await call(plane, 'PUT', '/v1/ids/flights.departed', { intent: {} })
    const load = await sendUntilSealed(a, 'flights.departed.e1', 4)
    const [topic] = await a.metadata(['flights.departed.e1'], { refresh: true })
    const victim = source.brokers.find((broker) => broker.nodeId === topic!.partitions[0]!.leader)!
    const took = plane.migrations.commitToMemory.bind(plane.migrations)
    let killing: Promise<void> | undefined
    plane.migrations.commitToMemory = (record) => {
      took(record)
      if (record.state === 'refusing') killing ??= victim.kill()
    }
    const { migration } = await call(plane, 'POST', '/v1/ids/flights.departed/migrations', {
      to: 'b',
      allowFewerCopies: true,
    })
    const opened = await until(plane, migration.number, ['open', 'draining', 'retired'])
    await killing
    assertSealed(opened.report.recordsSealed, await load.end())
    const ends = await new Admin(a).listOffsets('flights.departed.e1', [0, 1, 2, 3], 'latest')
    assert.deepEqual(
      [0, 1, 2, 3].map((index) => String(ends.get(index))),
      opened.endOffsets,
    )
    await victim.restart()
  })

  it('says that a target without room is refused', async (t) => {
    const plane = await start(t, temporaryFolder(t))
    await plane.clusters.checkAll()
    await call(plane, 'PUT', '/v1/ids/no.room', { intent: {} })
    const { plan } = await call(plane, 'POST', '/v1/ids/no.room/migrations', { to: 'b', replication: 3, plan: true })
    assert.equal(plan.refusal?.code, 'MQ_MIGRATION_REFUSED')
    await assert.rejects(plane.migrator.start('no.room', { to: 'b', replication: 3 }, 'test'), MqError)
  })
})
