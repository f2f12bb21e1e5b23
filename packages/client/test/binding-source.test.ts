import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, afterEach, before, beforeEach, describe, it } from 'node:test'
import { HEARTBEAT_MS, MqError } from '@mq/contract'
import { within } from '@mq/testkit'
import { BindingCache } from '../src/bindings/cache.ts'
import { ControlPlaneClient } from '../src/bindings/control-plane-client.ts'
import { BindingSource } from '../src/bindings/source.ts'
import { BindingStore } from '../src/bindings/store.ts'
import { bindingOf } from './support/bindings.ts'
import { sendJson, sendProblem, TestControlPlane } from './support/control-plane.ts'
import { RecordingLogger } from './support/logs.ts'
import { realDeps, until } from './support/time.ts'

const MQ_ID = 'orders.placed'

describe('BindingSource and BindingStream', { timeout: 300_000 }, () => {
  let plane: TestControlPlane
  let dir = ''
  const closers: (() => Promise<void>)[] = []
  before(async () => {
    dir = await mkdtemp(join(tmpdir(), 'mq-source-'))
  })
  after(() => rm(dir, { recursive: true, force: true }))
  beforeEach(async () => {
    plane = await TestControlPlane.start()
  })
  afterEach(async () => {
    for (const close of closers.splice(0)) await close()
    await plane.stop()
  })

  function open(options: { heartbeatMs?: number; pollMs?: number; cache?: boolean; token?: string } = {}) {
    const logger = new RecordingLogger()
    const cache =
      options.cache === true ? new BindingCache({ dir, url: plane.url, app: 'checkout', logger }) : undefined
    const store = new BindingStore(logger, (binding, origin) => {
      if (origin !== 'cache') void cache?.save(binding)
    })
    const client = new ControlPlaneClient({
      url: plane.url,
      app: 'checkout',
      instance: 'i-1',
      token: options.token,
      // Small random pauses keep the test short.
      deps: { ...realDeps, random: () => 0.05 },
    })
    const source = new BindingSource({
      client,
      store,
      cache,
      deps: { ...realDeps, random: () => 0.05 },
      logger,
      heartbeatMs: options.heartbeatMs ?? HEARTBEAT_MS,
      ...(options.pollMs === undefined ? {} : { pollMs: options.pollMs }),
    })
    closers.push(async () => {
      await source.close()
      await cache?.settled()
    })
    return { source, store, cache, logger, client }
  }

  it('asks once for an mQ ID and then hears of every change by push', async () => {
    plane.publish(bindingOf())
    const { source, store } = open({ token: 'secret-token' })
    const [one, two] = await Promise.all([source.resolve(MQ_ID), source.resolve(MQ_ID)])
    assert.equal(one, two)
    assert.equal(plane.requests(`/v1/bindings/${MQ_ID}`).length, 1)
    assert.equal(plane.seen[0]!.headers.authorization, 'Bearer secret-token')
    await until('the stream is open', () => plane.openStreams === 1)
    plane.publish(bindingOf({ revision: 2 }))
    await until('revision 2 is applied', () => store.get(MQ_ID)?.revision === 2)
  })

  it('follows many mQ IDs on few streams', async () => {
    const ids = Array.from({ length: 300 }, (_, index) => `orders.placed-in-a-rather-long-name-${index}`)
    for (const mqId of ids) plane.publish(bindingOf({ mqId }))
    const { source, store } = open()
    await Promise.all(ids.map((mqId) => source.resolve(mqId)))
    await until('the streams are open', () => plane.openStreams >= 2)
    for (const mqId of ids) plane.publish(bindingOf({ mqId, revision: 2 }))
    await until('all are on revision 2', () => ids.every((mqId) => store.get(mqId)?.revision === 2))
    assert.ok(plane.openStreams <= 4, `${plane.openStreams} streams`)
  })

  it('opens the stream again after it broke, and resumes from the last event (E1, E2)', async () => {
    plane.publish(bindingOf())
    const { source, store } = open()
    await source.resolve(MQ_ID)
    await until('the stream is open', () => plane.openStreams === 1)
    plane.publish(bindingOf({ revision: 2 }))
    await until('revision 2 is applied', () => store.get(MQ_ID)?.revision === 2)
    plane.dropStreams()
    await until('it is open again', () => plane.openStreams === 1)
    assert.equal(plane.requests('/v1/bindings').at(-1)!.headers['last-event-id'], '1.2')
    plane.publish(bindingOf({ revision: 3 }))
    await until('revision 3 is applied', () => store.get(MQ_ID)?.revision === 3)
  })

  it('opens the stream again when it hears no heartbeat (E1)', async () => {
    plane.publish(bindingOf())
    const { source } = open({ heartbeatMs: 30 })
    await source.resolve(MQ_ID)
    await until('it was opened three times', () => plane.requests('/v1/bindings').length >= 3)
  })

  it('stays on a stream whose heartbeats come (E1)', async () => {
    plane.publish(bindingOf())
    const { source } = open({ heartbeatMs: 60 })
    await source.resolve(MQ_ID)
    for (let beat = 0; beat < 20; beat++) {
      plane.pushRaw(': beat\n\n')
      await new Promise((resolve) => setTimeout(resolve, 25))
    }
    assert.equal(plane.requests('/v1/bindings').length, 1)
  })

  it('passes over an event it cannot read and goes on (E3)', async () => {
    plane.publish(bindingOf())
    const { source, store, logger } = open()
    await source.resolve(MQ_ID)
    await until('the stream is open', () => plane.openStreams === 1)
    plane.pushRaw(
      'event: binding\ndata: {broken\n\nevent: other\ndata: x\n\nevent: binding\ndata: {"mqId":"orders.placed"}\n\n',
    )
    plane.publish(bindingOf({ revision: 2 }))
    await until('revision 2 is applied', () => store.get(MQ_ID)?.revision === 2)
    assert.deepEqual(logger.codes(), ['MQ_BINDING_INVALID', 'MQ_BINDING_INVALID'])
    assert.equal(plane.requests('/v1/bindings').length, 1)
  })

  it('asks by conditional GET while the push stream is down (R3)', async () => {
    plane.publish(bindingOf())
    plane.intercept = (seen, response) => {
      if (seen.path !== '/v1/bindings') return false
      sendProblem(response, 503, 'MQ_INTERNAL', 'no streams today')
      return true
    }
    const { source, store } = open({ pollMs: 40 })
    await source.resolve(MQ_ID)
    await until('it asked with a version', () => plane.seen.some((seen) => seen.headers['if-none-match'] === '"1.1"'))
    plane.bindings.set(MQ_ID, bindingOf({ revision: 5 }))
    await until('revision 5 is applied', () => store.get(MQ_ID)?.revision === 5)
  })

  it('starts from the cache while the control plane is away, and catches up when it is back (R1)', async () => {
    plane.publish(bindingOf())
    const first = open({ cache: true })
    await first.source.resolve(MQ_ID)
    for (const close of closers.splice(0)) await close()
    await plane.stop()

    const { source, store, logger } = open({ cache: true })
    assert.deepEqual(await within(2_500, () => source.resolve(MQ_ID)), bindingOf())
    assert.ok(logger.codes().includes('MQ_CONTROL_PLANE_AWAY'))
    plane.bindings.set(MQ_ID, bindingOf({ revision: 4 }))
    await plane.listen()
    await until('revision 4 is applied', () => store.get(MQ_ID)?.revision === 4)
  })

  it('waits for the control plane when nothing is cached, and goes on by itself (R1)', async () => {
    plane.publish(bindingOf())
    await plane.stop()
    const { source } = open()
    const pending = source.resolve(MQ_ID)
    await new Promise((resolve) => setTimeout(resolve, 50))
    await plane.listen()
    assert.equal((await pending).revision, 1)
  })

  it('ends at once on a refusal, and asks again the next time (R2)', async () => {
    const { source } = open()
    await assert.rejects(source.resolve(MQ_ID), (error) => error instanceof MqError && error.code === 'MQ_ID_UNKNOWN')
    plane.publish(bindingOf())
    assert.equal((await source.resolve(MQ_ID)).revision, 1)
    plane.intercept = (_, response) => {
      response.writeHead(401).end()
      return true
    }
    await assert.rejects(
      source.resolve('orders.paid'),
      (error) => error instanceof MqError && error.code === 'MQ_UNAUTHORIZED',
    )
  })

  it('refuses a first binding against the contract, and a deleted mQ ID', async () => {
    const { source } = open()
    plane.intercept = (_, response) => {
      sendJson(response, 200, { mqId: MQ_ID, surprise: true })
      return true
    }
    await assert.rejects(
      source.resolve(MQ_ID),
      (error) => error instanceof MqError && error.code === 'MQ_BINDING_INVALID',
    )
    plane.intercept = (_, response) => {
      sendProblem(response, 410, 'MQ_ID_DELETED', 'gone')
      return true
    }
    await assert.rejects(source.resolve(MQ_ID), (error) => error instanceof MqError && error.code === 'MQ_ID_DELETED')
  })

  it('says within its limit that the control plane is away (P1, P2)', async () => {
    const { client } = open()
    plane.intercept = () => true
    const isAway = (error: unknown): boolean => error instanceof MqError && error.code === 'MQ_CONTROL_PLANE_AWAY'
    await within(2_000, () => assert.rejects(client.info(150), isAway))
    await plane.stop()
    await assert.rejects(client.info(), /^MqError: No control plane at .*: nothing listens there$/)
    await plane.listen()
    plane.intercept = (_, response) => {
      response.writeHead(200, { 'content-type': 'text/html' }).end('<html>not mQ</html>')
      return true
    }
    await assert.rejects(client.info(), (error) => error instanceof MqError)
  })

  it('bounds an answer that never ends (P1)', async () => {
    const { client } = open()
    plane.intercept = (_, response) => {
      const chunk = Buffer.alloc(1_048_576, 32)
      const write = (): void => {
        while (!response.destroyed && response.write(chunk));
      }
      response.on('drain', write)
      write()
      return true
    }
    await assert.rejects(client.info(), /over 8388608 bytes/)
  })

  it('follows no redirect with its token (P3)', async () => {
    const { client } = open({ token: 'secret-token' })
    plane.intercept = (seen, response) => {
      if (seen.path !== '/v1/info') return false
      response.writeHead(302, { location: '/v1/elsewhere' }).end()
      return true
    }
    await assert.rejects(client.info(), (error) => error instanceof MqError && !error.message.includes('secret'))
    assert.equal(plane.requests('/v1/elsewhere').length, 0)
  })
})
