/** What brokers speak, asked on each connection (api-versions V1-V3, broker-apis A1-A2, kafka-request R1-R4). */
import assert from 'node:assert/strict'
import { createServer } from 'node:net'
import { type TestContext, test } from 'node:test'
import { MqError } from '@mq/contract'
import { type Deps, systemDeps } from '@mq/contract/timing'
import { type FakeApi, FakeCluster, type FakeClusterOptions, type FakeSpeech } from '@mq/testkit'
import type { Connection } from '@platformatic/kafka'
import { type ConnectOptions, openBrokerConnection } from '../src/net/broker-connection.ts'
import { Cluster } from '../src/net/cluster.ts'
import { knownApisOf } from '../src/protocol/api-versions.ts'
import { BrokerApis } from '../src/protocol/broker-apis.ts'
import { responseOf } from '../src/protocol/kafka-errors.ts'
import { KafkaRequest, RequestVersions } from '../src/protocol/kafka-request.ts'
import { consumerGroupDescribe, metadata } from '../src/protocol/requests.ts'

const TIMEOUT = { timeout: 300_000 }
const API_VERSIONS: FakeApi = { key: 18, min: 0, max: 3 }
const METADATA = 3

const options: ConnectOptions = {
  cluster: 'c',
  clientId: 'test',
  security: { protocol: 'plaintext' },
  connectTimeoutMs: 5_000,
  requestTimeoutMs: 5_000,
  maxResponseBytes: 1_048_576,
}

async function brokerOn(
  t: TestContext,
  speech?: FakeSpeech,
  more: Partial<FakeClusterOptions> = {},
): Promise<FakeCluster> {
  const broker = await FakeCluster.start({ topics: { t: 1 }, ...more, ...(speech === undefined ? {} : { speech }) })
  t.after(() => broker.stop())
  return broker
}

async function connect(t: TestContext, broker: FakeCluster, deps: Deps = systemDeps): Promise<Connection> {
  const [host = '', port = ''] = broker.bootstrap.split(':')
  const connection = await openBrokerConnection({ host, port: Number(port) }, 'admin', options, deps)
  t.after(() => connection.socket.destroy())
  return connection
}

const says = (code: string, pattern: RegExp) => (error: unknown) => {
  assert.ok(error instanceof MqError, String(error))
  assert.equal(error.code, code, error.message)
  assert.match(error.message, pattern)
  return true
}

const speaks = (min: number, max: number, features: Readonly<Record<string, number>> = {}): FakeSpeech => ({
  apis: [API_VERSIONS, { key: METADATA, min, max }],
  features,
})

test('the first request of every connection asks for the versions (V1, C5)', TIMEOUT, async (t) => {
  const broker = await brokerOn(t)
  const cluster = new Cluster({ name: 'c', clientId: 'test', bootstrap: [broker.bootstrap] })
  t.after(() => cluster.close())
  await cluster.metadata(['t'])
  await cluster.connection(1, 'produce')
  await cluster.openConnection(1, 'fetch')
  const firsts = [...Map.groupBy(broker.requests, ({ connection }) => connection).values()].map(([first]) => first)
  assert.equal(firsts.length, 3)
  for (const first of firsts) assert.deepEqual([first?.key, first?.version], [18, 3])
})

test('two brokers of one cluster are spoken to in their own versions (V1, R1)', TIMEOUT, async (t) => {
  const [old, fresh] = [await brokerOn(t, speaks(0, 11)), await brokerOn(t, speaks(0, 13))]
  const [toOld, toFresh] = [await connect(t, old), await connect(t, fresh)]
  for (const connection of [toOld, toFresh, toOld]) {
    const answer = await metadata.send(connection, ['t'], false, false)
    assert.equal(answer.topics[0]?.name, 't')
  }
  const versions = (broker: FakeCluster) =>
    broker.requests.flatMap(({ key, version }) => (key === METADATA ? [version] : []))
  assert.deepEqual([versions(old), versions(fresh)], [[11, 11], [12]])
})

test('a broker too old for ApiVersions v3 is asked v0, and tells no features (V2)', TIMEOUT, async (t) => {
  const broker = await brokerOn(t, { ...speaks(0, 9, { 'group.version': 1 }), newestApiVersions: 2 })
  const connection = await connect(t, broker)
  assert.equal(knownApisOf(connection)?.features.size, 0)
  const answer = await metadata.send(connection, ['t'], false, false)
  assert.equal(answer.topics[0]?.name, 't')
  assert.deepEqual(
    broker.requests.map(({ key, version }) => `${key} v${version}`),
    ['18 v3', '18 v0', '3 v9'],
  )
})

test(
  'what is refused although it was listed is asked for again, once, in another version (V3, R3)',
  TIMEOUT,
  async (t) => {
    const broker = await brokerOn(t, speaks(0, 12))
    const connection = await connect(t, broker)
    const sent: number[] = []
    const refusing = new KafkaRequest<[], string>(
      { name: 'Metadata' },
      { key: METADATA, version: 12, async: () => answer(12) },
      [{ key: METADATA, version: 9, async: () => answer(9) }],
    )
    const answer = async (version: number): Promise<string> => {
      sent.push(version)
      if (version === 12) throw Object.assign(new Error('no'), { apiCode: 35 })
      return 'fine'
    }
    // Nothing changed: it stays refused, and the error names request and version.
    await assert.rejects(refusing.send(connection), says('MQ_KAFKA_VERSION', /Metadata version 12 at broker 127.0.0.1/))
    assert.deepEqual(sent, [12])
    broker.speak(speaks(0, 11))
    assert.equal(await refusing.send(connection), 'fine')
    assert.deepEqual(sent, [12, 12, 9])
  },
)

test('what is absent is looked for again after a while: a feature may be on by now (V3, A2)', TIMEOUT, async (t) => {
  let nowMs = 1_000
  const deps: Deps = { ...systemDeps, clock: { nowMs: () => nowMs, monotonicMs: () => nowMs } }
  const group: FakeApi = { key: 69, min: 0, max: 1 }
  const broker = await brokerOn(t, { apis: [API_VERSIONS, group] })
  const connection = await connect(t, broker, deps)
  assert.equal(await consumerGroupDescribe.find(connection), undefined)
  const off = /ConsumerGroupDescribe switched off: the feature group\.version is not finalised/
  await assert.rejects(consumerGroupDescribe.choose(connection), says('MQ_KAFKA_VERSION', off))
  assert.equal(broker.requests.length, 1, 'not asked again at once')
  broker.speak({ apis: [API_VERSIONS, group], features: { 'group.version': 1, 'metadata.version': 27 } })
  nowMs += 6_000
  assert.equal(await consumerGroupDescribe.find(connection), 0)
  assert.equal(knownApisOf(connection)?.features.get('metadata.version'), 27)
})

test('a range upside down counts as absent, and an error names what is missing (A1, R2)', TIMEOUT, async (t) => {
  assert.equal(new BrokerApis([[METADATA, { min: 1, max: 0 }]]).highest(METADATA, [0, 1]), undefined)
  const absent = await connect(t, await brokerOn(t, speaks(9, 8)))
  await assert.rejects(
    metadata.send(absent, [], false, false),
    says('MQ_KAFKA_VERSION', /does not know the request Metadata/),
  )
  const old = await connect(t, await brokerOn(t, speaks(0, 4)))
  const needs = /speaks versions 0 to 4 of Metadata, and mQ needs versions 7 to 12/
  await assert.rejects(metadata.send(old, [], false, false), says('MQ_KAFKA_VERSION', needs))
  const gone = new RequestVersions(METADATA, { name: 'Metadata', missing: 'go on' }, [99])
  await assert.rejects(gone.choose(old), says('MQ_KAFKA_VERSION', /mQ needs version 99; without it mQ cannot go on/))
})

test('a broker that hangs up instead of answering is named with the request (R4)', TIMEOUT, async (t) => {
  const broker = await brokerOn(t, speaks(0, 8))
  const connection = await connect(t, broker)
  broker.control('Metadata', () => ({ kind: 'drop', when: 'before' }))
  const hungUp = /broker 127\.0\.0\.1:\d+ of cluster c closed the connection instead of answering Metadata version 8/
  await assert.rejects(metadata.send(connection, ['t'], false, false), says('MQ_KAFKA_UNREACHABLE', hungUp))
})

test('a peer that takes connections and closes them is not called absent', TIMEOUT, async (t) => {
  const server = createServer((socket) => socket.end())
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.after(() => server.close())
  const { port } = server.address() as { port: number }
  const attempt = openBrokerConnection({ host: '127.0.0.1', port }, 'admin', options, systemDeps)
  await assert.rejects(attempt, says('MQ_KAFKA_UNREACHABLE', /took the connection and closed it instead of answering/))
})

test(
  'a proxy that answers for a broker it cannot reach is asked again: that broker is unreachable',
  TIMEOUT,
  async (t) => {
    const broker = await brokerOn(t, { apis: [], apiVersionsError: -1 })
    await assert.rejects(connect(t, broker), (error: unknown) => {
      assert.ok(says('MQ_KAFKA_UNREACHABLE', /may be a proxy that reaches no broker now/)(error))
      assert.equal((error as MqError).retryable, true)
      assert.equal(responseOf(error), undefined, 'nobody takes this answer for that of another request')
      return true
    })
  },
)
