/**
 * `mq explain`, `mq cost` and a scan of the same looks at a real broker: one amount, part by part, whatever the batches, sizes and readers of
 * real topics are (interval I1).
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { CostReport, Explanation } from '@mq/contract'
import { Admin, Cluster, MemoryBudget, Producer, systemDeps } from '@mq/kafka'
import { startCluster } from '@mq/local'
import { grownSince } from '../src/cost/interval.ts'
import { clusterModelOf } from '../src/observe/cluster-model.ts'
import { observeCluster } from '../src/observe/observe-cluster.ts'
import { scanReport } from '../src/observe/scan.ts'
import { kafkaAdminOpener } from '../src/provision/kafka-admin.ts'
import { startHarness } from './harness.ts'

const ID = 'orders.placed'
const TOPIC = `${ID}.e1`
const SETTINGS = {
  lingerMs: 5,
  batchBytes: 16_384,
  maxMessageBytes: 1_048_576,
  requestTimeoutMs: 10_000,
  codec: 'none' as const,
}
const MIB = 1_048_576

async function write(cluster: Cluster, topic: string, partitions: number, count: number): Promise<void> {
  const producer = new Producer({ cluster, settings: SETTINGS, budget: new MemoryBudget(64 * MIB) })
  const handle = producer.topic(topic, partitions)
  const value = JSON.stringify({ state: 'placed', note: 'x'.repeat(400) })
  const sent: Promise<unknown>[] = []
  for (let index = 0; index < count; index++) sent.push(producer.send(handle, `key ${index % 97}`, value))
  await Promise.all(sent)
  await producer.close(60_000)
}

test('explain, cost and scan say the same of the same looks at a real broker, part by part, to the cent', {
  timeout: 600_000,
}, async (t) => {
  const kafka = await startCluster({ name: 'main', configs: { 'offsets.topic.num.partitions': '2' } })
  const cluster = new Cluster({ name: 'main', clientId: 'test', bootstrap: kafka.bootstrap })
  t.after(async () => {
    await cluster.close()
    await kafka.stop()
  })
  const h = await startHarness(t, {
    clusters: [{ name: 'main', bootstrap: [...kafka.bootstrap], securityProtocol: 'plaintext' }],
    openAdmin: kafkaAdminOpener({}, systemDeps),
    observeEveryMs: 3_600_000,
  })
  const made = await h.call('PUT', `/v1/ids/${ID}`, { intent: { owner: { team: 'checkout', service: 'shop' } } })
  assert.equal(made.status, 200, made.text)
  const economics = { priceBook: 'aws-us-east-1', zones: 3, instanceType: 'm7g.4xlarge' }
  const put = await h.call('PUT', '/v1/clusters/main', { bootstrap: kafka.bootstrap, economics })
  assert.equal(put.status, 200, put.text)
  const admin = new Admin(cluster)
  await admin.createTopic({ name: 'elsewhere', partitions: 2, replication: 1, configs: {} })
  const partitions: number = made.body.partitions
  await write(cluster, TOPIC, partitions, 2_000)
  await admin.commitOffsets(`billing@${ID}`, [{ topic: TOPIC, partition: 0, offset: 10n }])
  const before = await observeCluster(cluster, { watchMs: 0 })
  await write(cluster, TOPIC, partitions, 3_000)
  await write(cluster, 'elsewhere', 2, 1_000)
  const look = await observeCluster(cluster, { watchMs: 0 })
  await h.costing.costs.take('main', look, before)

  const line = CostReport.parse((await h.call('GET', '/v1/costs?by=id&since=1h')).body).lines.find(
    ({ key }) => key === ID,
  )!
  const explained = Explanation.parse((await h.call('GET', `/v1/ids/${ID}/explanation`)).body).measured!
  const seen = grownSince(before, look)
  const scanned = scanReport(seen, clusterModelOf({ address: { name: 'main' }, economics }, seen)).topics.find(
    ({ topic }) => topic === TOPIC,
  )!
  const same = (a: number, b: number, what: string): void => {
    assert.ok(Math.abs(a - b) < 0.01, `${what}: ${a} and ${b}`)
  }
  t.diagnostic(
    JSON.stringify({
      cost: line.parts,
      explain: explained.parts,
      scan: scanned.parts,
    }),
  )
  assert.ok(line.parts.causedUsdPerMonth > 0.1 && line.parts.idleUsdPerMonth > 1, 'amounts that cents can tell apart')
  same(explained.usdPerMonth, line.usdPerMonth, 'explain and cost')
  same(explained.parts.causedUsdPerMonth, line.parts.causedUsdPerMonth, 'explain and cost, caused')
  same(explained.parts.idleUsdPerMonth, line.parts.idleUsdPerMonth, 'explain and cost, share of idle')
  same(scanned.parts!.caused, line.parts.causedUsdPerMonth, 'scan and cost, caused')
  same(scanned.parts!.idle, line.parts.idleUsdPerMonth, 'scan and cost, share of idle')
  const caused = explained.lines.filter(({ part }) => part === 'caused')
  assert.ok(caused.length >= 2)
  const meters = new Map(Object.entries(scanned.meters))
  for (const { meter, usdPerMonth } of caused) {
    // What a log will still grow by until its retention is over is a part of its own: no hour has cost it yet.
    const toFill = meter === 'broker-storage' ? scanned.parts!.toFill : 0
    same((meters.get(meter) ?? 0) - toFill, usdPerMonth, `scan and explain, ${meter}`)
  }
})
