/** Invariants X1 to X3 (tcp-proxy.ts), against an echo server. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { afterEach, beforeEach, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { freePorts } from '../src/ports.ts'
import { TcpProxy } from '../src/tcp-proxy.ts'

const TIMEOUT = { timeout: 300_000 }
const echo = createServer({ allowHalfOpen: true }, (socket) => {
  socket.on('error', () => {})
  socket.pipe(socket)
})
let proxy: TcpProxy
const clients: Client[] = []

class Client {
  readonly socket: Socket
  received = Buffer.alloc(0)
  failure: NodeJS.ErrnoException | undefined
  closed = false

  constructor(port: number) {
    this.socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true })
    this.socket.on('data', (chunk: Buffer) => {
      this.received = Buffer.concat([this.received, chunk])
    })
    this.socket.on('error', (error) => {
      this.failure = error
    })
    this.socket.on('close', () => {
      this.closed = true
    })
    clients.push(this)
  }
}

async function until(condition: () => boolean, what: string): Promise<void> {
  for (let waited = 0; waited < 3_000; waited += 5) {
    if (condition()) return
    await sleep(5)
  }
  assert.fail(`never: ${what}`)
}

beforeEach(async () => {
  if (!echo.listening) await once(echo.listen(0, '127.0.0.1'), 'listening')
  const [port] = await freePorts(1)
  proxy = new TcpProxy(port ?? 0, { host: '127.0.0.1', port: (echo.address() as AddressInfo).port })
  await proxy.accept()
})

afterEach(async () => {
  for (const client of clients.splice(0)) client.socket.destroy()
  await proxy.refuse()
  echo.close()
})

test('without a fault every byte passes unchanged, also past what one socket holds', TIMEOUT, async () => {
  const client = new Client(proxy.port)
  const sent = Buffer.alloc(12 * 1024 * 1024, 'the quick brown fox ')
  client.socket.write(sent)
  client.socket.end()
  await once(client.socket, 'end')
  assert.ok(client.received.equals(sent))
  await until(() => proxy.connections === 0, 'the connection is forgotten')
})

test('latency delays each direction and ends with heal', TIMEOUT, async () => {
  const client = new Client(proxy.port)
  proxy.latency(100)
  const started = performance.now()
  client.socket.write('ping')
  await until(() => client.received.length === 4, 'the echo')
  assert.ok(performance.now() - started >= 190, `${performance.now() - started} ms`)
  // Longer than the test may take.
  proxy.latency(600_000)
  proxy.heal()
  client.socket.write('pong')
  await until(() => client.received.length === 8, 'the second echo')
})

test(
  'a black hole passes nothing, keeps the connection, and lets everything through after heal in order',
  TIMEOUT,
  async () => {
    const client = new Client(proxy.port)
    client.socket.write('one ')
    await until(() => client.received.length === 4, 'the first echo')
    proxy.blackhole('to-client')
    client.socket.write('two ')
    client.socket.write('three')
    await sleep(100)
    assert.equal(client.received.toString(), 'one ')
    assert.equal(client.closed, false)
    proxy.heal()
    await until(() => client.received.toString() === 'one two three', 'the rest')
  },
)

test('a black hole applies to connections that come later', TIMEOUT, async () => {
  proxy.blackhole()
  const client = new Client(proxy.port)
  client.socket.write('hello')
  await sleep(100)
  assert.equal(client.received.length, 0)
  proxy.heal()
  await until(() => client.received.toString() === 'hello', 'the echo')
})

test(
  'a connection whose client left during a black hole is closed towards the broker afterwards',
  TIMEOUT,
  async () => {
    const client = new Client(proxy.port)
    client.socket.write('x')
    await until(() => client.received.length === 1, 'the echo')
    proxy.blackhole()
    client.socket.resetAndDestroy()
    await until(() => client.closed, 'the client is closed')
    await sleep(50)
    proxy.heal()
    await until(() => proxy.connections === 0, 'no connection is left')
  },
)

test('reset breaks open connections with ECONNRESET and takes new ones', TIMEOUT, async () => {
  const client = new Client(proxy.port)
  client.socket.write('x')
  await until(() => client.received.length === 1, 'the echo')
  proxy.reset()
  await until(() => client.closed, 'the connection is closed')
  assert.equal(client.failure?.code, 'ECONNRESET')
  const next = new Client(proxy.port)
  next.socket.write('y')
  await until(() => next.received.length === 1, 'the echo of the next')
})

test('cutAfter lets exactly that many bytes pass, then resets that connection, once', TIMEOUT, async () => {
  const client = new Client(proxy.port)
  proxy.cutAfter(10, 'to-client')
  client.socket.write('0123456')
  await until(() => client.received.length === 7, 'the first echo')
  client.socket.write('789abc')
  await until(() => client.closed, 'the cut')
  // A reset may overtake bytes in the kernel of the receiver, so fewer than ten may be seen, never more.
  assert.ok('0123456789'.startsWith(client.received.toString()), client.received.toString())
  const next = new Client(proxy.port)
  next.socket.write('after the cut')
  await until(() => next.received.toString() === 'after the cut', 'the next connection is whole')
})

test('refuse ends open connections and new ones fail until accept', TIMEOUT, async () => {
  const client = new Client(proxy.port)
  client.socket.write('x')
  await until(() => client.received.length === 1, 'the echo')
  await proxy.refuse()
  await until(() => client.closed, 'the connection is closed')
  const refused = new Client(proxy.port)
  await until(() => refused.failure?.code === 'ECONNREFUSED', 'the refusal')
  await proxy.accept()
  const taken = new Client(proxy.port)
  taken.socket.write('z')
  await until(() => taken.received.length === 1, 'the echo')
})
