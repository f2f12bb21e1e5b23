/**
 * The push stream (hub X1-X4, registry R2-R3), over real sockets where that is the point.
 */
import assert from 'node:assert/strict'
import { EventEmitter } from 'node:events'
import { get, type IncomingMessage } from 'node:http'
import { type AddressInfo, connect } from 'node:net'
import { type TestContext, test } from 'node:test'
import { Binding, HEARTBEAT_MS } from '@mq/contract'
import { type Deps, systemDeps } from '@mq/kafka'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { type StreamServices, streamBindings } from '../src/http/stream.ts'
import { MAX_BACKLOG_BYTES, PushHub, type PushSink, parsePosition } from '../src/push/hub.ts'
import { assertProblem, type Harness, startHarness } from './harness.ts'

const TIMEOUT = { timeout: 300_000 }

interface Event {
  id: string
  binding: Binding
}

interface Stream {
  readonly response: IncomingMessage
  readonly events: Event[]
  text: string
  /** Waits until `count` events came. */
  wait(count: number): Promise<Event[]>
  close(): void
}

async function listen(t: TestContext, plane: Harness): Promise<number> {
  await plane.app.listen({ host: '127.0.0.1', port: 0 })
  t.after(() => plane.close())
  return (plane.app.server.address() as AddressInfo).port
}

async function openStream(t: TestContext, port: number, ids: string, lastEventId?: string): Promise<Stream> {
  const headers = lastEventId === undefined ? {} : { 'last-event-id': lastEventId }
  const response = await new Promise<IncomingMessage>((resolve, reject) => {
    get({ port, host: '127.0.0.1', path: `/v1/bindings?ids=${ids}&app=test`, headers }, resolve).on('error', reject)
  })
  const events: Event[] = []
  let pending = ''
  let wake = (): void => {}
  const stream: Stream = {
    response,
    events,
    text: '',
    wait: async (count) => {
      while (events.length < count) {
        await new Promise<void>((resolve) => {
          wake = resolve
        })
      }
      return events
    },
    close: () => response.destroy(),
  }
  response.setEncoding('utf8')
  response.on('error', () => {})
  response.on('data', (chunk: string) => {
    stream.text += chunk
    pending += chunk
    const blocks = pending.split('\n\n')
    pending = blocks.pop()!
    for (const block of blocks) {
      const fields = Object.fromEntries(
        block.split('\n').map((line) => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 1).trim()]),
      )
      if (fields.event === 'binding') events.push({ id: fields.id!, binding: Binding.parse(JSON.parse(fields.data!)) })
    }
    wake()
  })
  t.after(() => stream.close())
  return stream
}

test('a stream begins with what is there and goes on with what changes', TIMEOUT, async (t) => {
  const plane = await startHarness(t)
  const port = await listen(t, plane)
  await plane.call('PUT', '/v1/ids/orders.placed', { intent: {} })
  const stream = await openStream(t, port, 'orders.placed,orders.paid')
  assert.equal(stream.response.statusCode, 200)
  assert.match(String(stream.response.headers['content-type']), /^text\/event-stream/)
  assert.equal(stream.response.headers['x-accel-buffering'], 'no')
  await stream.wait(1)
  await plane.call('PUT', '/v1/ids/orders.paid', { intent: {} })
  await plane.call('PUT', '/v1/ids/orders.placed', { intent: { latencyP99Ms: '1s' } })
  await plane.call('PUT', '/v1/ids/other', { intent: {} })
  await plane.call('DELETE', '/v1/ids/orders.paid?force=true')
  const events = await stream.wait(4)
  assert.deepEqual(
    events.map(({ binding }) => [binding.mqId, binding.deleted]),
    [
      ['orders.placed', false],
      ['orders.paid', false],
      ['orders.placed', false],
      ['orders.paid', true],
    ],
  )
  for (const { id, binding } of events) assert.equal(id, `${binding.incarnation}.${binding.revision}`)
  const revisions = events.map(({ binding }) => binding.revision)
  assert.deepEqual(
    revisions,
    revisions.toSorted((a, b) => a - b),
    'revisions rise (X2)',
  )
})

test(
  'a stream that resumes gets only what is newer than what it has, and everything of another incarnation',
  TIMEOUT,
  async (t) => {
    const plane = await startHarness(t)
    const port = await listen(t, plane)
    for (const id of ['a1', 'b2', 'c3']) await plane.call('PUT', `/v1/ids/${id}`, { intent: {} })
    const all = await (await openStream(t, port, 'a1,b2,c3')).wait(3)
    const resumed = await openStream(t, port, 'a1,b2,c3', all[1]!.id)
    assert.deepEqual(
      (await resumed.wait(1)).map(({ binding }) => binding.mqId),
      ['c3'],
    )
    const current = await openStream(t, port, 'a1,b2,c3', all[2]!.id)
    const foreign = await openStream(t, port, 'a1,b2,c3', `${all[0]!.binding.incarnation - 1}.999`)
    assert.equal((await foreign.wait(3)).length, 3)
    const nonsense = await openStream(t, port, 'a1,b2,c3', 'nonsense')
    assert.equal((await nonsense.wait(3)).length, 3)
    await plane.call('PUT', '/v1/ids/a1', { intent: { priority: 'high' } })
    assert.deepEqual(
      (await current.wait(1)).map(({ binding }) => binding.mqId),
      ['a1'],
    )
  },
)

test('new cluster addresses reach every client, each binding under a revision of its own (R3)', TIMEOUT, async (t) => {
  const plane = await startHarness(t)
  const port = await listen(t, plane)
  for (const id of ['a1', 'b2', 'c3']) await plane.call('PUT', `/v1/ids/${id}`, { intent: {} })
  const stream = await openStream(t, port, 'a1,b2,c3')
  await stream.wait(3)
  await plane.call('PUT', '/v1/clusters/main', { bootstrap: ['elsewhere:9092'] })
  const events = (await stream.wait(6)).slice(3)
  assert.equal(new Set(events.map(({ id }) => id)).size, 3)
  for (const { binding } of events) assert.deepEqual(binding.clusters[0]?.bootstrap, ['elsewhere:9092'])
})

test('what a stream asks for is checked before it opens', TIMEOUT, async (t) => {
  const plane = await startHarness(t)
  assertProblem(await plane.call('GET', '/v1/bindings'), 'MQ_REQUEST_INVALID')
  assertProblem(await plane.call('GET', '/v1/bindings?ids='), 'MQ_REQUEST_INVALID')
  assertProblem(await plane.call('GET', '/v1/bindings?ids=Orders'), 'MQ_ID_INVALID')
  const many = Array.from({ length: 2_001 }, (_, index) => `i${index}`).join(',')
  assertProblem(await plane.call('GET', `/v1/bindings?ids=${many}`), 'MQ_REQUEST_INVALID')
})

test('a client that leaves is forgotten', TIMEOUT, async (t) => {
  const plane = await startHarness(t)
  const port = await listen(t, plane)
  const stream = await openStream(t, port, 'a1')
  assert.equal(plane.hub.size, 1)
  assert.ok(plane.hub.hears('a1'))
  stream.close()
  while (plane.hub.size > 0) await new Promise((resolve) => setTimeout(resolve, 5))
  assert.ok(!plane.hub.hears('a1'))
})

test('a client that stops reading is dropped, and the others lose nothing (X3)', TIMEOUT, async (t) => {
  const plane = await startHarness(t)
  const port = await listen(t, plane)
  await plane.call('PUT', '/v1/ids/a1', { intent: {} })
  const reader = await openStream(t, port, 'a1')
  const sleeper = connect(port, '127.0.0.1')
  t.after(() => sleeper.destroy())
  sleeper.write('GET /v1/bindings?ids=a1 HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n')
  sleeper.pause()
  while (plane.hub.size < 2) await new Promise((resolve) => setTimeout(resolve, 5))
  const binding = plane.registry.binding('a1')!
  // Frames of this size overrun what two kernels buffer for a socket within a few thousand.
  let sent = 0
  while (plane.hub.dropped === 0 && sent < 20_000) {
    plane.hub.publish({ ...binding, revision: binding.revision + ++sent })
    if (sent % 50 === 0) await new Promise((resolve) => setImmediate(resolve))
  }
  assert.equal(plane.hub.dropped, 1, `after ${sent} frames`)
  await reader.wait(sent + 1)
  assert.equal(plane.hub.size, 1)
})

class Sink implements PushSink {
  writableLength = 0
  frames: string[] = []
  ended = false
  destroyed = false
  write(frame: string | Uint8Array): boolean {
    this.frames.push(Buffer.from(frame).toString())
    return true
  }
  end(): void {
    this.ended = true
  }
  destroy(): void {
    this.destroyed = true
  }
}

test(
  'a heartbeat goes to every stream at its interval, and one that is clogged is dropped by it (X3, X4)',
  TIMEOUT,
  async () => {
    const timers: { fn: () => void; delayMs: number }[] = []
    const deps: Deps = {
      ...systemDeps,
      timers: {
        setTimeout: (fn, delayMs) => {
          timers.push({ fn, delayMs })
          return { unref() {} }
        },
        clearTimeout: () => {},
      },
    }
    const hub = new PushHub(deps)
    const [fine, clogged] = [new Sink(), new Sink()]
    hub.listen(fine, ['a1'], [], undefined)
    hub.listen(clogged, ['a1'], [], undefined)
    clogged.writableLength = MAX_BACKLOG_BYTES + 1
    assert.deepEqual(
      timers.map((timer) => timer.delayMs),
      [HEARTBEAT_MS],
    )
    timers.shift()!.fn()
    await new Promise((resolve) => setImmediate(resolve))
    assert.deepEqual(fine.frames, [':\n\n', ':\n\n'])
    assert.ok(clogged.destroyed)
    assert.equal(hub.size, 1)
    assert.deepEqual(
      timers.map((timer) => timer.delayMs),
      [HEARTBEAT_MS],
      'it goes on',
    )
    await hub.close()
    assert.ok(fine.ended)
  },
)

test('a position is read as it is written, and nothing else is one', () => {
  assert.deepEqual(parsePosition('1700000000.42'), { incarnation: 1_700_000_000, revision: 42 })
  for (const text of [undefined, '', '1', '1.', '.1', '1.2.3', '-1.2', '1e3.2', '1.99999999999999999999', 'a.b']) {
    assert.equal(parsePosition(text), undefined, String(text))
  }
})

test('a client that left before its stream began is not listened for', TIMEOUT, async () => {
  const hub = new PushHub(systemDeps)
  try {
    const raw = Object.assign(new EventEmitter(), {
      destroyed: false,
      writableLength: 0,
      writeHead: () => {},
      write: () => false,
      end: () => {},
      destroy: () => {},
    })
    const services = {
      hub,
      registry: { binding: () => undefined },
      // The store starts a new incarnation meanwhile.
      recovery: {
        seen: async () => {
          raw.destroyed = true
          raw.emit('close')
        },
      },
    } as unknown as StreamServices
    const request = {
      query: { ids: 'orders.placed' },
      headers: { 'last-event-id': '1.1' },
    } as unknown as FastifyRequest
    const reply = { hijack: () => {}, raw } as unknown as FastifyReply
    await streamBindings(services, request, reply)
    assert.deepEqual([hub.size, hub.hears('orders.placed')], [0, false])
  } finally {
    await hub.close()
  }
})
