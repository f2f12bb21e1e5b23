/** Older versions of Kafka and their succession: B3 (broker.ts), N1 (kafka-version.ts), F3, F4 (cluster-folder.ts), T2, T3 (bootstrap-template.ts). */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { KAFKA_VERSION, startCluster } from '../src/index.ts'
import { probe } from '../src/probe.ts'

/** The first start of a version on a machine fetches it. */
const TIMEOUT = { timeout: 300_000 }
const OLD = '3.9.2'

test('three brokers beside ZooKeeper know each other, and keep their identity over a stop', TIMEOUT, async () => {
  const folder = mkdtempSync(join(tmpdir(), 'mq-versions-test-'))
  try {
    const kept = { dataDir: folder, brokers: 3, version: OLD, mode: 'zookeeper' } as const
    const first = await startCluster(kept)
    for (const broker of first.brokers) {
      assert.deepEqual((await probe(broker.port, 5_000))?.brokers.toSorted(), [1, 2, 3])
    }
    await first.stop()
    const second = await startCluster(kept)
    assert.equal(second.clusterId, first.clusterId)
    assert.deepEqual(second.bootstrap, first.bootstrap)
    await second.stop()
    await assert.rejects(startCluster({ ...kept, mode: 'kraft' }), { code: 'MQ_OPTION_INVALID', message: /zookeeper/ })
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
})

test(
  'a broker goes on with a newer version on its port and data, its features follow, and there is no way back',
  TIMEOUT,
  async () => {
    const folder = mkdtempSync(join(tmpdir(), 'mq-versions-test-'))
    try {
      const cluster = await startCluster({ dataDir: folder, version: OLD })
      const [broker] = cluster.brokers
      assert.ok(broker)
      const { port } = broker
      assert.equal(broker.version, OLD)
      await broker.restart(KAFKA_VERSION)
      assert.equal(broker.version, KAFKA_VERSION)
      assert.equal(broker.port, port)
      assert.deepEqual(await probe(port, 5_000), { brokers: [1], controller: 1 })
      await assert.rejects(cluster.upgradeFeatures({ release: '9.9' }), { code: 'MQ_OPTION_INVALID', message: /9\.9/ })
      await cluster.upgradeFeatures({ release: KAFKA_VERSION.split('.').slice(0, 2).join('.') })
      await cluster.stop()
      await assert.rejects(startCluster({ dataDir: folder, version: OLD }), {
        code: 'MQ_OPTION_INVALID',
        message: new RegExp(`run by Kafka ${KAFKA_VERSION.replaceAll('.', '\\.')}`),
      })
    } finally {
      rmSync(folder, { recursive: true, force: true })
    }
  },
)

test('a new cluster can begin with the features of an older release', TIMEOUT, async () => {
  const cluster = await startCluster({ features: '3.9', version: KAFKA_VERSION })
  try {
    await cluster.upgradeFeatures({ release: '4.0' })
    // Raised once already: only a lower level than that of 4.0 could be raised to it.
    await assert.rejects(cluster.upgradeFeatures({ feature: 'metadata.version', level: 21 }), /metadata\.version/)
  } finally {
    await cluster.stop()
  }
})
