/** Which addresses of a cluster count when several bindings name it (Q3), and what becomes of a name that changes hands (Q4). */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import type { Binding } from '@mq/contract'
import { systemDeps } from '@mq/kafka'
import { FakeCluster } from '@mq/testkit'
import { ClusterPool } from '../src/epochs/cluster-pool.ts'
import { RecordingLogger } from './support/logs.ts'

const bindingOf = (revision: number, bootstrap: string, more: object = {}): Binding =>
  ({
    mqId: `id${revision}`,
    incarnation: 1,
    revision,
    clusters: [{ name: 'main', bootstrap: [bootstrap], securityProtocol: 'plaintext', ...more }],
  }) as unknown as Binding

function poolWith(): { pool: ClusterPool; logger: RecordingLogger } {
  const logger = new RecordingLogger()
  return { pool: new ClusterPool({ clientId: 'test', credentials: {}, deps: systemDeps, logger }), logger }
}

test('the newest binding says where a cluster is, whichever comes first or is asked for (Q3)', async (t) => {
  const [old, next] = [await FakeCluster.start({ topics: { t: 1 } }), await FakeCluster.start({ topics: { t: 1 } })]
  const { pool, logger } = poolWith()
  t.after(async () => {
    await pool.close()
    await Promise.all([old.stop(), next.stop()])
  })
  const isAt = async (broker: FakeCluster): Promise<void> => {
    const cluster = pool.get(bindingOf(1, old.bootstrap).clusters[0]!)
    for (const endMs = performance.now() + 120_000; ; await pause(5)) {
      await cluster.metadata(['t'], { refresh: true })
      if (broker.bootstrap.endsWith(`:${cluster.brokers()[0]?.port}`)) return
      assert.ok(performance.now() < endMs, 'the address was not followed')
    }
  }
  pool.follow(bindingOf(5, next.bootstrap))
  pool.follow(bindingOf(1, old.bootstrap))
  await isAt(next)
  const cluster = pool.get(bindingOf(1, old.bootstrap).clusters[0]!)
  pool.follow(bindingOf(9, old.bootstrap))
  await isAt(old)
  pool.follow(bindingOf(7, next.bootstrap))
  await isAt(old)
  assert.equal(pool.get(bindingOf(9, old.bootstrap).clusters[0]!), cluster)
  // A login that this process was given no secret for is said, and changes nothing.
  pool.follow(bindingOf(11, next.bootstrap, { securityProtocol: 'sasl-plaintext', saslMechanism: 'PLAIN' }))
  await isAt(old)
  assert.deepEqual(logger.codes(), ['MQ_OPTION_INVALID'])
})

test('a name that stands for another Kafka cluster is connected to anew for whoever asks then (Q4)', async (t) => {
  const ours = await FakeCluster.start({ topics: { t: 1 }, clusterId: 'ours' })
  const theirs = await FakeCluster.start({ topics: { t: 2 }, clusterId: 'theirs' })
  const { pool } = poolWith()
  t.after(async () => {
    await pool.close()
    await Promise.all([ours.stop(), theirs.stop()])
  })
  const first = bindingOf(1, ours.bootstrap)
  const second = bindingOf(2, theirs.bootstrap)
  pool.follow(first)
  const cluster = pool.get(first.clusters[0]!)
  await cluster.metadata(['t'])
  pool.follow(second)
  for (const endMs = performance.now() + 120_000; !cluster.leadsElsewhere; await pause(5)) {
    assert.ok(performance.now() < endMs, 'nobody looked where the new address leads')
  }
  const anew = pool.get(second.clusters[0]!)
  assert.notEqual(anew, cluster)
  assert.equal((await anew.metadata(['t']))[0]?.partitions.length, 2)
  assert.equal((await cluster.metadata(['t'], { refresh: true }))[0]?.partitions.length, 1)
})
