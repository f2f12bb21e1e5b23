/**
 * Deleting an mQ ID: refused while it is used, kept for a grace time, brought back whole (P6).
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Deps, systemDeps } from '@mq/kafka'
import type { ClusterPositions } from '../src/lag/positions.ts'
import { FakeKafka } from './fake-kafka.ts'
import { assertProblem, type Harness, startHarness, temporaryFolder } from './harness.ts'

const TIMEOUT = { timeout: 300_000 }
const ID = 'orders.placed'
const GRACE_MS = 3_600_000

const noPositions = async (): Promise<ClusterPositions> => ({ groups: new Map(), logs: new Map(), problems: new Map() })

function movableTime(): { deps: Deps; advance(ms: number): void } {
  let aheadMs = 0
  return {
    deps: { ...systemDeps, clock: { ...systemDeps.clock, nowMs: () => systemDeps.clock.nowMs() + aheadMs } },
    advance: (ms) => {
      aheadMs += ms
    },
  }
}

async function declared(
  t: Parameters<typeof startHarness>[0],
  more: Parameters<typeof startHarness>[1] = {},
): Promise<Harness> {
  const plane = await startHarness(t, { deleteGraceMs: GRACE_MS, readPositions: noPositions, ...more })
  assert.equal((await plane.call('PUT', `/v1/ids/${ID}`, { intent: { latencyP99Ms: 30 } })).status, 200)
  return plane
}

test('an mQ ID in use is deleted only by force, and who uses it is named', TIMEOUT, async (t) => {
  const topic = `${ID}.e1`
  const readPositions = async (): Promise<ClusterPositions> => ({
    groups: new Map([
      [`billing@${ID}`, { members: 2, committed: new Map([[topic, new Map([[0, 1]])]]) }],
      [`audit@${ID}`, { members: 0, committed: new Map([[topic, new Map([[0, 1]])]]) }],
    ]),
    logs: new Map([[topic, new Map([[0, { start: 0, end: 1 }]])]]),
    problems: new Map(),
  })
  const plane = await declared(t, { readPositions })
  await plane.lagWatch.look()
  const sink = { writableLength: 0, write: () => true, end: () => {}, destroy: () => {} }
  const stop = plane.hub.listen(sink, [ID], [], undefined, 'checkout')
  const refused = await plane.call('DELETE', `/v1/ids/${ID}`)
  assertProblem(refused, 'MQ_ID_IN_USE')
  assert.deepEqual(refused.body.details.users, ['application checkout', 'group billing (2 members)'])
  assert.equal((await plane.call('GET', `/v1/ids/${ID}`)).status, 200)
  stop()
  assert.deepEqual((await plane.call('DELETE', `/v1/ids/${ID}`)).body.details.users, ['group billing (2 members)'])
  assert.equal((await plane.call('DELETE', `/v1/ids/${ID}?force=true`)).status, 200)
})

test(
  'a deleted mQ ID is kept and brought back whole, also by a control plane that was restarted',
  TIMEOUT,
  async (t) => {
    const dataDir = temporaryFolder(t)
    const kafka = new FakeKafka()
    const first = await declared(t, { dataDir, kafka })
    const before = (await first.call('GET', `/v1/ids/${ID}`)).body
    const binding = (await first.call('GET', `/v1/bindings/${ID}`)).body
    const gone = (await first.call('DELETE', `/v1/ids/${ID}`)).body
    assert.deepEqual(gone.topics, [`${ID}.e1`])
    assert.ok(gone.keptUntilMs > Date.now() + GRACE_MS / 2)
    await first.provisioner.resume()
    assert.ok(kafka.topics.has(`${ID}.e1`), 'its records are there')
    assertProblem(await first.call('GET', `/v1/ids/${ID}`), 'MQ_ID_DELETED')
    assert.equal((await first.call('GET', `/v1/bindings/${ID}`)).status, 410, 'clients are told at once')
    const again = await first.call('POST', '/v1/apply', { declarations: [{ id: ID, intent: {} }] })
    assert.equal(again.body.applied, false)
    assert.match(again.body.entries[0].refusal.message, /its records are kept until .*undelete/)
    assert.ok(kafka.topics.has(`${ID}.e1`), 'declaring it anew lets nothing go')
    assert.deepEqual(
      (await first.call('GET', '/v1/deleted-ids')).body.ids.map(({ id }: { id: string }) => id),
      [ID],
    )
    await first.close()
    const second = await startHarness(t, { dataDir, kafka, deleteGraceMs: GRACE_MS, readPositions: noPositions })
    await second.provisioner.resume()
    const back = await second.call('POST', `/v1/ids/${ID}/undelete`)
    assert.equal(back.status, 200, back.text)
    assert.deepEqual(back.body.epochs, before.epochs)
    assert.deepEqual(back.body.intent, before.intent)
    const rebound = (await second.call('GET', `/v1/bindings/${ID}`)).body
    assert.deepEqual(rebound.epochs, binding.epochs)
    assert.ok(rebound.revision > binding.revision)
    assertProblem(await second.call('POST', `/v1/ids/${ID}/undelete`), 'MQ_REQUEST_INVALID')
  },
)

test('after its time the records go, at once when asked, and then it can be declared anew', TIMEOUT, async (t) => {
  const time = movableTime()
  const plane = await declared(t, { deps: time.deps })
  await plane.call('DELETE', `/v1/ids/${ID}`)
  time.advance(GRACE_MS - 60_000)
  await plane.provisioner.resume()
  assert.ok(plane.kafka.topics.has(`${ID}.e1`))
  time.advance(120_000)
  await plane.provisioner.resume()
  assert.equal(plane.kafka.topics.has(`${ID}.e1`), false)
  assertProblem(await plane.call('POST', `/v1/ids/${ID}/undelete`), 'MQ_ID_DELETED')
  assert.equal((await plane.call('PUT', `/v1/ids/${ID}`, { intent: {} })).body.epoch, 2)
  await plane.call('DELETE', `/v1/ids/${ID}`)
  assert.equal((await plane.call('DELETE', `/v1/ids/${ID}?now=true`)).body.keptUntilMs, null)
  assert.equal(plane.kafka.topics.size, 0)
  assert.equal((await plane.call('PUT', `/v1/ids/${ID}`, { intent: {} })).body.epoch, 3)
})

test('what somebody else deleted meanwhile is not brought back as if it were there', TIMEOUT, async (t) => {
  const plane = await declared(t)
  await plane.call('DELETE', `/v1/ids/${ID}`)
  plane.kafka.topics.delete(`${ID}.e1`)
  assertProblem(await plane.call('POST', `/v1/ids/${ID}/undelete`), 'MQ_TOPIC_MISSING')
  assertProblem(await plane.call('GET', `/v1/ids/${ID}`), 'MQ_ID_DELETED')
})
