/**
 * A control plane that was replaced as the leader: it writes nothing, changes nothing in Kafka, stops what it does by itself, and goes on to
 * answer (store S7, controllers L1-L3).
 */
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { type Controller, Controllers } from '../src/controllers.ts'
import { silentLogger } from '../src/logger.ts'
import { Lease } from '../src/store/lease.ts'
import { SqliteEngine } from '../src/store/sqlite/engine.ts'
import { STORE_FILE } from '../src/store/store.ts'
import { type Harness, startHarness } from './harness.ts'

const TIMEOUT = { timeout: 300_000 }
const ID = 'orders.placed'

async function replaced(t: TestContext): Promise<Harness> {
  const plane = await startHarness(t)
  assert.equal((await plane.call('PUT', `/v1/ids/${ID}`, { intent: {} })).status, 200)
  const other = await SqliteEngine.open(join(plane.dataDir, STORE_FILE))
  await other.transaction((tx) => tx.lease.acquire('another process', 1))
  await other.close()
  return plane
}

function dump({ store }: Harness): Record<string, unknown[]> {
  const tables = store.sqlite.prepare("SELECT name FROM sqlite_master WHERE type = 'table'").all() as { name: string }[]
  return Object.fromEntries(tables.map(({ name }) => [name, store.sqlite.prepare(`SELECT * FROM "${name}"`).all()]))
}

test(
  'commands to a control plane that was replaced are refused and change nothing, in the store or in Kafka (S7)',
  TIMEOUT,
  async (t) => {
    const plane = await replaced(t)
    const [rows, topics] = [dump(plane), structuredClone([...plane.kafka.topics.keys()])]
    const binding = plane.registry.binding(ID)
    const commands: (readonly ['PUT' | 'POST' | 'DELETE', string, unknown?])[] = [
      ['PUT', '/v1/ids/orders.new', { intent: {} }],
      ['PUT', `/v1/ids/${ID}`, { intent: { priority: 'low' } }],
      ['DELETE', `/v1/ids/${ID}`],
      ['POST', '/v1/apply', { declarations: [{ id: 'orders.third', intent: {} }] }],
      ['PUT', '/v1/clusters/other', { bootstrap: ['127.0.0.1:9192'], securityProtocol: 'plaintext' }],
      ['PUT', '/v1/policies/global', { mode: 'observe' }],
      ['PUT', '/v1/budgets/team=shop', { usdPerMonth: 100 }],
      ['PUT', '/v1/autopilot', { on: false }],
      ['PUT', '/v1/owners', { rules: [{ topics: 'x.*', team: 'shop' }] }],
      ['POST', `/v1/ids/${ID}/migrations`, { partitions: 6 }],
    ]
    for (const [method, url, body] of commands) {
      const answer = await plane.call(method, url, body)
      const what = `${method} ${url}: ${answer.text}`
      if (url === '/v1/apply') assert.equal(answer.body.entries[0].refusal?.code, 'MQ_NOT_LEADER', what)
      else assert.deepEqual([answer.status, answer.body.code], [503, 'MQ_NOT_LEADER'], what)
      assert.deepEqual(dump(plane), rows, url)
      assert.deepEqual([...plane.kafka.topics.keys()], topics, url)
    }
    assert.deepEqual(plane.registry.binding(ID), binding)
    assert.equal((await plane.call('GET', `/v1/bindings/${ID}`)).status, 200, 'reading goes on')
    const ready = await plane.call('GET', '/v1/ready')
    assert.equal(ready.status, 503)
    assert.match(ready.body.checks.store, /MQ_NOT_LEADER/)
  },
)

test(
  'what a control plane does by itself stops with the first write that finds another term, and writes no more (L2)',
  TIMEOUT,
  async (t) => {
    const plane = await replaced(t)
    assert.equal(plane.controllers.isRunning, true)
    const rows = dump(plane)
    assert.equal((await plane.call('PUT', '/v1/autopilot', { on: false })).status, 503)
    assert.equal(plane.controllers.isRunning, false)
    await plane.controllers.stop()
    await plane.clusters.checkAll()
    await assert.rejects(plane.deciding.engine.turn(false, 'test'))
    await plane.close()
    const after = await SqliteEngine.open(join(plane.dataDir, STORE_FILE))
    const database = after.database
    assert.deepEqual(database.prepare('SELECT * FROM journal').all(), rows['journal'])
    assert.deepEqual(database.prepare('SELECT * FROM leases').all(), rows['leases'])
    await after.close()
  },
)

test('controllers start only under a lease, in the opposite order of their stops; a failing stop holds up no other (L1, L3)', async () => {
  const lease = new Lease(3)
  const log: string[] = []
  const one = (name: string, fails = false): Controller => ({
    name,
    start: () => void log.push(`start ${name}`),
    close: async () => {
      log.push(`stop ${name}`)
      if (fails) throw new Error('no')
    },
  })
  const controllers = new Controllers(lease, [one('a'), one('b', true), one('c')], silentLogger)
  controllers.start()
  controllers.start()
  assert.deepEqual(log, ['start c', 'start b', 'start a'])
  lease.lose()
  lease.lose()
  await controllers.stop()
  assert.deepEqual(log.slice(3), ['stop a', 'stop b', 'stop c'])
  controllers.start()
  const late = new Controllers(lease, [one('d')], silentLogger)
  late.start()
  assert.deepEqual([log.length, late.isRunning, controllers.isRunning], [6, false, false])
})
