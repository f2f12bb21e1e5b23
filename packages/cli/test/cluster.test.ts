/** `mq cluster set` before a control plane that answers what a test says. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { ClusterView } from '@mq/contract'
import { run, withPlane } from './harness.ts'

const east: ClusterView = {
  name: 'east',
  bootstrap: ['kafka1:9092'],
  securityProtocol: 'sasl-tls',
  saslMechanism: 'SCRAM-SHA-512',
  status: 'up',
  clusterId: 'abc',
  brokers: 3,
  checkedAtMs: 1,
  problem: null,
  economics: null,
}

async function set(...argv: string[]) {
  return await withPlane(
    ({ method }) => ({ body: method === 'GET' ? { clusters: [east] } : east }),
    async (url, seen) => {
      const ran = await run(['cluster', 'set', ...argv, '--url', url])
      return { ...ran, put: seen.find(({ method }) => method === 'PUT') }
    },
  )
}

test('mq cluster set changes what is named and leaves the rest as it is registered', async () => {
  const moved = await set('east', '--bootstrap', 'kafka7:9092,kafka8:9092')
  assert.equal(moved.code, 0, moved.stderr)
  assert.equal(moved.put?.path, '/v1/clusters/east')
  const sasl = { securityProtocol: 'sasl-tls', saslMechanism: 'SCRAM-SHA-512' }
  assert.deepEqual(moved.put?.body, { bootstrap: ['kafka7:9092', 'kafka8:9092'], ...sasl })
  const other = await set('east', '--sasl', 'PLAIN')
  assert.deepEqual(other.put?.body, { bootstrap: ['kafka1:9092'], ...sasl, saslMechanism: 'PLAIN' })
  const plain = await set('east', '--security', 'tls')
  assert.deepEqual(plain.put?.body, { bootstrap: ['kafka1:9092'], securityProtocol: 'tls' })
})

test('mq cluster set refuses a cluster nobody registered, and a change of nothing, before it changes anything', async () => {
  const unknown = await set('west', '--bootstrap', 'kafka7:9092')
  assert.match(unknown.stderr, /MQ_CLUSTER_UNKNOWN/)
  const nothing = await set('east')
  assert.match(nothing.stderr, /MQ_OPTION_INVALID.*--bootstrap/s)
  assert.deepEqual([unknown.put, nothing.put], [undefined, undefined])
})
