/**
 * Cluster on a real Apache Kafka, and against peers that are not one.
 */
import assert from 'node:assert/strict'
import { createServer as createHttpServer } from 'node:http'
import { type AddressInfo, createServer } from 'node:net'
import { after, before, describe, it, type TestContext } from 'node:test'
import { MqError } from '@mq/contract'
import { systemDeps } from '@mq/contract/timing'
import { freePorts, type LocalCluster, startCluster } from '@mq/local'
import type { Connection } from '@platformatic/kafka'
import { Admin } from '../src/admin/admin.ts'
import { Coordinator } from '../src/group/coordinator.ts'
import { dropConnection, openBrokerConnection, type Purpose } from '../src/net/broker-connection.ts'
import { Cluster, type ClusterOptions } from '../src/net/cluster.ts'
import { knownApisOf } from '../src/protocol/api-versions.ts'
import { KafkaCode, kafkaCodeOf } from '../src/protocol/kafka-errors.ts'

const hasCode = (code: string) => (error: unknown) => {
  assert.ok(error instanceof MqError, String(error))
  assert.equal(error.code, code, error.message)
  return true
}

function open(t: TestContext, bootstrap: readonly string[], more: Partial<ClusterOptions> = {}): Cluster {
  const cluster = new Cluster({ name: 'c', clientId: 'test', bootstrap, ...more })
  t.after(() => cluster.close())
  return cluster
}

async function within<T>(limitMs: number, work: () => Promise<T>): Promise<T> {
  const started = performance.now()
  try {
    return await work()
  } finally {
    const tookMs = performance.now() - started
    assert.ok(tookMs < limitMs, `took ${tookMs} ms, allowed were ${limitMs}`)
  }
}

describe('a cluster of one broker behind a fault proxy', { timeout: 300_000 }, () => {
  let kafka: LocalCluster

  before(async () => {
    kafka = await startCluster({ name: 'cluster', proxy: true })
  })
  after(async () => {
    await kafka?.stop()
  })

  it('is told by a broker of Kafka 4.4 that somebody else was looked for (broker-identity I1)', async (t) => {
    const [host = '', port = ''] = kafka.bootstrap[0]!.split(':')
    const { nodeId } = kafka.brokers[0]!
    const connect = async (identity: { clusterId: string; nodeId: number }) => {
      const options = {
        ...{ cluster: 'c', clientId: 'test', security: { protocol: 'plaintext' } as const },
        ...{ connectTimeoutMs: 10_000, requestTimeoutMs: 10_000, maxResponseBytes: 1_048_576 },
        identityOf: () => identity,
      }
      const connection = await openBrokerConnection({ host, port: Number(port) }, 'produce', options, systemDeps)
      t.after(() => dropConnection(connection))
      return connection
    }
    const connection = await connect({ clusterId: kafka.clusterId, nodeId })
    if (knownApisOf(connection)!.ranges.get(18)!.max < 5) {
      t.diagnostic('this Kafka has no ApiVersions 5: no broker tells who it is')
      return
    }
    await assert.rejects(connect({ clusterId: kafka.clusterId, nodeId: nodeId + 1 }), hasCode('MQ_KAFKA_UNREACHABLE'))
    await assert.rejects(connect({ clusterId: 'somebody-else', nodeId }), hasCode('MQ_KAFKA_UNREACHABLE'))
  })

  it('knows brokers, ids and leaders once it was asked, and an unknown topic as unknown', async (t) => {
    const cluster = open(t, kafka.bootstrap)
    await new Admin(cluster).createTopic({ name: 'known', partitions: 2, replication: 1 })
    const [known, unknown] = await cluster.metadata(['known', 'unknown'])
    assert.deepEqual(
      known?.partitions.map(({ index }) => index),
      [0, 1],
    )
    assert.equal(unknown?.errorCode, 3)
    const { nodeId } = kafka.brokers[0]!
    assert.equal(cluster.leader('known', 1)?.nodeId, nodeId)
    assert.equal(cluster.leader('known', 2), undefined)
    assert.equal(cluster.leader('unknown', 0), undefined)
    assert.equal(cluster.topicId('known'), known?.id)
    assert.equal(cluster.clusterId, kafka.clusterId)
    assert.deepEqual(
      cluster.brokers().map((broker) => broker.nodeId),
      [nodeId],
    )
    assert.ok((await cluster.topicNames()).includes('known'))
  })

  it('shares a connection by broker and purpose, and opens one of the caller’s own on request (L1)', async (t) => {
    const cluster = open(t, kafka.bootstrap)
    const { nodeId } = kafka.brokers[0]!
    const [first, second, produce, own] = await Promise.all([
      cluster.connection(nodeId, 'admin'),
      cluster.connection(nodeId, 'admin'),
      cluster.connection(nodeId, 'produce'),
      cluster.openConnection(nodeId, 'admin'),
    ])
    assert.equal(first, second)
    assert.equal(new Set<Connection>([first!, produce!, own!]).size, 3)
    await assert.rejects(cluster.connection(nodeId + 77, 'admin'), hasCode('MQ_KAFKA_UNREACHABLE'))
    await cluster.close()
    for (const connection of [first, produce, own]) assert.equal(connection!.isConnected(), false)
    await assert.rejects(cluster.connection(nodeId, 'admin'), hasCode('MQ_CLOSED'))
    await assert.rejects(cluster.anyConnection('admin'), hasCode('MQ_CLOSED'))
  })

  it('knows what a broker speaks as soon as the connection stands (C5)', async (t) => {
    const cluster = open(t, kafka.bootstrap)
    const apis = knownApisOf(await cluster.anyConnection('admin'))
    assert.equal(apis?.highest(3, [1, 9]), 9)
    assert.equal(apis?.highest(3, [99]), undefined)
    assert.deepEqual(new Map(apis?.features), new Map(await kafka.features()))
  })

  it('connects again by itself after connections were cut', async (t) => {
    const cluster = open(t, kafka.bootstrap)
    const { nodeId, proxy } = kafka.brokers[0]!
    const before = await cluster.connection(nodeId, 'admin')
    proxy!.reset()
    await new Promise((resolve) => before.once('close', resolve))
    await within(3_000, () => cluster.metadata(['known'], { refresh: true }))
    assert.notEqual(await cluster.connection(nodeId, 'admin'), before)
  })

  it('knows what became of a request to make a topic whose answer was lost (T1)', async (t) => {
    const { proxy } = kafka.brokers[0]!
    const losingFirstAnswer = (cluster: Cluster): Admin => {
      let losing = true
      const port = {
        name: cluster.name,
        deps: cluster.deps,
        connection: cluster.connection.bind(cluster),
        metadata: cluster.metadata.bind(cluster),
        brokers: cluster.brokers.bind(cluster),
        controllerId: -1,
        anyConnection: async (purpose: Purpose) => {
          const connection = await cluster.anyConnection(purpose)
          if (losing) {
            losing = false
            proxy!.blackhole('to-client')
            setTimeout(() => proxy!.heal(), 900)
          }
          return connection
        },
      }
      return new Admin(port, { requestMs: 600 })
    }
    const topic = { name: 'lost.answer', partitions: 2, replication: 1, configs: { 'retention.ms': '5000000' } }
    const cluster = open(t, kafka.bootstrap)
    await cluster.anyConnection('admin')
    await losingFirstAnswer(cluster).createTopic(topic)
    assert.equal((await cluster.metadata(['lost.answer'], { refresh: true }))[0]?.partitions.length, 2)
    // The same shape, but there before: it is somebody else's.
    await assert.rejects(losingFirstAnswer(cluster).createTopic(topic), hasCode('MQ_TOPIC_EXISTS'))
    await losingFirstAnswer(cluster).deleteTopic('lost.answer')
    assert.equal((await cluster.metadata(['lost.answer'], { refresh: true }))[0]?.errorCode, 3)
  })

  it('ends within its deadline against a broker that is silent', async (t) => {
    const cluster = open(t, kafka.bootstrap, { requestTimeoutMs: 20_000 })
    const admin = new Admin(cluster, { deadlineMs: 1_000 })
    await admin.describeCluster()
    const { proxy } = kafka.brokers[0]!
    proxy!.blackhole()
    try {
      await within(2_500, () => assert.rejects(admin.topicConfigs('known'), hasCode('MQ_KAFKA_TIMEOUT')))
    } finally {
      proxy!.heal()
    }
    await admin.topicConfigs('known')
  })

  it('asks the next broker when the first takes the question and stays silent, and remembers it (W1, W2)', async (t) => {
    const silent = createServer((socket) => {
      socket.on('error', () => {})
      t.after(() => socket.destroy())
    })
    await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve))
    t.after(() => silent.close())
    const { port } = silent.address() as AddressInfo
    // Candidates keep the order of the bootstrap list: the silent one comes first.
    const deps = { ...systemDeps, random: () => 0.5 }
    const limits = { connectTimeoutMs: 700, requestTimeoutMs: 20_000, deps }
    const cluster = open(t, [`127.0.0.1:${port}`, ...kafka.bootstrap], limits)
    await within(2_500, () => cluster.metadata(['known'], { refresh: true }))
    await within(500, () => cluster.metadata(['known'], { refresh: true }))
  })

  it('finds the coordinator of a group through another broker when the first stays silent (O5)', async (t) => {
    const { proxy } = kafka.brokers[0]!
    const cluster = open(t, kafka.bootstrap, { requestTimeoutMs: 20_000 })
    // The connection stands, and with it the API versions are known, before the broker falls silent.
    const silent = await cluster.anyConnection('group')
    proxy!.blackhole()
    const coordinator = new Coordinator(cluster, 'g', systemDeps)
    const ask = (): Promise<number> => coordinator.request('shared', 'ask', async () => 1, { timeoutMs: 5_000 })
    try {
      await within(4_500, () => assert.rejects(ask(), hasCode('MQ_KAFKA_TIMEOUT')))
    } finally {
      proxy!.heal()
    }
    assert.equal(silent.isConnected(), false)
    // The first question for any coordinator makes Kafka set up its topic of offsets: that takes some tries.
    await within(8_000, async () => {
      for (;;) {
        const answer = await ask().catch((error: unknown) => kafkaCodeOf(error))
        if (answer === 1) return
        assert.equal(answer, KafkaCode.COORDINATOR_NOT_AVAILABLE)
        await new Promise((resolve) => setTimeout(resolve, 100))
      }
    })
  })

  it('finds a broker again that was killed and came back', async (t) => {
    const cluster = open(t, kafka.bootstrap)
    const admin = new Admin(cluster)
    await admin.describeCluster()
    await kafka.brokers[0]!.kill()
    await within(5_000, () => assert.rejects(admin.describeCluster(), hasCode('MQ_KAFKA_UNREACHABLE')))
    const waiting = new Admin(cluster, { deadlineMs: 40_000 }).listOffsets('known', [0, 1], 'latest')
    await kafka.brokers[0]!.restart()
    assert.deepEqual(
      await waiting,
      new Map([
        [0, 0n],
        [1, 0n],
      ]),
    )
  })
})

describe('addresses where no Kafka answers', { timeout: 300_000 }, () => {
  const listening = async (t: TestContext, server: ReturnType<typeof createServer>): Promise<string> => {
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    t.after(() => server.close())
    return `127.0.0.1:${(server.address() as AddressInfo).port}`
  }

  it('are unreachable at once when nothing listens there', async (t) => {
    const ports = await freePorts(2)
    const cluster = open(
      t,
      ports.map((port) => `127.0.0.1:${port}`),
    )
    await within(3_000, () =>
      assert.rejects(cluster.metadata(['a']), (error: unknown) => {
        hasCode('MQ_KAFKA_UNREACHABLE')(error)
        for (const port of ports) assert.match((error as MqError).message, new RegExp(String(port)))
        return true
      }),
    )
    await within(3_000, () => assert.rejects(new Admin(cluster).describeCluster(), hasCode('MQ_KAFKA_UNREACHABLE')))
  })

  it('speak another protocol when HTTP answers', async (t) => {
    const http = createHttpServer((_, response) => response.end('hello'))
    const address = await listening(t, http)
    await within(5_000, () => assert.rejects(open(t, [address]).metadata(['a']), hasCode('MQ_PROTOCOL_VIOLATION')))
  })

  for (const [what, bytes] of [
    ['a frame of 2 GiB', Buffer.from([0x7f, 0xff, 0xff, 0xff, 0, 0, 0, 1])],
    ['a negative length', Buffer.from([0xff, 0xff, 0xff, 0xff, 0, 0, 0, 1])],
    ['an answer to nothing', Buffer.from([0, 0, 0, 8, 0x12, 0x34, 0x56, 0x78, 0, 0, 0, 0])],
    ['a truncated answer', Buffer.from([0, 0, 0, 5, 0, 0, 0, 1, 0])],
  ] as const) {
    it(`break the protocol when they send ${what}`, async (t) => {
      const server = createServer((socket) => {
        socket.on('error', () => {})
        socket.once('data', () => socket.write(bytes))
        t.after(() => socket.destroy())
      })
      const cluster = open(t, [await listening(t, server)], { requestTimeoutMs: 2_000 })
      await within(5_000, () => assert.rejects(cluster.metadata(['a']), hasCode('MQ_PROTOCOL_VIOLATION')))
    })
  }

  it('time out within the limit when they accept and stay silent', async (t) => {
    const server = createServer((socket) => {
      socket.on('error', () => {})
      t.after(() => socket.destroy())
    })
    const cluster = open(t, [await listening(t, server)], { requestTimeoutMs: 500 })
    await within(4_000, () => assert.rejects(cluster.metadata(['a']), hasCode('MQ_KAFKA_TIMEOUT')))
  })

  it('are refused when they are no addresses', () => {
    for (const bootstrap of [[], [''], ['host'], ['host:0'], ['host:65536'], ['host:x'], [':9092'], ['a b:1']]) {
      const make = (): Cluster => new Cluster({ name: 'c', clientId: 'test', bootstrap })
      assert.throws(make, hasCode('MQ_OPTION_INVALID'), JSON.stringify(bootstrap))
    }
  })
})
