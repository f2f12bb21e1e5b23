/** `mq cluster` and what `mq doctor` says of clusters, before a control plane that answers what a test says. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type AddressInfo, createServer } from 'node:net'
import { test } from 'node:test'
import type { ClusterView } from '@mq/contract'
import { VERSION } from '../src/version.ts'
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
  advertised: [],
  economics: null,
  region: 'eu-west-1',
  zones: 3,
  labels: { tier: 'gold', env: 'prod' },
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

test('mq doctor and mq cluster list tell bootstrap addresses from those that brokers advertise', async (t) => {
  const listening = createServer((socket) => void socket.destroy()).listen(0, '127.0.0.1')
  t.after(() => listening.close())
  await once(listening, 'listening')
  const bootstrap = [`127.0.0.1:${(listening.address() as AddressInfo).port}`]
  const problem = 'MQ_KAFKA_ADVERTISED: broker 4 of cluster east advertises 127.0.0.1:1, and that cannot be reached'
  const advertised = [{ nodeId: 4, address: '127.0.0.1:1', problem }]
  const info = { version: VERSION, incarnation: 1, revision: 1, createOnFirstUse: false, connectedClients: 0 }
  const looks = async (cluster: ClusterView, ...argv: string[]) =>
    await withPlane(
      ({ path }) => ({ body: path === '/v1/clusters' ? { clusters: [cluster] } : info }),
      (url) => run([...argv, '--url', url]),
    )
  const lost: ClusterView = { ...east, bootstrap, advertised, status: 'unreachable', problem }
  assert.match((await looks(lost, 'cluster', 'list')).stdout, /broker 4 of cluster east advertises 127\.0\.0\.1:1/)
  const doctor = await looks(lost, 'doctor')
  assert.equal(doctor.code, 1)
  assert.match(
    doctor.stdout,
    /fail +Cluster east +.*broker 4 of cluster east advertises[\s\S]*-> Set advertised\.listeners/,
  )
  assert.match(
    doctor.stdout,
    /warn +Cluster east from here +bootstrap .* can be reached, .*127\.0\.0\.1:1 \(ECONNREFUSED\)/,
  )
  const fine = await looks(
    { ...east, bootstrap, advertised: [{ nodeId: 4, address: bootstrap[0]!, problem: null }] },
    'doctor',
  )
  assert.match(fine.stdout, /ok +Cluster east/)
  assert.doesNotMatch(fine.stdout, /from here/)
  const away = await looks({ ...east, bootstrap: ['127.0.0.1:1'] }, 'doctor')
  assert.match(away.stdout, /warn +Cluster east from here +no bootstrap address can be reached: 127\.0\.0\.1:1/)
})
