/**
 * Who may talk to the API, and what never leaves it (guard Z1-Z3, problems E4, server H2, H5).
 */
import assert from 'node:assert/strict'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { describe, test } from 'node:test'
import { catalogue, MqError, Problem, routes } from '@mq/contract'
import { startControlPlane } from '../src/control-plane.ts'
import { checkExposure, isLoopback } from '../src/http/guard.ts'
import { createLogger, silentLogger } from '../src/logger.ts'
import { FakeKafka } from './fake-kafka.ts'
import { assertProblem, mainCluster, startHarness, telemetryReport, temporaryFolder } from './harness.ts'

const TIMEOUT = { timeout: 300_000 }
const TOKEN = 'canary-7f3a9c21d4e8b605'
const hasCode = (code: string) => (error: unknown) => error instanceof MqError && error.code === code

describe('exposure (Z1)', () => {
  test('beyond loopback there is no start without a token of 16 characters', async (t) => {
    for (const host of ['0.0.0.0', '::', '10.0.0.7', 'mq.example.com', '']) {
      assert.throws(() => checkExposure(host, undefined), hasCode('MQ_TOKEN_REQUIRED'), host)
      checkExposure(host, 'x'.repeat(16))
    }
    for (const token of ['', 'x', 'x'.repeat(15)]) {
      assert.throws(() => checkExposure('0.0.0.0', token), hasCode('MQ_TOKEN_REQUIRED'))
      assert.throws(() => checkExposure('127.0.0.1', token), hasCode('MQ_TOKEN_REQUIRED'))
    }
    const dataDir = temporaryFolder(t)
    await assert.rejects(
      startControlPlane({ host: '0.0.0.0', port: 0, dataDir, logger: silentLogger }),
      hasCode('MQ_TOKEN_REQUIRED'),
    )
  })

  test('loopback is what stays on this machine, and nothing that looks like it', () => {
    for (const host of ['127.0.0.1', '127.8.9.1', 'localhost', 'LOCALHOST', '::1', '[::1]'])
      assert.ok(isLoopback(host), host)
    for (const host of [
      '127.0.0.1.evil.example',
      'localhost.evil.example',
      '128.0.0.1',
      '0.0.0.0',
      '::',
      '1127.0.0.1',
      '',
    ]) {
      assert.ok(!isLoopback(host), host)
    }
  })
})

describe('token (Z2)', () => {
  test('every route but the health check asks for it', TIMEOUT, async (t) => {
    const plane = await startHarness(t, { token: TOKEN })
    const paths = Object.values(routes).map(
      ({ method, path }) => [method, path.replace(':id', 'orders.placed').replace(':name', 'main')] as const,
    )
    for (const [method, path] of [
      ...paths,
      ['GET', '/metrics'] as const,
      ['GET', '/openapi.json'] as const,
      ['GET', '/nowhere'] as const,
    ]) {
      const body = method === 'PUT' || method === 'POST' ? {} : undefined
      const answer = await plane.call(method, path, body)
      if (path === routes.health.path) assert.equal(answer.status, 200)
      else assertProblem(answer, 'MQ_UNAUTHORIZED')
    }
    assert.equal((await plane.call('GET', '/v1/ids', undefined, { authorization: `Bearer ${TOKEN}` })).status, 200)
    assert.equal(
      (await plane.call('GET', '/v1/ids', undefined, { authorization: `Bearer ${TOKEN}`, host: 'mq.example.com' }))
        .status,
      200,
    )
    for (const wrong of [
      '',
      'Bearer',
      'Bearer ',
      `Basic ${TOKEN}`,
      TOKEN,
      `Bearer ${TOKEN}x`,
      `Bearer ${TOKEN.slice(0, -1)}`,
      'Bearer undefined',
    ]) {
      assertProblem(await plane.call('GET', '/v1/ids', undefined, { authorization: wrong }), 'MQ_UNAUTHORIZED')
    }
  })
})

describe('requests from elsewhere (Z3)', () => {
  test('without a token a foreign name or page is refused', TIMEOUT, async (t) => {
    const plane = await startHarness(t)
    for (const host of ['evil.example', 'evil.example:7070', '127.0.0.1.evil.example', '10.0.0.7:7070']) {
      assertProblem(await plane.call('GET', '/v1/ids', undefined, { host }), 'MQ_ORIGIN_REFUSED')
    }
    for (const origin of ['http://evil.example', 'null', 'nonsense', 'http://127.0.0.1.evil.example']) {
      assertProblem(await plane.call('GET', '/v1/ids', undefined, { origin }), 'MQ_ORIGIN_REFUSED')
    }
    for (const headers of [{ host: 'localhost:7070' }, { host: '[::1]:7070' }, { origin: 'http://localhost:7070' }]) {
      assert.equal((await plane.call('GET', '/v1/ids', undefined, headers)).status, 200)
    }
  })
})

describe('secrets', () => {
  test('a token never reaches a log, an error or an answer', TIMEOUT, async (t) => {
    const lines: string[] = []
    const logger = createLogger('trace', { write: (line) => void lines.push(line) })
    const credentials = {
      main: { username: 'u', password: 'canary-password-55' },
    }
    const plane = await startHarness(t, { token: TOKEN, logger, credentials, createOnFirstUse: true })
    const auth = { authorization: `Bearer ${TOKEN}` }
    const seen: string[] = []
    const call = async (...args: Parameters<typeof plane.call>): Promise<void> => {
      const answer = await plane.call(...args)
      seen.push(answer.text, JSON.stringify(answer.headers))
    }
    await call('GET', '/v1/ids', undefined, { authorization: `Bearer ${TOKEN}wrong` })
    await call('GET', '/v1/nowhere', undefined, auth)
    await call('GET', '/v1/bindings/orders.placed', undefined, auth)
    await call('GET', '/v1/info', undefined, auth)
    await call('GET', '/v1/clusters', undefined, auth)
    await call('GET', '/v1/journal', undefined, auth)
    await call('GET', '/metrics', undefined, auth)
    await call('PUT', '/v1/ids/orders.paid', `{"intent": ${TOKEN}`, auth)
    await call('PUT', '/v1/ids/orders.paid', { intent: {}, token: TOKEN }, auth)
    plane.kafka.before = () => {
      throw Object.assign(new Error('inner failure'), { request: { password: 'canary-password-55', token: TOKEN } })
    }
    await call('PUT', '/v1/ids/orders.paid', { intent: {} }, auth)
    logger.info({ token: TOKEN, inner: { authorization: TOKEN, sasl: { password: 'canary-password-55' } } }, 'a slip')
    assert.ok(lines.length > 5 && lines.some((line) => line.includes('[redacted]')))
    for (const text of [...lines, ...seen]) assert.ok(!text.includes('canary-'), text)
  })
})

describe('refusals', () => {
  test(
    'what is wrong with a request is said by field, under the code of the part that is wrong',
    TIMEOUT,
    async (t) => {
      const plane = await startHarness(t)
      const cases: [string, string, unknown, string, RegExp][] = [
        ['PUT', '/v1/ids/Orders', { intent: {} }, 'MQ_ID_INVALID', /must be lower case/],
        ['GET', '/v1/ids/orders..placed', undefined, 'MQ_ID_INVALID', /empty word/],
        ['DELETE', '/v1/clusters/-x', undefined, 'MQ_NAME_INVALID', /name/],
        ['PUT', '/v1/ids/orders', { intent: { latencyP99Ms: 0 } }, 'MQ_INTENT_INVALID', /intent\.latencyP99Ms/],
        ['PUT', '/v1/ids/orders', { intent: { retention: '1m' } }, 'MQ_INTENT_INVALID', /at least 1h/],
        ['PUT', '/v1/ids/orders', { intent: { topic: 'x' } }, 'MQ_INTENT_INVALID', /topic/],
        [
          'PUT',
          '/v1/ids/orders',
          { intent: { retention: 'latest-per-key', ordering: 'none' } },
          'MQ_INTENT_INVALID',
          /needs ordering 'key'/,
        ],
        [
          'POST',
          '/v1/apply',
          { declarations: [{ id: 'ok.id' }, { id: 'ok.too', intent: { priority: 'top' } }] },
          'MQ_INTENT_INVALID',
          /declarations\.1\.intent\.priority/,
        ],
        ['POST', '/v1/apply', { declarations: [{ id: 'Not' }] }, 'MQ_ID_INVALID', /declarations\.0\.id/],
        [
          'POST',
          '/v1/apply',
          { declarations: [{ id: 'a1' }, { id: 'a1' }] },
          'MQ_REQUEST_INVALID',
          /'a1' is declared twice/,
        ],
        ['POST', '/v1/apply', {}, 'MQ_REQUEST_INVALID', /declarations/],
        ['POST', '/v1/apply', undefined, 'MQ_REQUEST_INVALID', /body/],
        ['PUT', '/v1/ids/orders', '{"intent": {', 'MQ_REQUEST_INVALID', /not JSON/],
        ['PUT', '/v1/ids/orders', { intent: {}, filler: 'x'.repeat(300_000) }, 'MQ_REQUEST_INVALID', /larger than/],
        ['PUT', '/v1/clusters/second', { bootstrap: ['nowhere'] }, 'MQ_REQUEST_INVALID', /bootstrap\.0.*host:port/],
        ['PUT', '/v1/clusters/second', { bootstrap: [] }, 'MQ_REQUEST_INVALID', /bootstrap/],
        ['GET', '/v1/journal?limit=many', undefined, 'MQ_REQUEST_INVALID', /limit/],
        ['GET', '/v2/ids', undefined, 'MQ_ROUTE_UNKNOWN', /no such route/],
        ['POST', '/v1/ids', {}, 'MQ_ROUTE_UNKNOWN', /no such route/],
        ['POST', '/v1/telemetry', { ...telemetryReport(), windowMs: 0 }, 'MQ_REQUEST_INVALID', /windowMs/],
      ]
      for (const [method, url, body, code, message] of cases) {
        const answer = await plane.call(method as 'GET', url, body)
        const problem = assertProblem(answer, code)
        assert.match(problem.message, message, `${method} ${url}`)
        assert.deepEqual(Problem.parse(answer.body), answer.body)
        assert.equal(answer.status, catalogue[code as keyof typeof catalogue].httpStatus)
      }
      assert.deepEqual(plane.registry.all(), [])
    },
  )

  test('a body that is not said to be JSON is refused, and a prototype cannot be smuggled in', TIMEOUT, async (t) => {
    const plane = await startHarness(t)
    assertProblem(await plane.call('PUT', '/v1/ids/orders', '{}', { 'content-type': 'text/xml' }), 'MQ_REQUEST_INVALID')
    assertProblem(
      await plane.call('PUT', '/v1/ids/orders', '{"intent": {"__proto__": {"x": 1}}}'),
      'MQ_REQUEST_INVALID',
    )
  })

  test('a defect inside is a problem of the contract and says nothing of its inside', TIMEOUT, async (t) => {
    const plane = await startHarness(t)
    plane.kafka.before = () => {
      throw new TypeError('cannot read properties of undefined')
    }
    const problem = assertProblem(await plane.call('PUT', '/v1/ids/orders', { intent: {} }), 'MQ_KAFKA_UNREACHABLE')
    assert.ok(!JSON.stringify(problem).includes('properties'))
  })
})

describe('the port', () => {
  test('a port in use is said, and the data folder is free again', TIMEOUT, async (t) => {
    const other: Server = createServer()
    await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve))
    t.after(() => other.close())
    const { port } = other.address() as AddressInfo
    const kafka = new FakeKafka()
    const options = {
      dataDir: temporaryFolder(t),
      logger: silentLogger,
      openAdmin: kafka.openAdmin,
      clusters: [mainCluster],
    }
    await assert.rejects(startControlPlane({ ...options, port }), (error: MqError) => {
      assert.equal(error.code, 'MQ_PORT_IN_USE')
      assert.match(error.message, new RegExp(`port ${port} on 127\\.0\\.0\\.1`))
      return true
    })
    const plane = await startControlPlane({ ...options, port: 0 })
    assert.match(plane.url, /^http:\/\/127\.0\.0\.1:\d+$/)
    assert.equal((await fetch(`${plane.url}/v1/health`)).status, 200)
    await plane.close()
    await plane.close()
    await assert.rejects(fetch(`${plane.url}/v1/health`))
    assert.equal(kafka.open, 0)
  })
})
