/** A cluster described by an engine that does not know DescribeCluster. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { FakeCluster } from '@mq/testkit'
import { Admin } from '../src/admin/admin.ts'
import { Cluster } from '../src/net/cluster.ts'

test('a broker that does not know DescribeCluster is described by its metadata', { timeout: 300_000 }, async (t) => {
  const apis = [
    { key: 3, min: 0, max: 9 },
    { key: 18, min: 0, max: 3 },
  ]
  const broker = await FakeCluster.start({ topics: {}, speech: { apis } })
  t.after(() => broker.stop())
  const cluster = new Cluster({ name: 'c', clientId: 'test', bootstrap: [broker.bootstrap] })
  t.after(() => cluster.close())
  const { clusterId, controllerId, brokers } = await new Admin(cluster).describeCluster()
  assert.deepEqual([clusterId, controllerId], ['fake', 1])
  assert.deepEqual(
    brokers.map(({ nodeId, host, port }) => [nodeId, `${host}:${port}`]),
    [[1, broker.bootstrap]],
  )
  assert.ok(!broker.requests.some(({ key }) => key === 60))
})
