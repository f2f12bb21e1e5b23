/**
 * Every route that changes something leaves an entry in the journal that names its request (journal/J1, J3), and what mQ does by itself
 * names none (request-scope/S1).
 */
import assert from 'node:assert/strict'
import { after, describe, test } from 'node:test'
import { type RouteName, type RouteShape, routes } from '@mq/contract'
import { backUp, restore } from './backups.ts'
import { mq } from './command.ts'
import { Fleet } from './fleet.ts'
import { type Answer, type Harness, startHarness, telemetryReport } from './harness.ts'
import { declare, GROUP, ID, makeWorld, over, start, until } from './migration-on-fakes.ts'

const TIMEOUT = { timeout: 300_000 }

/** Changes nothing that the journal is about, with the reason. */
const NONE: Partial<Record<RouteName, string>> = {
  telemetry: 'reports of what clients did',
  whatIf: 'a question',
}
const changing = (Object.entries(routes) as [RouteName, RouteShape][])
  .filter(([name, { method }]) => method !== 'GET' && NONE[name] === undefined)
  .map(([name]) => name)

interface Entry {
  readonly seq: number
  readonly kind: string
  readonly actor: string
  readonly requestId: string | null
}

const asked = new Set<RouteName>()
let requests = 0

async function journal(plane: Harness): Promise<Entry[]> {
  return (await plane.call('GET', '/v1/journal?limit=1000')).body.entries
}

/** @param query beyond the path */
async function ask(
  plane: Harness,
  name: RouteName,
  body?: unknown,
  parts: Record<string, string> = {},
): Promise<Answer> {
  const { method, path } = routes[name]
  const known = { id: ID, scope: 'global', group: 'billing', number: '1', ...parts }
  const url = Object.entries(known).reduce((text, [part, value]) => text.replace(`:${part}`, value), path as string)
  const requestId = `request-${++requests}-${name}`
  const [last] = await journal(plane)
  const answer = await plane.call(method, url, method === 'DELETE' ? undefined : (body ?? {}), {
    'x-request-id': requestId,
  })
  assert.equal(answer.status, 200, `${name}: ${answer.text}`)
  const added = (await journal(plane)).filter(({ seq }) => seq > (last?.seq ?? 0))
  const own = added.filter((entry) => entry.requestId === requestId)
  assert.ok(own.length > 0, `${name}: ${JSON.stringify(added)}`)
  for (const { actor } of own) assert.match(actor, /^local/, name)
  asked.add(name)
  return answer
}

describe('the journal names the request', () => {
  after(() => assert.deepEqual([...asked].sort(), changing.toSorted(), 'each route that changes something was asked'))

  test('of what is declared, deleted, registered and ruled', TIMEOUT, async (t) => {
    const plane = await startHarness(t, { deleteGraceMs: 3_600_000 })
    await ask(plane, 'putId', { intent: {} })
    await ask(plane, 'ensureSide', { role: 'dead-letters' })
    await ask(plane, 'noteDeadLetters', { action: 'discard', letters: 1, filter: 'all', by: 'ann', state: 'ended' })
    await ask(plane, 'deleteId')
    await ask(plane, 'undeleteId')
    await ask(plane, 'apply', { declarations: [{ id: 'orders.new' }] })
    await ask(plane, 'putCluster', { bootstrap: ['127.0.0.1:9093'] }, { name: 'second' })
    await ask(plane, 'deleteCluster', undefined, { name: 'second' })
    await ask(plane, 'putPolicy', { mode: 'approve', maxChangesPerDay: 1 })
    await ask(plane, 'putAutopilot', { on: false })
    await ask(plane, 'putBudget', { usdPerMonth: 5 })
    await ask(plane, 'deleteBudget')
    await ask(plane, 'putOwners', { rules: [{ team: 'checkout', topics: 'orders.*' }] })
    assert.match(await mq(t, plane, ['history', ID]), /^\S+ +create +orders\.placed +local +request-1-putId +\S/m)
  })

  test('of migrations; what they do by themselves later is not the request that began them', TIMEOUT, async (t) => {
    const world = makeWorld(t)
    const plane = await start(t, world, { sealMs: 60_000 })
    await declare(plane, world)
    for (const partition of [0, 1, 2, 3]) world.a.commit(`tail-1@${ID}`, `${ID}.e1`, partition, 1n)
    world.a.leadersPerProbe = 0
    await ask(plane, 'migrate', { to: 'b' })
    await until(plane, ['sealing'])
    await ask(plane, 'skipLostSource')
    await ask(plane, 'dropGroup', { group: 'tail-1', force: true })
    await ask(plane, 'cancelMigration')
    world.a.leadersPerProbe = 2
    await over(plane)
  })

  test('of drift that is put back or taken over, and of positions', TIMEOUT, async (t) => {
    const world = makeWorld(t)
    const plane = await start(t, world, {}, { driftEveryMs: 0, driftSettleMs: 0, changeTimes: { pollMs: 5 } })
    await declare(plane, world)
    const topic = world.a.topics.get(`${ID}.e1`)!
    const drift = async (): Promise<void> => {
      topic.configs = { ...topic.configs, 'retention.ms': '172800000' }
      await plane.drift.look()
    }
    await drift()
    const entries = await journal(plane)
    assert.deepEqual(
      entries.filter(({ kind }) => kind === 'drift').map(({ requestId }) => requestId),
      [null],
      'mQ saw it by itself',
    )
    await ask(plane, 'repairDrift')
    await drift()
    await ask(plane, 'acceptDrift')
    world.a.group(GROUP).members = 0
    await ask(plane, 'changeGroup', { group: 'billing', action: { kind: 'to-earliest' } })
  })

  test(
    'of decisions that a person lets go on and undoes, and of twins; not of what the loops propose',
    TIMEOUT,
    async (t) => {
      const fleet = new Fleet({ instances: 3 })
      const plane = await fleet.start(t, { newInstallationMode: 'approve' })
      await fleet.declareBadly()
      await fleet.run(120, async () => (await fleet.decisions()).length > 0)
      const [decision] = await fleet.decisions()
      assert.equal(decision?.state, 'waiting', JSON.stringify(fleet.engine.outlooks()))
      await ask(plane, 'approveDecision')
      await fleet.run(5)
      await ask(plane, 'undoDecision')
      const decided = (await journal(plane)).filter(({ kind }) => kind === 'decision')
      for (const { actor, requestId } of decided) assert.equal(requestId === null, actor !== 'local', actor)
      await ask(plane, 'startTwin', { top: 1, seconds: 1, rounds: 1 })
      await ask(plane, 'cancelTwin')
      assert.equal((await plane.call('GET', '/v1/twins/1')).body.state, 'cancelled')
    },
  )

  test('of what a person says after a restore', TIMEOUT, async (t) => {
    const world = makeWorld(t)
    const before = await start(t, world)
    await declare(before, world)
    const backup = backUp(t, before)
    assert.equal((await before.call('PUT', '/v1/ids/after.backup', { intent: {} })).status, 200)
    await before.close()
    for (const kafka of [world.a, world.b]) kafka.registryCopy.clear()
    world.a.topics.delete(`${ID}.e1`)
    restore(world, backup)
    const plane = await start(t, world)
    await plane.recovery.look()
    await ask(plane, 'settleId', { as: 'deleted' })
  })

  test('and reports change nothing it is about', TIMEOUT, async (t) => {
    const plane = await startHarness(t)
    const before = await journal(plane)
    assert.equal((await plane.call('POST', '/v1/telemetry', telemetryReport())).status, 200)
    assert.deepEqual(await journal(plane), before)
  })
})
