/**
 * The control plane watches a real Apache Kafka and writes down what it costs (watcher.ts A1-A3).
 */
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { CostReport } from '@mq/contract'
import { Cluster, MemoryBudget, Producer } from '@mq/kafka'
import { type LocalCluster, startCluster } from '@mq/local'
import { type Assembled, assemble } from '../src/control-plane.ts'
import { silentLogger } from '../src/logger.ts'
import { temporaryFolder } from './harness.ts'

describe('a control plane that watches its clusters', { timeout: 300_000 }, () => {
  let kafka: LocalCluster

  before(async () => {
    kafka = await startCluster({ name: 'watch', configs: { 'offsets.topic.num.partitions': '2' } })
  })
  after(() => kafka?.stop())

  async function until<T>(what: string, ask: () => Promise<T | undefined>): Promise<T> {
    const endMs = Date.now() + 120_000
    for (;;) {
      const found = await ask()
      if (found !== undefined) return found
      assert.ok(Date.now() < endMs, what)
      await new Promise((resolve) => setTimeout(resolve, 100))
    }
  }

  const ask = async (plane: Assembled, method: 'GET' | 'PUT', url: string, body?: object) => {
    const answer = await plane.app.inject({
      method,
      url,
      headers: { host: '127.0.0.1:7070', ...(body === undefined ? {} : { 'content-type': 'application/json' }) },
      ...(body === undefined ? {} : { payload: JSON.stringify(body) }),
    })
    return { status: answer.statusCode, body: JSON.parse(answer.body) }
  }

  it('charges an mQ ID for what it sent, and says which cluster it cannot watch', async (t) => {
    const plane = await assemble({
      port: 0,
      dataDir: temporaryFolder(t),
      clusters: [
        { name: 'main', bootstrap: [...kafka.bootstrap], securityProtocol: 'plaintext' },
        { name: 'gone', bootstrap: ['127.0.0.1:1'], securityProtocol: 'plaintext' },
      ],
      logger: silentLogger,
      observeEveryMs: 200,
    })
    t.after(() => plane.close())
    // A cluster that does not answer may have three brokers: without this the declaration would wait for it.
    const intent = { retention: '7d', minCopies: 1, owner: { team: 'checkout' } }
    await until('an mQ ID can be declared', async () => {
      const { status } = await ask(plane, 'PUT', '/v1/ids/orders.placed', { intent })
      return status === 200 ? true : undefined
    })
    const { body: binding } = await ask(plane, 'GET', '/v1/bindings/orders.placed')
    const [epoch] = binding.epochs
    const cluster = new Cluster({ name: 'main', clientId: 'test', bootstrap: kafka.bootstrap })
    const producer = new Producer({ cluster, settings: binding.producer, budget: new MemoryBudget(32 * 1_048_576) })
    t.after(async () => {
      await producer.close(5_000).catch(() => {})
      await cluster.close()
    })
    const topic = producer.topic(epoch.topic, epoch.partitions)
    const report = await until('a cost was recorded', async () => {
      for (let index = 0; index < 2_000; index++) {
        producer.send(topic, `key ${index}`, Buffer.alloc(1_000, index % 256)).catch(() => {})
      }
      await producer.flush()
      const found = CostReport.parse((await ask(plane, 'GET', '/v1/costs?by=id')).body)
      return found.lines.some(({ key, usdPerMonth }) => key === 'orders.placed' && usdPerMonth > 0) ? found : undefined
    })
    assert.ok(report.watchedMs > 0)
    assert.ok(report.problems.some((problem) => /cluster gone: MQ_KAFKA_UNREACHABLE/.test(problem)))
    assert.ok(report.assumptions.some((text) => /price book aws-us-east-1 is assumed/.test(text)))
    const byTeam = CostReport.parse((await ask(plane, 'GET', '/v1/costs?by=team')).body)
    assert.equal(byTeam.lines[0]?.key, 'checkout')
    assert.deepEqual(
      plane.costing.watcher
        .observation('main')
        ?.topics.map(({ name }) => name)
        .sort(),
      ['__mq_registry', epoch.topic].sort(),
    )
    assert.equal(plane.costing.watcher.observation('gone'), null)
  })

  it('goes on when a cluster goes away and comes back, and changes its address without a restart (A1, A3)', async (t) => {
    const plane = await assemble({
      port: 0,
      dataDir: temporaryFolder(t),
      clusters: [{ name: 'main', bootstrap: ['127.0.0.1:1'], securityProtocol: 'plaintext' }],
      logger: silentLogger,
      observeEveryMs: 200,
    })
    t.after(() => plane.close())
    await until('the problem is known', async () => plane.costing.watcher.problems()[0])
    await ask(plane, 'PUT', '/v1/clusters/main', { bootstrap: [...kafka.bootstrap] })
    const seen = await until(
      'the cluster was looked at',
      async () => plane.costing.watcher.observation('main') ?? undefined,
    )
    assert.equal(seen.brokers.length, 1)
    assert.deepEqual(plane.costing.watcher.problems(), [])
  })
})
