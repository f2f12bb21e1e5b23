/** New addresses of a cluster: when they take over, and when they do not (W3, W4), and brokers that are not where they say (W5). */
import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { MqError } from '@mq/contract'
import { FakeCluster, type FakeClusterOptions } from '@mq/testkit'
import { Cluster } from '../src/net/cluster.ts'

const topics = { t: 3 }

async function broker(t: TestContext, options: Partial<FakeClusterOptions> = {}): Promise<FakeCluster> {
  const started = await FakeCluster.start({ topics, ...options })
  t.after(() => started.stop())
  return started
}

function clusterAt(t: TestContext, { bootstrap }: FakeCluster): { cluster: Cluster; troubles: MqError[] } {
  const troubles: MqError[] = []
  const cluster = new Cluster({
    name: 'main',
    clientId: 'test',
    bootstrap: [bootstrap],
    connectTimeoutMs: 2_000,
    onTrouble: (error) => troubles.push(error),
  })
  t.after(() => cluster.close())
  return { cluster, troubles }
}

const addressOf = (cluster: Cluster): string => `127.0.0.1:${cluster.brokers()[0]?.port}`

async function until(what: string, holds: () => boolean): Promise<void> {
  for (const endMs = performance.now() + 120_000; !holds(); await pause(5)) {
    assert.ok(performance.now() < endMs, `waited in vain until ${what}`)
  }
}

test('new addresses take over with their first answer, and connections of before end when they are idle (W3)', async (t) => {
  const [old, next] = [await broker(t), await broker(t)]
  const { cluster, troubles } = clusterAt(t, old)
  await cluster.metadata(['t'])
  const before = await cluster.connection(1, 'produce')
  const own = await cluster.openConnection(1, 'fetch')
  await next.down()
  cluster.reconfigure({ bootstrap: [next.bootstrap] })
  await until('the new address was tried more than once', () => troubles.length > 1)
  assert.deepEqual([...new Set(troubles.map(({ code }) => code))], ['MQ_KAFKA_UNREACHABLE'])
  assert.equal(await cluster.connection(1, 'produce'), before)
  assert.equal((await cluster.metadata(['t'], { refresh: true }))[0]?.partitions.length, 3)
  await next.up()
  await until('the new address is used', () => addressOf(cluster) === next.bootstrap)
  assert.deepEqual([before.isConnected(), own.isConnected()], [false, false])
  assert.notEqual(await cluster.connection(1, 'produce'), before)
  await until('the old connections ended', () => before.socket.destroyed && own.socket.destroyed)
  await old.stop()
  assert.equal((await cluster.metadata(['t'], { refresh: true }))[0]?.partitions.length, 3)
})

test('addresses of another Kafka cluster are never followed, and both ids are said (W4)', async (t) => {
  const [own, foreign] = [await broker(t, { clusterId: 'ours' }), await broker(t, { clusterId: 'theirs' })]
  const { cluster, troubles } = clusterAt(t, own)
  await cluster.metadata(['t'])
  cluster.reconfigure({ bootstrap: [foreign.bootstrap] })
  await until('it was said', () => troubles.length > 1)
  assert.match(troubles[0]!.message, /belongs to Kafka cluster theirs, and cluster main is ours/)
  assert.equal(cluster.leadsElsewhere, true)
  assert.equal(addressOf(cluster), own.bootstrap)
  await cluster.metadata(['t'], { refresh: true })
  cluster.reconfigure({ bootstrap: [own.bootstrap] })
  assert.equal(cluster.leadsElsewhere, false)
})

test('a known address where another Kafka cluster answers by now is no broker of this one (W4)', async (t) => {
  const options = { topics, clusterId: 'ours' }
  const own = await FakeCluster.start(options)
  t.after(() => own.stop())
  const { cluster } = clusterAt(t, own)
  await cluster.metadata(['t'])
  await own.down()
  options.clusterId = 'theirs'
  await own.up()
  let said = ''
  for (let tries = 0; tries < 20 && !said.includes('theirs'); tries += 1) {
    await assert.rejects(cluster.metadata(['t'], { refresh: true }), (error: unknown) => {
      assert.ok(error instanceof MqError && error.code === 'MQ_KAFKA_UNREACHABLE' && error.retryable)
      said = error.message
      return true
    })
  }
  assert.match(said, /belongs to Kafka cluster theirs, and cluster main is ours/)
})

test('a broker that is not where it advertises to be is told apart from a cluster that is away (W5)', async (t) => {
  const elsewhere = { host: '127.0.0.1', port: 1 }
  const misadvertised = await broker(t, { advertised: elsewhere })
  const { cluster } = clusterAt(t, misadvertised)
  const hasCode = (code: string) => (error: unknown) => {
    assert.ok(error instanceof MqError && error.retryable)
    assert.equal(error.code, code, error.message)
    return true
  }
  await cluster.metadata(['t'])
  await assert.rejects(cluster.connection(1, 'produce'), (error: unknown) => {
    hasCode('MQ_KAFKA_ADVERTISED')(error)
    assert.match((error as MqError).message, /broker 1 of cluster main advertises 127\.0\.0\.1:1, .*ECONNREFUSED/)
    return true
  })
  await assert.rejects(cluster.openConnection(1, 'fetch'), hasCode('MQ_KAFKA_ADVERTISED'))
  const [trial] = await cluster.tryBrokers(2_000)
  assert.deepEqual([trial?.nodeId, trial?.address, trial?.problem?.code], [1, '127.0.0.1:1', 'MQ_KAFKA_ADVERTISED'])
  const admin = await cluster.anyConnection('admin')
  await misadvertised.down()
  await until('the connection to the bootstrap address ended', () => !admin.isConnected())
  await assert.rejects(cluster.connection(1, 'produce'), hasCode('MQ_KAFKA_UNREACHABLE'))
})

test('brokers that are where they advertise to be have no problem, and new addresses of others are not followed (W3)', async (t) => {
  const fine = await broker(t)
  const { cluster, troubles } = clusterAt(t, fine)
  const trials = await cluster.tryBrokers(2_000)
  assert.deepEqual(trials, [{ nodeId: 1, address: fine.bootstrap, problem: null }])
  const misadvertised = await broker(t, { advertised: { host: '127.0.0.1', port: 1 } })
  cluster.reconfigure({ bootstrap: [misadvertised.bootstrap] })
  await until('it was said', () => troubles.length > 1)
  assert.equal(troubles[0]!.code, 'MQ_KAFKA_ADVERTISED')
  assert.equal(addressOf(cluster), fine.bootstrap)
})
