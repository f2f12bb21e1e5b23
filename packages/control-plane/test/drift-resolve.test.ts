/** What somebody changed is taken over or put back, or refused with the reason (resolve-rules A1-A3, resolver R1-R3). */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { assertProblem, type Harness } from './harness.ts'
import { declare, ID, makeWorld, start, TIMEOUT, type World } from './migration-on-fakes.ts'

const TOPIC = `${ID}.e1`
const HOUR_MS = 3_600_000

async function drifted(t: Parameters<typeof makeWorld>[0], change: (world: World) => void, intent?: object) {
  const world = makeWorld(t)
  const plane = await start(t, world, {}, { driftEveryMs: 0, driftSettleMs: 0 })
  await declare(plane, world)
  if (intent !== undefined) await plane.call('PUT', `/v1/ids/${ID}`, { intent })
  change(world)
  await plane.drift.look()
  const resolve = (action: 'accept' | 'repair', body: object = {}) =>
    plane.call('POST', `/v1/ids/${ID}/drift/${action}`, body)
  return { world, plane, resolve }
}

const setting = (name: string, value: string) => (world: World) => {
  const topic = world.a.topics.get(TOPIC)!
  topic.configs = { ...topic.configs, [name]: value }
}
const settingOf = (world: World, name: string) => world.a.topics.get(TOPIC)?.configs[name]
const count = (plane: Harness): number => plane.drift.counts.alarms + plane.drift.counts.others
const kinds = async (plane: Harness): Promise<string[]> =>
  (await plane.call('GET', `/v1/journal?subject=${ID}`)).body.entries.map(({ kind }: { kind: string }) => kind)

test(
  'a plan changes nothing; a repair puts every setting back, is journalled, and the alarm ends',
  TIMEOUT,
  async (t) => {
    const { world, plane, resolve } = await drifted(t, (w) => {
      setting('retention.ms', String(HOUR_MS))(w)
      setting('min.insync.replicas', '1')(w)
      setting('unclean.leader.election.enable', 'true')(w)
    })
    assert.deepEqual(plane.drift.counts, { alarms: 3, others: 0 })
    const listed = (await plane.call('GET', '/v1/drift')).body.topics
    assert.deepEqual(
      listed.map(({ mqId, role, cluster, topic }: Record<string, unknown>) => [mqId, role, cluster, topic]),
      [[ID, 'open', 'a', TOPIC]],
    )
    const plan = (await resolve('repair', { plan: true })).body
    assert.deepEqual([plan.done, plan.steps.length, settingOf(world, 'retention.ms')], [false, 3, String(HOUR_MS)])
    const one = await resolve('repair', { only: ['min.insync.replicas'] })
    assert.equal(one.status, 200, one.text)
    assert.deepEqual([settingOf(world, 'min.insync.replicas'), count(plane)], ['2', 2], 'only what was named')
    const done = (await resolve('repair')).body
    assert.equal(done.done, true)
    assert.equal(settingOf(world, 'unclean.leader.election.enable'), 'false')
    assert.equal(settingOf(world, 'retention.ms'), String(168 * HOUR_MS))
    assert.equal(count(plane), 0)
    assert.deepEqual((await resolve('repair')).body.steps, [], 'nothing is left to do')
    assert.equal((await kinds(plane)).filter((kind) => kind === 'drift-repaired').length, 2)
  },
)

test('an accepted retention becomes the intent, with the settings that follow from it', TIMEOUT, async (t) => {
  const { world, plane, resolve } = await drifted(t, setting('retention.ms', String(48 * HOUR_MS)))
  const plan = (await resolve('accept', { plan: true })).body
  assert.deepEqual([plan.steps[0].possible, plan.steps[0].deletes], [true, true], plan.steps[0].effect)
  assert.match(plan.steps[0].effect, /retention: 2d \(was 7d\).*older records are deleted.*next mq apply/)
  const done = await resolve('accept')
  assert.equal(done.status, 200, done.text)
  const { body } = await plane.call('GET', `/v1/ids/${ID}`)
  assert.deepEqual(body.intent.retention, { policy: 'time', durationMs: 48 * HOUR_MS })
  assert.equal(settingOf(world, 'segment.ms'), String(12 * HOUR_MS))
  assert.equal(count(plane), 0)
  assert.deepEqual((await kinds(plane)).slice(0, 3).toSorted(), ['change', 'drift', 'drift-accepted'])
  const again = await plane.call('PUT', `/v1/ids/${ID}`, { intent: { retention: '2d' } })
  assert.equal(again.body.revision, body.revision, 'declaring what is true now changes nothing')
})

test(
  'an accepted forever, a larger limit, a larger ISR and other copies are wanted from then on',
  TIMEOUT,
  async (t) => {
    for (const [change, holds] of [
      [
        setting('retention.ms', '-1'),
        async (plane: Harness) => (await detail(plane)).intent.retention.policy === 'forever',
      ],
      [setting('max.message.bytes', '9000000'), async () => true],
      [setting('min.insync.replicas', '3'), async (plane: Harness) => (await detail(plane)).minInsyncReplicas === 3],
      [(w: World) => w.a.reassign(TOPIC, 2), async (plane: Harness) => (await detail(plane)).replication === 2],
    ] as const) {
      const { world, plane, resolve } = await drifted(t, change)
      const before = world.a.topics.get(TOPIC)!.configs['max.message.bytes']
      const done = await resolve('accept')
      assert.equal(done.status, 200, done.text)
      assert.ok(await holds(plane), done.text)
      assert.equal(count(plane), 0)
      const changed = await plane.call('PUT', `/v1/ids/${ID}`, {
        intent: { ...(await detail(plane)).intent, owner: { team: 'shop' } },
      })
      assert.equal(changed.status, 200, changed.text)
      await plane.drift.look()
      assert.equal(count(plane), 0, 'another change of the intent does not bring it back')
      assert.equal(world.a.topics.get(TOPIC)!.configs['max.message.bytes'], before)
      await plane.close()
    }
  },
)

const detail = async (plane: Harness) => (await plane.call('GET', `/v1/ids/${ID}`)).body

test(
  'what an intent could not stand for is not accepted, and nothing of the rest is done (A1, R2)',
  TIMEOUT,
  async (t) => {
    const refusals: readonly [(world: World) => void, RegExp, object?][] = [
      [setting('min.insync.replicas', '1'), /fewer disks/],
      [setting('min.insync.replicas', '4'), /no send would succeed/],
      [setting('unclean.leader.election.enable', 'true'), /they are lost/],
      [setting('cleanup.policy', 'compact'), /another rule/],
      [setting('retention.bytes', '1000'), /before the time/],
      [setting('retention.ms', '1000'), /1h at least/],
      [setting('max.message.bytes', '2000'), /smaller maxMessageBytes/],
      [setting('compression.type', 'zstd'), /compress every batch anew/],
      [setting('message.timestamp.type', 'LogAppendTime'), /time that the application gave/],
      [setting('segment.ms', '1000'), /retention of the intent/],
      [(w) => w.a.addPartitions(TOPIC, 6), /mq migrate orders.placed --partitions 6/],
      [(w) => void w.a.topics.delete(TOPIC), /mq drift repair orders.placed/],
      [(w) => w.a.reassign(TOPIC, 1), /sends wait for 2 copies/],
      [(w) => w.a.reassign(TOPIC, 2), /asks for 3 copies at least/, { minCopies: 3 }],
    ]
    for (const [change, reason, intent] of refusals) {
      const { world, plane, resolve } = await drifted(
        t,
        (w) => {
          setting('delete.retention.ms', '5')(w)
          change(w)
        },
        intent,
      )
      const before = structuredClone(world.a.topics.get(TOPIC)?.configs)
      const problem = assertProblem(await resolve('accept'), 'MQ_DRIFT_REFUSED')
      assert.match(problem.message, reason)
      assert.deepEqual(world.a.topics.get(TOPIC)?.configs, before)
      assert.ok(count(plane) > 0)
      assert.ok(!(await kinds(plane)).includes('drift-accepted'))
      await plane.close()
    }
  },
)

test('what Kafka cannot put back is refused with what does it instead (A2)', TIMEOUT, async (t) => {
  for (const [change, reason] of [
    [(w: World) => w.a.addPartitions(TOPIC, 6), /cannot take partitions away; mq migrate orders.placed --partitions 4/],
    [(w: World) => w.a.reassign(TOPIC, 1), /mq migrate orders.placed --replication 3/],
    [(w: World) => w.a.recreate(TOPIC, 4), /mq drift accept orders.placed --kind topic-recreated/],
  ] as const) {
    const { plane, resolve } = await drifted(t, change)
    assert.match(assertProblem(await resolve('repair'), 'MQ_DRIFT_REFUSED').message, reason)
    await plane.close()
  }
})

test('added partitions are left by a migration to the count that mQ made', TIMEOUT, async (t) => {
  const { plane } = await drifted(t, (w) => w.a.addPartitions(TOPIC, 6))
  const same = await plane.call('POST', `/v1/ids/${ID}/migrations`, { partitions: 4, plan: true })
  assert.deepEqual([same.body.plan.refusal, same.body.plan.to.partitions], [null, 4])
})

test(
  'a deleted topic is made again; one that was created anew is taken over before anything of it is changed (A3)',
  TIMEOUT,
  async (t) => {
    const gone = await drifted(t, (w) => void w.a.topics.delete(TOPIC))
    const plan = (await gone.resolve('repair', { plan: true })).body
    assert.match(plan.steps[0].effect, /what it held is lost/)
    assert.equal((await gone.resolve('repair')).status, 200)
    const topic = gone.world.a.topics.get(TOPIC)!
    assert.deepEqual(
      [topic.partitions, topic.replication, topic.configs['retention.ms']],
      [4, 3, String(168 * HOUR_MS)],
    )
    assert.equal(count(gone.plane), 0)
    assert.equal(gone.plane.registry.get(ID)?.epochs[0]?.topicId, topic.id)
    await gone.plane.close()

    const other = await drifted(t, (w) => {
      w.a.recreate(TOPIC, 4)
      setting('retention.ms', '5000000')(w)
    })
    const early = assertProblem(await other.resolve('repair', { only: ['retention.ms'] }), 'MQ_DRIFT_REFUSED')
    assert.match(early.message, /not the one that mQ made/)
    other.world.a.commit('foreign', TOPIC, 0, 9n)
    const ahead = assertProblem(await other.resolve('accept', { only: ['topic-recreated'] }), 'MQ_DRIFT_REFUSED')
    assert.match(ahead.message, /positions of foreign are from the old topic.*mq group drop/)
    other.world.a.groups.delete('foreign')
    assert.equal((await other.resolve('accept', { only: ['topic-recreated'] })).status, 200)
    assert.equal((await other.resolve('repair')).status, 200)
    assert.equal(count(other.plane), 0)
  },
)

test('names that are not known, IDs that move and bodies that are misspelt are refused', TIMEOUT, async (t) => {
  const { world, plane, resolve } = await drifted(t, setting('retention.ms', '1000'))
  const unknown = assertProblem(await resolve('repair', { only: ['retension.ms'] }), 'MQ_OPTION_INVALID')
  assert.match(unknown.message, /did you mean 'retention.ms'/)
  assertProblem(await resolve('repair', { onyl: [] }), 'MQ_REQUEST_INVALID')
  assertProblem(await plane.call('POST', '/v1/ids/nobody/drift/repair', {}), 'MQ_ID_UNKNOWN')
  world.a.before = (call) => (call === 'canary' ? new Promise(() => {}) : undefined)
  world.b.before = world.a.before
  await plane.call('POST', `/v1/ids/${ID}/migrations`, { to: 'b' })
  assertProblem(await resolve('repair'), 'MQ_MIGRATION_RUNNING')
})
