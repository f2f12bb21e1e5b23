/** Three real brokers, and a cluster beside them: invariants C1 (cluster.ts), R1 (probe.ts), S2 (broker-config.ts). */
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { within } from '@mq/testkit'
import { type LocalCluster, startCluster } from '../src/index.ts'
import { probe } from '../src/probe.ts'

const TIMEOUT = { timeout: 300_000 }

async function seenBy(port: number, count: number): Promise<number[]> {
  for (let attempt = 0; attempt < 200; attempt++) {
    const answer = await probe(port, 2_000)
    if (answer !== undefined && answer.brokers.length === count) return answer.brokers.toSorted()
    await sleep(100)
  }
  return (await probe(port, 2_000))?.brokers ?? []
}

describe('three brokers', TIMEOUT, () => {
  let cluster: LocalCluster

  before(async () => {
    cluster = await within(15_000, () => startCluster({ brokers: 3 }))
  }, TIMEOUT)

  after(() => cluster.stop(), TIMEOUT)

  test('each of them names all three as soon as the start resolves', TIMEOUT, async () => {
    for (const broker of cluster.brokers) {
      const answer = await probe(broker.port, 5_000)
      assert.deepEqual(answer?.brokers.toSorted(), [1, 2, 3])
    }
  })

  test('the others carry on without a killed one and see it again after its restart', TIMEOUT, async () => {
    const [first, , third] = cluster.brokers
    assert.ok(first && third)
    await third.kill()
    assert.deepEqual(await seenBy(first.port, 2), [1, 2])
    await third.restart()
    assert.deepEqual(await seenBy(first.port, 3), [1, 2, 3])
  })

  test('another cluster runs beside them', TIMEOUT, async () => {
    const other = await startCluster({ name: 'other' })
    try {
      assert.notEqual(other.clusterId, cluster.clusterId)
      assert.deepEqual((await probe(other.brokers[0]?.port ?? 0, 5_000))?.brokers, [1])
    } finally {
      await other.stop()
    }
  })
})
