/** How a control plane stops (stopping G1-G3, migrator X5, hub X5), and what its probes say meanwhile (readiness R1, monitoring P1-P2). */
import assert from 'node:assert/strict'
import { connect, type Socket } from 'node:net'
import { test } from 'node:test'
import { startControlPlane } from '../src/control-plane.ts'
import { silentLogger } from '../src/logger.ts'
import { FakeKafka } from './fake-kafka.ts'
import { mainCluster, startHarness, temporaryFolder } from './harness.ts'
import { bindingOf, declare, ID, makeWorld, start, states, until } from './migration-on-fakes.ts'

const TIMEOUT = { timeout: 300_000 }
const TOKEN = 'a-token-of-this-test-0123456789'
const MONITORING = 'another-token-of-this-test-0123'

async function when(what: string, holds: () => boolean): Promise<void> {
  const endMs = performance.now() + 60_000
  while (!holds()) {
    assert.ok(performance.now() < endMs, `it never came to this: ${what}`)
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
}

/** Of a request whose head arrived: the server asks for the body. */
const CONTINUE = /^HTTP\/1\.1 100 Continue\r\n/

/** A raw connection and what came over it. */
function open(url: string, text: string): { socket: Socket; read: () => string; ended: Promise<void> } {
  const { hostname, port } = new URL(url)
  const socket = connect({ host: hostname, port: Number(port) })
  let got = ''
  socket.setEncoding('utf8').on('data', (part: string) => (got += part))
  socket.on('error', () => {})
  const ended = new Promise<void>((resolve) => socket.once('close', () => resolve()))
  socket.write(text)
  return { socket, read: () => got, ended }
}

test('a request under way is answered, streams end, and nobody is let in any more (G1)', TIMEOUT, async (t) => {
  const kafka = new FakeKafka()
  const plane = await startControlPlane({
    ...{ port: 0, dataDir: temporaryFolder(t), logger: silentLogger, clusters: [mainCluster] },
    openAdmin: kafka.openAdmin,
  })
  t.after(() => plane.close())
  const body = '{"intent":{}}'
  const half = open(
    plane.url,
    `PUT /v1/ids/orders.placed HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\nexpect: 100-continue\r\ncontent-length: ${body.length}\r\n\r\n${body.slice(0, 4)}`,
  )
  await when('the request arrived', () => CONTINUE.test(half.read()))
  const stream = open(plane.url, 'GET /v1/bindings?ids=orders.placed HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n')
  await when('the stream stands', () => stream.read().includes(':\n\n'))
  const stopped = plane.stop(60_000)
  await stream.ended
  assert.match(stream.read(), /\r\n0\r\n\r\n$/, 'ended and not cut')
  await assert.rejects(fetch(`${plane.url}/healthz`), 'nobody listens')
  half.socket.write(body.slice(4))
  await half.ended
  assert.match(half.read(), /\r\n\r\nHTTP\/1\.1 200 OK\r\n[\s\S]*connection: close/i)
  assert.match(half.read(), /"id":"orders\.placed"/)
  await stopped
  assert.equal(kafka.open, 0)
})

test('what is not over when the grace is, is cut off (G3)', TIMEOUT, async (t) => {
  const kafka = new FakeKafka()
  const plane = await startControlPlane({
    ...{ port: 0, dataDir: temporaryFolder(t), logger: silentLogger, clusters: [mainCluster] },
    openAdmin: kafka.openAdmin,
  })
  t.after(() => plane.close())
  const half = open(
    plane.url,
    'POST /v1/telemetry HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\nexpect: 100-continue\r\ncontent-length: 10\r\n\r\n',
  )
  await when('the request arrived', () => CONTINUE.test(half.read()))
  await plane.stop(400)
  await half.ended
  assert.equal(kafka.open, 0)
})

test(
  'a migration whose producers wait comes out of that, and one that only prepares stays where it is (X5)',
  TIMEOUT,
  async (t) => {
    const world = makeWorld(t)
    const plane = await start(t, world, { sealMs: 60_000 })
    await declare(plane, world)
    world.a.leadersPerProbe = 0
    await plane.call('POST', `/v1/ids/${ID}/migrations`, { to: 'b', partitions: 12 })
    await until(plane, ['sealing'], 1, 60_000)
    // The first leader refuses, the others take their time: producers hold what they send.
    let moves = 1
    Object.defineProperty(world.a, 'leadersPerProbe', { get: () => moves--, configurable: true })
    await until(plane, ['refusing'], 1, 60_000)
    const settled = plane.migrator.settle(60_000)
    Object.defineProperty(world.a, 'leadersPerProbe', { value: 4 })
    assert.equal(await settled, true)
    assert.equal(states(bindingOf(plane)), '1 sealed, 2 open')
    const before = plane.migrations.current(1)?.state
    assert.ok(before === 'open' || before === 'draining', String(before))
    await plane.stop(10_000)

    const other = makeWorld(t)
    const preparing = await start(t, other, { warmMs: 600_000 })
    await declare(preparing, other)
    await preparing.call('POST', `/v1/ids/${ID}/migrations`, { to: 'b', partitions: 12 })
    await until(preparing, ['prepared'], 1, 60_000)
    assert.equal(await preparing.migrator.settle(60_000), true, 'nothing is waited for')
    assert.equal(preparing.migrations.current(1)?.state, 'prepared')
    await preparing.stop(10_000)
    // It goes on from there at the next start.
    const again = await start(t, other)
    await until(again, ['draining'], 1, 60_000)
  },
)

test('readiness follows the store and the stop, and not Kafka (R1)', TIMEOUT, async (t) => {
  const kafka = new FakeKafka()
  kafka.before = () => {
    throw new Error('connection refused')
  }
  const plane = await startHarness(t, { kafka, token: TOKEN, monitoringToken: () => [MONITORING] })
  await plane.clusters.checkAll()
  const told = { authorization: `Bearer ${MONITORING}` }
  assert.deepEqual(
    [(await plane.call('GET', '/readyz')).status, (await plane.call('GET', '/readyz')).text],
    [200, 'ready\n'],
  )
  assert.match((await plane.call('GET', '/readyz', undefined, told)).text, /^ready\nstore: ok\ncluster main: MQ_/)
  const auth = { authorization: `Bearer ${TOKEN}` }
  assert.equal((await plane.call('GET', '/v1/ready', undefined, auth)).status, 503, 'Kafka is away')
  assert.equal((await plane.call('GET', '/metrics')).status, 401)
  assert.equal((await plane.call('GET', '/metrics', undefined, told)).status, 200)
  assert.equal((await plane.call('GET', '/v1/ids', undefined, told)).status, 403)
  const check = plane.store.check.bind(plane.store)
  plane.store.check = () => Promise.reject(Object.assign(new Error('disk full'), { code: 'MQ_STORE_FAILED' }))
  assert.deepEqual((await plane.call('GET', '/readyz')).text, 'not ready\n')
  assert.match((await plane.call('GET', '/readyz', undefined, told)).text, /store: MQ_STORE_FAILED: disk full/)
  assert.equal((await plane.call('GET', '/readyz')).status, 503)
  assert.equal((await plane.call('GET', '/healthz')).text, 'ok\n', 'the process lives')
  plane.store.check = check
  assert.equal((await plane.call('GET', '/readyz')).status, 200)
})
