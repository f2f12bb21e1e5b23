/** Connections shared by purpose (connection-pool.ts). */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, type Socket } from 'node:net'
import { test } from 'node:test'
import type { MqError } from '@mq/contract'
import { systemDeps } from '@mq/contract/timing'
import { ConnectionPool } from '../src/net/connection-pool.ts'

const LIMIT_MS = 600_000

for (const how of ['close', 'leave'] as const) {
  test(`an attempt that a silent broker keeps under way ends with the pool (${how}, P4)`, {
    timeout: 300_000,
  }, async (t) => {
    const server = createServer(() => {})
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    t.after(() => server.close())
    const { port } = server.address() as { port: number }
    const limits = { connectTimeoutMs: LIMIT_MS, requestTimeoutMs: LIMIT_MS, maxResponseBytes: 1_024 }
    const security = { protocol: 'plaintext' as const }
    const pool = new ConnectionPool({ cluster: 'main', clientId: 'test', security, ...limits }, systemDeps)
    const taken = once(server, 'connection') as Promise<[Socket]>
    const attempt = pool.get({ host: '127.0.0.1', port }, 'produce')
    const outcome = attempt.catch((error: unknown) => error)
    const [socket] = await taken
    // The question for its API versions is under way.
    await once(socket, 'data')
    const ended = once(socket, 'close')
    if (how === 'close') pool.close()
    else pool.leave(() => {})
    assert.equal(((await outcome) as MqError).code, 'MQ_CLOSED')
    await ended
  })
}
