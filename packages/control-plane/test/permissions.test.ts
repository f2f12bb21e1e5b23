/** Who may do what: callers and their scopes (caller/L1, L2), permissions of routes (routes/H9, server/H8), request ids, tokens (guard/Z5). */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { isIdempotent, type Permission, permissions, type RouteName, type RouteShape, routes } from '@mq/contract'
import { TENANT } from '../src/app/caller.ts'
import type { TokenSource } from '../src/http/guard.ts'
import { createLogger } from '../src/logger.ts'
import { assertProblem, type Harness, startHarness, telemetryReport } from './harness.ts'

const TIMEOUT = { timeout: 300_000 }
const TOKEN = 'token-of-the-control-plane-01234'
const shapes = Object.entries(routes) as [RouteName, RouteShape][]
const named = shapes.filter(([, { permission }]) => permission !== 'none')

/** What would change something, were it allowed. */
const BODIES: Partial<Record<RouteName, unknown>> = {
  putCluster: { bootstrap: ['127.0.0.1:9093'] },
  putId: { intent: { latencyP99Ms: 500 } },
  apply: { declarations: [{ id: 'orders.new' }] },
  putAutopilot: { on: false },
  putPolicy: { mode: 'approve', maxChangesPerDay: 1 },
  putBudget: { usdPerMonth: 5 },
  putOwners: { rules: [] },
  migrate: { partitions: 12 },
  ensureSide: { role: 'dead-letters' },
  noteDeadLetters: { action: 'discard', letters: 1, filter: 'all', by: 'ann', state: 'ended' },
  telemetry: telemetryReport(),
}

function holder(principal: string, scopes: readonly Permission[]): TokenSource & { readonly headers: Headers } {
  const tokens = `token-of-${principal}-0123456789`
  const headers = { authorization: `Bearer ${tokens}` }
  return { tokens, headers, identity: { tenant: TENANT, principal, scopes: new Set(scopes) } }
}

type Headers = Record<string, string>

function ask(plane: Harness, name: RouteName, headers: Headers, body: unknown = BODIES[name] ?? {}) {
  const { method, path } = routes[name]
  const url = path
    .replace(':id', 'orders.placed')
    .replace(':name', 'main')
    .replace(':scope', 'global')
    .replace(':group', 'billing')
    .replace(':number', '1')
  return plane.call(method, url, method === 'GET' || method === 'DELETE' ? undefined : body, headers)
}

describe('permissions of routes', () => {
  test('what reads is a GET or changes nothing, what writes is neither', () => {
    assert.ok(shapes.length > 50)
    const writes = ({ permission }: RouteShape): boolean => permission.endsWith(':write')
    for (const [name, shape] of named) assert.equal(writes(shape), shape.method !== 'GET' && name !== 'whatIf', name)
    assert.deepEqual(
      shapes.flatMap(([name, { permission }]) => (permission === 'none' ? [name] : [])),
      ['health'],
    )
    const used = new Set(shapes.map(([, { permission }]) => permission))
    assert.deepEqual(
      permissions.filter((permission) => !used.has(permission)),
      ['metrics:read'],
    )
    assert.ok(isIdempotent(routes.whatIf))
  })

  test('a caller without the permission of a route is refused, and nothing changes (L2, H8)', TIMEOUT, async (t) => {
    const but = permissions.map((one) =>
      holder(
        `all-but-${one.replace(':', '-')}`,
        permissions.filter((other) => other !== one),
      ),
    )
    const plane = await startHarness(t, { token: TOKEN, identities: but, createOnFirstUse: true })
    const all = { authorization: `Bearer ${TOKEN}` }
    assert.equal((await plane.call('PUT', '/v1/ids/orders.placed', { intent: {} }, all)).status, 200)
    const state = async (): Promise<unknown> => [
      (await plane.call('GET', '/v1/journal?limit=1000', undefined, all)).body,
      plane.registry.all(),
      plane.store.revision,
      [...plane.kafka.topics.keys()],
      plane.traffic.lastMinute('orders.placed'),
    ]
    const before = await state()
    for (const [name, { permission }] of named) {
      const { headers, identity } = but[permissions.indexOf(permission as Permission)]!
      const problem = assertProblem(await ask(plane, name, headers), 'MQ_PERMISSION_MISSING')
      assert.deepEqual(problem.details, { principal: identity.principal, permission }, name)
      if (routes[name].method === 'GET' || routes[name].method === 'DELETE') continue
      // Refused for the caller, not for what it sent: nothing of that is read.
      assertProblem(await ask(plane, name, headers, '{"broken": '), 'MQ_PERMISSION_MISSING')
    }
    assertProblem(
      await plane.call('GET', '/metrics', undefined, but.at(permissions.indexOf('metrics:read'))!.headers),
      'MQ_PERMISSION_MISSING',
    )
    assert.deepEqual(await state(), before)
    // The same requests of a caller who may make them change something: what was refused was not broken otherwise.
    for (const name of [
      'putPolicy',
      'putBudget',
      'putId',
      'apply',
      'ensureSide',
      'noteDeadLetters',
      'putAutopilot',
    ] as const) {
      const answer = await ask(plane, name, all)
      assert.equal(answer.status, 200, `${name}: ${answer.text}`)
      assert.notDeepEqual(await state(), before, name)
    }
  })

  test('a caller with the permission of a route and no other is let in', TIMEOUT, async (t) => {
    const only = permissions.map((one) => holder(`only-${one.replace(':', '-')}`, [one]))
    const plane = await startHarness(t, { token: TOKEN, identities: only })
    for (const [name, { permission, isStream }] of named) {
      if (isStream === true) continue
      const { headers } = only[permissions.indexOf(permission as Permission)]!
      const { status, text } = await ask(plane, name, headers, '{"broken": ')
      assert.ok(status !== 401 && status !== 403, `${name}: ${status} ${text}`)
    }
    assert.equal((await plane.call('GET', '/v1/health')).status, 200, 'for everybody')
  })
})

describe('callers', () => {
  test('the actor of the journal is the principal, with whom it asks for', TIMEOUT, async (t) => {
    const ann = holder('ann', permissions)
    const plane = await startHarness(t, { token: TOKEN, identities: [ann], createOnFirstUse: true })
    const all = { authorization: `Bearer ${TOKEN}` }
    await plane.call('PUT', '/v1/ids/orders.placed', { intent: {} }, ann.headers)
    await plane.call('PUT', '/v1/policies/global', { mode: 'approve', maxChangesPerDay: 2 }, all)
    await plane.call('GET', '/v1/bindings/orders.paid?app=checkout', undefined, ann.headers)
    await ask(plane, 'noteDeadLetters', ann.headers)
    const { body } = await plane.call('GET', '/v1/journal', undefined, all)
    const entries = (body.entries as { kind: string; actor: string }[]).map(({ kind, actor }) => [kind, actor])
    assert.deepEqual(entries.slice(0, 4), [
      ['dead-letters-discard', 'ann (ann)'],
      ['create', 'ann (application checkout)'],
      ['policy', 'local'],
      ['create', 'ann'],
    ])
    assert.ok(!entries.some(([, actor]) => actor === 'api'))
  })

  test(
    'the token of monitoring opens metrics and nothing of the API, also where the API needs none (Z5)',
    TIMEOUT,
    async (t) => {
      const monitoring = { authorization: 'Bearer token-of-monitoring-0123456789' }
      const plane = await startHarness(t, { monitoringToken: () => ['token-of-monitoring-0123456789'] })
      assert.equal((await plane.call('GET', '/v1/ids')).status, 200)
      assertProblem(await plane.call('GET', '/v1/ids', undefined, monitoring), 'MQ_PERMISSION_MISSING')
      assert.equal((await plane.call('GET', '/v1/ids', undefined, { authorization: 'Bearer stale-token' })).status, 200)
      assert.equal((await plane.call('GET', '/metrics', undefined, monitoring)).status, 200)
      assertProblem(await plane.call('GET', '/metrics'), 'MQ_UNAUTHORIZED')
    },
  )
})

describe('request ids', () => {
  test('come back, stand in problems and in the log, and are made where none is usable', TIMEOUT, async (t) => {
    const lines: string[] = []
    const logger = createLogger('debug', { write: (line) => void lines.push(line) })
    const plane = await startHarness(t, { logger })
    const given = await plane.call('GET', '/v1/ids/orders.placed', undefined, { 'x-request-id': 'req-1.a:b' })
    assert.equal(assertProblem(given, 'MQ_ID_UNKNOWN').requestId, 'req-1.a:b')
    assert.equal(given.headers['x-request-id'], 'req-1.a:b')
    const records = lines.map((line) => JSON.parse(line) as Record<string, unknown>)
    const own = records.filter(({ requestId }) => requestId === 'req-1.a:b')
    assert.deepEqual(own.map(({ msg }) => msg).toSorted(), ['a request was refused', 'request'])
    assert.equal(own.find(({ msg }) => msg === 'request')?.principal, 'local')
    const ids = new Set<unknown>()
    for (const id of [undefined, '', 'a b', 'x'.repeat(101), '<script>']) {
      const headers: Headers = id === undefined ? {} : { 'x-request-id': id }
      const answer = await plane.call('GET', '/v1/info', undefined, headers)
      ids.add(answer.headers['x-request-id'])
      assert.match(String(answer.headers['x-request-id']), /^[\da-f-]{36}$/)
    }
    assert.equal(ids.size, 5)
  })
})
