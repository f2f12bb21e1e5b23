/** A connection leads to the broker it is meant for, where brokers tell (broker-identity I1-I2, broker-access W6). */
import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { MqError } from '@mq/contract'
import { systemDeps } from '@mq/contract/timing'
import { FakeCluster, type FakeSpeech } from '@mq/testkit'
import { type ConnectOptions, openBrokerConnection } from '../src/net/broker-connection.ts'

const TIMEOUT = { timeout: 300_000 }
const US = { clusterId: 'the-cluster', nodeId: 1 }

const speech = (newestApiVersions: number): FakeSpeech => ({
  apis: [
    { key: 18, min: 0, max: newestApiVersions },
    { key: 3, min: 9, max: 12 },
  ],
  newestApiVersions,
  identity: US,
})

async function connect(
  t: TestContext,
  broker: FakeCluster,
  identity: { clusterId: string; nodeId: number } | undefined,
): Promise<string[]> {
  const strangers: string[] = []
  const options: ConnectOptions = {
    ...{ cluster: 'c', clientId: 'test', security: { protocol: 'plaintext' } },
    ...{ connectTimeoutMs: 5_000, requestTimeoutMs: 5_000, maxResponseBytes: 1_048_576 },
    identityOf: () => identity,
    onStranger: ({ port }) => strangers.push(String(port)),
  }
  const [host = '', port = ''] = broker.bootstrap.split(':')
  try {
    const connection = await openBrokerConnection({ host, port: Number(port) }, 'produce', options, systemDeps)
    t.after(() => connection.socket.destroy())
  } catch (error) {
    assert.ok(error instanceof MqError)
    assert.equal(error.code, 'MQ_KAFKA_UNREACHABLE')
    assert.match(error.message, /is not broker \d+ of Kafka cluster .* any more/)
    assert.deepEqual(strangers, [port])
    return ['refused']
  }
  return ['connected']
}

const versionsOf = (broker: FakeCluster): number[] =>
  broker.requests.flatMap(({ key, version }) => (key === 18 ? [version] : []))

test('a broker that is somebody else is found out before anything is sent to it (I1)', TIMEOUT, async (t) => {
  const broker = await FakeCluster.start({ topics: {}, speech: speech(5) })
  t.after(() => broker.stop())
  assert.deepEqual(await connect(t, broker, US), ['connected'])
  assert.deepEqual(await connect(t, broker, { ...US, nodeId: 2 }), ['refused'])
  assert.deepEqual(await connect(t, broker, { ...US, clusterId: 'another' }), ['refused'])
  assert.deepEqual(versionsOf(broker), [3, 5, 3, 5, 3, 5])
})

test('who is expected is asked only where it is known and the broker can tell (I1, I2)', TIMEOUT, async (t) => {
  const [older, newer] = await Promise.all(
    [4, 5].map((newest) => FakeCluster.start({ topics: {}, speech: speech(newest) })),
  )
  t.after(() => Promise.all([older!.stop(), newer!.stop()]))
  assert.deepEqual(await connect(t, older!, { ...US, nodeId: 2 }), ['connected'])
  assert.deepEqual(await connect(t, newer!, undefined), ['connected'])
  assert.deepEqual([...versionsOf(older!), ...versionsOf(newer!)], [3, 3])
})
