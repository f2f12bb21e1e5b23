import assert from 'node:assert/strict'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { describe, it } from 'node:test'
import { isIdempotent, MqError, type MqErrorCode, type RouteName, type RouteShape, routes } from '@mq/contract'
import { systemDeps } from '@mq/contract/timing'
import { ApiClient, type ApiClientOptions, pathOf } from '../src/index.ts'

const INFO = { version: '1', incarnation: 1, revision: 1, createOnFirstUse: true, connectedClients: 0 }
/** Pauses between retries are short: the least that chance gives. */
const deps = { ...systemDeps, random: () => 0 }

type Answer = (request: IncomingMessage, response: ServerResponse, attempt: number) => void

async function withServer(
  answer: Answer,
  work: (client: ApiClient, seen: readonly IncomingMessage[]) => Promise<void>,
  options: Partial<ApiClientOptions> = {},
): Promise<void> {
  const seen: IncomingMessage[] = []
  const server = createServer((request, response) => {
    seen.push(request)
    request.resume()
    answer(request, response, seen.length)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  try {
    await work(new ApiClient({ url, deps, ...options }), seen)
  } finally {
    server.closeAllConnections()
    await new Promise((resolve) => server.close(resolve))
  }
}

function json(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body))
}

function hasCode(code: MqErrorCode, text?: RegExp): (error: unknown) => boolean {
  return (error) => {
    assert.ok(error instanceof MqError, String(error))
    assert.equal(error.code, code, error.message)
    if (text !== undefined) assert.match(error.message, text)
    return true
  }
}

describe('ApiClient', { timeout: 300_000 }, () => {
  it('sends the token in its header and the same request id with every retry (A3, A5)', async () => {
    await withServer(
      (_, response, attempt) => (attempt < 3 ? response.writeHead(503).end('<html>') : json(response, 200, INFO)),
      async (client, seen) => {
        assert.deepEqual(await client.call('info', {}), INFO)
        assert.equal(seen.length, 3)
        assert.equal(new Set(seen.map(({ headers }) => headers['x-request-id'])).size, 1)
        assert.ok(seen.every(({ headers }) => headers.authorization === 'Bearer secret-token'))
        assert.ok(seen.every(({ url }) => !url!.includes('secret')))
      },
      { token: 'secret-token', deps: systemDeps },
    )
  })

  it('sends a call again only where its route is idempotent (A4)', async () => {
    const cut: Answer = (request) => void request.socket.destroy()
    await withServer(cut, async (client, seen) => {
      await assert.rejects(client.call('listIds', {}), hasCode('MQ_CONTROL_PLANE_AWAY', /GET \/v1\/ids/))
      assert.equal(seen.length, 3)
      await assert.rejects(client.call('putAutopilot', { body: { on: true } }), hasCode('MQ_CONTROL_PLANE_AWAY'))
      assert.equal(seen.length, 6)
      await assert.rejects(client.call('cancelMigration', { params: { number: 1 } }), hasCode('MQ_CONTROL_PLANE_AWAY'))
      await assert.rejects(client.call('deleteCluster', { params: { name: 'main' } }), hasCode('MQ_CONTROL_PLANE_AWAY'))
      assert.equal(seen.length, 8, 'a POST and a DELETE are sent once')
    })
    await withServer(
      cut,
      async (client, seen) => {
        await assert.rejects(client.call('listIds', {}), hasCode('MQ_CONTROL_PLANE_AWAY'))
        assert.equal(seen.length, 1, 'a caller with its own retries is not retried for')
      },
      { retries: 0 },
    )
  })

  it('does not send again what mQ refused, though the code is retryable', async () => {
    await withServer(
      (_, response) => json(response, 503, new MqError('MQ_KAFKA_UNREACHABLE', 'main does not answer').toJSON()),
      async (client, seen) => {
        await assert.rejects(client.call('listIds', {}), hasCode('MQ_KAFKA_UNREACHABLE', /^main does not answer$/))
        assert.equal(seen.length, 1)
      },
    )
  })

  it('ends within its deadline, retries and pauses included (A1)', async () => {
    await withServer(
      () => {},
      async (client) => {
        await assert.rejects(
          client.call('info', {}, { deadlineMs: 50 }),
          hasCode('MQ_CONTROL_PLANE_AWAY', /did not answer GET \/v1\/info within 50 ms/),
        )
      },
    )
    await withServer(
      (_, response) => void response.writeHead(502).end(),
      async (client) => {
        await assert.rejects(client.call('info', {}, { deadlineMs: 300 }), hasCode('MQ_CONTROL_PLANE_AWAY'))
      },
      { retries: 1_000 },
    )
  })

  it('reads a body up to its limit (A1)', async () => {
    await withServer(
      (_, response) => json(response, 200, { ...INFO, version: 'x'.repeat(10_000) }),
      (client) => assert.rejects(client.call('info', {}), hasCode('MQ_RESPONSE_INVALID', /over 5000 bytes/)),
      { maxAnswerBytes: 5_000 },
    )
  })

  const FOREIGN: Readonly<Record<string, readonly [Answer, MqErrorCode, RegExp]>> = {
    'a page': [(_, response) => void response.end('<html>'), 'MQ_RESPONSE_INVALID', /not JSON/],
    'another API': [
      (_, response) => json(response, 200, { hello: 1 }),
      'MQ_RESPONSE_INVALID',
      /something else than mQ/,
    ],
    'a page that is not found': [
      (_, response) => void response.writeHead(404).end('<html>'),
      'MQ_RESPONSE_INVALID',
      /status 404/,
    ],
    'a redirect': [
      (_, response) => void response.writeHead(302, { location: 'https://login.example' }).end(),
      'MQ_RESPONSE_INVALID',
      /redirects to another address/,
    ],
    'a proxy that asks for a login': [(_, response) => void response.writeHead(401).end(), 'MQ_UNAUTHORIZED', /401/],
    'a code of a later version': [
      (_, response) => json(response, 418, { code: 'MQ_LATER', message: 'm', action: 'a', retryable: false }),
      'MQ_RESPONSE_INVALID',
      /status 418/,
    ],
  }
  for (const [what, [answer, code, text]] of Object.entries(FOREIGN)) {
    it(`tells ${what} from mQ (A2)`, () =>
      withServer(answer, (client) => assert.rejects(client.call('info', {}), hasCode(code, text))))
  }

  it('says that nothing listens, and where the address came from', async () => {
    let url = ''
    await withServer(
      () => {},
      async (client) => {
        url = client.url
      },
    )
    const client = new ApiClient({ url, source: 'MQ_URL' })
    await assert.rejects(
      client.call('info', {}),
      hasCode('MQ_CONTROL_PLANE_AWAY', /^No control plane at .* \(MQ_URL\): nothing listens there$/),
    )
  })

  it('takes an answer of another status that the route names, and 304 only where it was asked for', async () => {
    await withServer(
      (request, response) =>
        request.url === '/v1/ready'
          ? json(response, 503, { status: 'not-ready', checks: {} })
          : void response.writeHead(304).end(),
      async (client) => {
        assert.equal((await client.call('ready', {})).status, 'not-ready')
        const request = { params: { id: 'orders.placed' } }
        assert.equal((await client.send('getBinding', request, { ifNoneMatch: '"1.1"' })).status, 304)
        await assert.rejects(client.send('getBinding', request), hasCode('MQ_RESPONSE_INVALID', /status 304/))
      },
    )
  })

  it('ends with the signal of its caller', async () => {
    await withServer(
      () => {},
      async (client) => {
        const gone = new AbortController()
        const call = client.call('info', {}, { signal: gone.signal })
        gone.abort()
        await assert.rejects(call, hasCode('MQ_CONTROL_PLANE_AWAY'))
      },
    )
  })
})

describe('lists', { timeout: 300_000 }, () => {
  const rule = (scope: string) => ({ scope, mode: null, maxChangesPerDay: null, autoKnobs: null })

  it('are followed page by page, with the filters of the first', async () => {
    const pages: Readonly<Record<string, readonly [string[], string | null]>> = {
      '': [['team=a', 'team=b'], 'p2'],
      p2: [[], 'p3'],
      p3: [['team=c'], null],
    }
    await withServer(
      (request, response) => {
        const query = new URL(request.url!, 'http://x').searchParams
        assert.equal(query.get('id'), 'orders.placed')
        const [scopes, nextCursor] = pages[query.get('cursor') ?? '']!
        json(response, 200, { rules: scopes.map(rule), effective: null, nextCursor })
      },
      async (client, seen) => {
        const { rules, ...rest } = await client.all('listPolicies', { query: { id: 'orders.placed' } })
        assert.deepEqual(
          rules.map(({ scope }) => scope),
          ['team=a', 'team=b', 'team=c'],
        )
        assert.deepEqual(rest, { effective: null })
        assert.equal(seen.length, 3)
      },
    )
  })

  it('end where a server names the same cursor again', async () => {
    await withServer(
      (_, response) => json(response, 200, { rules: [rule('team=a')], effective: null, nextCursor: 'p2' }),
      (client) => assert.rejects(client.all('listPolicies', {}), hasCode('MQ_RESPONSE_INVALID', /same cursor/)),
    )
  })

  it('of a control plane that knows no pages are whole', async () => {
    await withServer(
      (_, response) => json(response, 200, { rules: [rule('team=a')], effective: null }),
      async (client, seen) => {
        assert.equal((await client.all('listPolicies', {})).rules.length, 1)
        assert.equal(seen.length, 1)
      },
    )
  })
})

describe('paths', () => {
  it('escape what they are given and leave out what is undefined (Q1)', () => {
    assert.equal(pathOf('putPolicy', { params: { scope: 'team=a/b' }, body: {} as never }), '/v1/policies/team%3Da%2Fb')
    assert.equal(pathOf('listMigrations', { query: { id: undefined, limit: 5 } }), '/v1/migrations?limit=5')
    assert.equal(pathOf('listJournal', { query: { subject: 'a&b=c' } }), '/v1/journal?subject=a%26b%3Dc')
  })

  it('have every parameter that the route of the table names', () => {
    for (const [name, shape] of Object.entries(routes) as [RouteName, RouteShape][]) {
      const names = [...shape.path.matchAll(/:(\w+)/g)].map((match) => match[1]!)
      const params = Object.fromEntries(names.map((one) => [one, `x-${one}`]))
      const path = pathOf(name, { params } as never)
      for (const one of names) assert.ok(path.includes(`x-${one}`), `${name}: ${path}`)
      assert.ok(!path.includes(':'), `${name}: ${path}`)
    }
  })
})

describe('idempotence', () => {
  it('is of GET and PUT, and of a POST that says so', () => {
    const posts = Object.entries(routes).flatMap(([name, shape]: [string, RouteShape]) =>
      shape.method === 'POST' && isIdempotent(shape) ? [name] : [],
    )
    assert.deepEqual(posts.toSorted(), ['ensureSide', 'whatIf'])
    assert.equal(isIdempotent(routes.deleteCluster), false)
  })
})
