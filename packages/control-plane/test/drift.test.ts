/**
 * What somebody else changes about topics is seen within a look, said and journalled once; normal work is no drift
 * (drift-watch W1-W4, topic-drift F1-F2).
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { MqError } from '@mq/contract'
import { CHECK_EVERY_MS } from '../src/provision/clusters.ts'
import { backUp, generator, restore } from './backups.ts'
import { type Harness, movableClock } from './harness.ts'
import {
  declare,
  ID,
  makeWorld,
  over,
  readToEnd,
  start,
  TIMEOUT,
  until as untilState,
  type World,
} from './migration-on-fakes.ts'

const TOPIC = `${ID}.e1`
const LOOKS = { checkEveryMs: 10, driftEveryMs: 0, driftSettleMs: 0 }

interface Seen {
  readonly kind: string
  readonly setting: string | null
  readonly alarm: boolean
}

async function driftOf(plane: Harness): Promise<Seen[]> {
  const { body } = await plane.call('GET', `/v1/ids/${ID}`)
  return body.drift.map(({ kind, setting, alarm }: Seen) => ({ kind, setting, alarm }))
}

async function until(plane: Harness, holds: (seen: Seen[]) => boolean): Promise<Seen[]> {
  const deadline = performance.now() + 120_000
  for (;;) {
    const seen = await driftOf(plane)
    if (holds(seen)) return seen
    assert.ok(performance.now() < deadline, JSON.stringify(seen))
    await new Promise((done) => setTimeout(done, 5))
  }
}

const journal = async (plane: Harness): Promise<{ kind: string; why: string }[]> =>
  (await plane.call('GET', `/v1/journal?subject=${ID}`)).body.entries.filter(
    ({ kind }: { kind: string }) => kind === 'drift',
  )

/** Looks that were made and finished. */
async function looks(world: World, times = 4): Promise<void> {
  // Each round asks the clusters first, and looks for drift after that.
  const count = (): number => world.a.calls.filter((name) => name === 'describe').length
  const until = count() + times
  const deadline = performance.now() + 120_000
  while (count() < until) {
    assert.ok(performance.now() < deadline, 'no look')
    await new Promise((done) => setTimeout(done, 2))
  }
}

const setting = (name: string, value: string) => (world: World) => {
  const topic = world.a.topics.get(TOPIC)!
  topic.configs = { ...topic.configs, [name]: value }
}

const kinds: readonly [what: string, change: (world: World) => void, seen: Seen][] = [
  [
    'retention shortened',
    setting('retention.ms', '3600000'),
    { kind: 'setting', setting: 'retention.ms', alarm: true },
  ],
  ['retention lengthened', setting('retention.ms', '-1'), { kind: 'setting', setting: 'retention.ms', alarm: false }],
  [
    'min ISR lowered',
    setting('min.insync.replicas', '1'),
    { kind: 'setting', setting: 'min.insync.replicas', alarm: true },
  ],
  [
    'unclean election on',
    setting('unclean.leader.election.enable', 'true'),
    { kind: 'setting', setting: 'unclean.leader.election.enable', alarm: true },
  ],
  [
    'limit lowered',
    setting('max.message.bytes', '1000'),
    { kind: 'setting', setting: 'max.message.bytes', alarm: true },
  ],
  [
    'limit raised',
    setting('max.message.bytes', '9000000'),
    { kind: 'setting', setting: 'max.message.bytes', alarm: false },
  ],
  ['compaction on', setting('cleanup.policy', 'compact'), { kind: 'setting', setting: 'cleanup.policy', alarm: true }],
  [
    'partitions added',
    (world) => world.a.addPartitions(TOPIC, 6),
    { kind: 'partitions-added', setting: null, alarm: true },
  ],
  ['copies lowered', (world) => world.a.reassign(TOPIC, 1), { kind: 'copies-missing', setting: null, alarm: true }],
  [
    'topic deleted',
    (world) => void world.a.topics.delete(TOPIC),
    { kind: 'topic-missing', setting: null, alarm: true },
  ],
  [
    'topic created anew',
    (world) => {
      const { configs } = world.a.topics.get(TOPIC)!
      world.a.recreate(TOPIC, 4)
      world.a.topics.get(TOPIC)!.configs = configs
    },
    { kind: 'topic-recreated', setting: null, alarm: true },
  ],
]

test('eleven kinds of drift are seen, and said in journal, list and metrics', TIMEOUT, async (t) => {
  for (const [what, change, expected] of kinds) {
    const world = makeWorld(t)
    const plane = await start(t, world, {}, LOOKS)
    await declare(plane, world)
    await looks(world)
    assert.deepEqual(await driftOf(plane), [], `${what}: nothing is changed yet`)
    change(world)
    assert.deepEqual(await until(plane, (seen) => seen.length > 0), [expected], what)
    await looks(world)
    assert.equal((await journal(plane)).length, 1, `${what}: once`)
    const { warnings } = (await plane.call('GET', '/v1/ids')).body
    assert.equal(
      warnings.some((text: string) => text.includes(TOPIC)),
      expected.alarm,
      what,
    )
    assert.match(
      (await plane.call('GET', '/metrics')).text,
      new RegExp(`mq_topic_drift{alarm="${expected.alarm ? 'yes' : 'no'}"} 1`),
    )
    await plane.close()
  }
})

test('at the pace of production each of the eleven kinds is seen within a minute', TIMEOUT, async (t) => {
  const longestRoundMs = 1.1 * CHECK_EVERY_MS
  const afterMs: Record<string, number> = {}
  for (const [what, change, expected] of kinds) {
    const world = makeWorld(t)
    const deps = movableClock()
    // Rounds of the control plane, without its timers: only the clock decides when one looks.
    const plane = await start(t, world, {}, { deps, checkEveryMs: 3_600_000 })
    await declare(plane, world)
    const rounds = async (ms: number, isOver: () => boolean): Promise<number> => {
      let spentMs = 0
      for (; spentMs < ms && !isOver(); spentMs += longestRoundMs) {
        deps.advance(longestRoundMs)
        await plane.clusters.checkAll()
        await plane.drift.look()
      }
      return spentMs
    }
    await rounds(120_000, () => false)
    assert.deepEqual(await driftOf(plane), [], `${what}: nothing is changed yet`)
    change(world)
    afterMs[what] = await rounds(60_000, () => plane.drift.of(ID).length > 0)
    assert.deepEqual(await driftOf(plane), [expected], what)
    await plane.close()
  }
  const longestMs = Math.max(...Object.values(afterMs))
  t.diagnostic(`${kinds.length} of ${kinds.length} kinds of drift seen, the latest after ${longestMs / 1_000} s`)
  assert.ok(longestMs <= 60_000, JSON.stringify(afterMs))
})

test('what is put back is no drift any more, and a cluster that is away says nothing new', TIMEOUT, async (t) => {
  const world = makeWorld(t)
  const plane = await start(t, world, {}, LOOKS)
  await declare(plane, world)
  const { configs } = world.a.topics.get(TOPIC)!
  setting('retention.ms', '1000')(world)
  await until(plane, (seen) => seen.length === 1)
  world.a.away = new MqError('MQ_KAFKA_UNREACHABLE', 'away')
  await looks(world)
  assert.equal((await driftOf(plane)).length, 1)
  world.a.away = undefined
  world.a.topics.get(TOPIC)!.configs = configs
  await until(plane, (seen) => seen.length === 0)
  assert.match((await journal(plane))[0]?.why ?? '', /^no more: retention.ms/)
})

test('migrations, changed intents and deletions are no drift', TIMEOUT, async (t) => {
  const world = makeWorld(t)
  const plane = await start(t, world, {}, LOOKS)
  await declare(plane, world)
  await plane.call('POST', `/v1/ids/${ID}/migrations`, { to: 'b' })
  await looks(world)
  readToEnd(world.a, TOPIC)
  await over(plane)
  for (const days of [3, 5, 9]) {
    const intent = { retention: { policy: 'time', durationMs: days * 86_400_000 } }
    const changed = await plane.call('PUT', `/v1/ids/${ID}`, { intent })
    assert.equal(changed.status, 200, changed.text)
  }
  await looks(world)
  assert.ok(world.b.calls.includes('topicSettings'), 'the new place is looked at, too')
  assert.deepEqual(await driftOf(plane), [])
  assert.deepEqual(await journal(plane), [])
})

test('the target of a migration is compared, too, and what the seal changes is no drift', TIMEOUT, async (t) => {
  const world = makeWorld(t)
  const plane = await start(t, world, { warmMs: 700 }, { driftEveryMs: 0, driftSettleMs: 0 })
  await declare(plane, world)
  // A member that does not join keeps the migration waiting.
  world.a.group(`billing@${ID}`).members = 1
  await plane.call('POST', `/v1/ids/${ID}/migrations`, { to: 'b' })
  await untilState(plane, ['prepared'])
  await plane.drift.look()
  assert.deepEqual(await driftOf(plane), [])
  const target = world.b.topics.get(`${ID}.e2`)!
  const { configs } = target
  target.configs = { ...configs, 'min.insync.replicas': '1' }
  setting('retention.ms', '3600000')(world)
  await plane.drift.look()
  const topics = plane.drift.topics().map(({ role, cluster, differences }) => [role, cluster, differences[0]?.setting])
  assert.deepEqual(topics, [
    ['open', 'a', 'retention.ms'],
    ['target', 'b', 'min.insync.replicas'],
  ])
  target.configs = configs
  world.a.topics.get(TOPIC)!.configs = { ...configs }
  await plane.drift.look()
  assert.deepEqual(await driftOf(plane), [])
  // The seal comes between the question and the answer of a look.
  let waited = false
  world.a.before = async (call) => {
    if (call !== 'topicSettings' || waited) return
    waited = true
    await waitsFor(() => world.a.topics.get(TOPIC)!.configs['max.message.bytes'] === '78')
  }
  await plane.drift.recheck(ID)
  assert.ok(waited)
  assert.deepEqual(await driftOf(plane), [])
  assert.equal((await journal(plane)).length, 2, 'what was changed, and that it is so no more')
})

test('an mQ ID whose change cannot be finished holds up the look at no other', TIMEOUT, async (t) => {
  const world = makeWorld(t)
  const plane = await start(t, world, {}, { driftEveryMs: 0, driftSettleMs: 0 })
  await declare(plane, world)
  await plane.call('PUT', '/v1/ids/a.first', { intent: {} })
  for (const topic of ['a.first.e1', TOPIC]) {
    const one = world.a.topics.get(topic)!
    one.configs = { ...one.configs, 'min.insync.replicas': '1' }
  }
  // Its change begins between the first comparison and the second.
  let begun = false
  world.a.before = (call) => {
    if (call === 'alterTopicConfigs') throw new MqError('MQ_KAFKA_TIMEOUT', 'busy')
    if (call !== 'topicSettings' || begun) return
    begun = true
    void plane.call('PUT', '/v1/ids/a.first', { intent: { retention: '3d' } })
    return waitsFor(() => plane.registry.get('a.first')?.pending != null)
  }
  await plane.drift.look()
  assert.ok(plane.registry.get('a.first')?.pending != null, 'a change waits')
  assert.equal((await driftOf(plane)).length, 1)
})

test(
  'a difference counts only when the last change of mQ is a while ago: brokers hear of it one after the other',
  TIMEOUT,
  async (t) => {
    const deps = movableClock()
    const world = makeWorld(t)
    const plane = await start(t, world, {}, { deps, checkEveryMs: 3_600_000 })
    await declare(plane, world)
    const held = { ...world.a.topics.get(TOPIC)!.configs }
    await plane.call('PUT', `/v1/ids/${ID}`, { intent: { retention: '3d' } })
    const now = world.a.topics.get(TOPIC)!.configs
    world.a.topics.get(TOPIC)!.configs = held
    deps.advance(30_000 - 21_000)
    await plane.drift.recheck(ID)
    assert.deepEqual(await driftOf(plane), [], 'a broker that has not heard of it yet')
    world.a.topics.get(TOPIC)!.configs = now
    deps.advance(60_000)
    await plane.drift.look()
    assert.deepEqual([await driftOf(plane), await journal(plane)], [[], []])
    setting('retention.ms', '1000')(world)
    deps.advance(30_000)
    await plane.drift.look()
    assert.equal((await driftOf(plane)).length, 1)
  },
)

async function waitsFor(holds: () => boolean): Promise<void> {
  const deadline = performance.now() + 120_000
  while (!holds()) {
    assert.ok(performance.now() < deadline)
    await new Promise((done) => setTimeout(done, 2))
  }
}

const HOUR_SEED = 11

test('an hour of normal work, looked at all the time: no false alarm', { timeout: 900_000 }, async (t) => {
  const deps = movableClock()
  const world = makeWorld(t)
  const options = { deps, checkEveryMs: 3_600_000, driftEveryMs: 0, driftSettleMs: 0, deleteGraceMs: 600_000 }
  let plane = await start(t, world, {}, options)
  await plane.clusters.checkAll()
  const random = generator(HOUR_SEED)
  const below = (count: number): number => Math.floor(random() * count)
  const ids = ['orders', 'payments', 'clicks', 'audit']
  const live = new Set<string>()
  const deleted = new Set<string>()
  const done: Record<string, number> = {}
  let journalled = 0
  let backup: string | undefined
  const ok = (answer: { status: number; text: string }): void => assert.equal(answer.status, 200, answer.text)
  const intentOf = () => ({
    retention: `${1 + below(20)}d`,
    maxMessageBytes: 1_048_576 * (1 + below(4)),
    owner: { team: `team-${below(3)}` },
  })
  const settled = async (id: string): Promise<void> => {
    const deadline = performance.now() + 120_000
    while (plane.migrations.handingOver(id) !== undefined) {
      assert.ok(performance.now() < deadline, JSON.stringify(plane.migrations.handingOver(id)?.steps))
      await new Promise((resolve) => setTimeout(resolve, 5))
    }
  }
  const pick = (from: ReadonlySet<string>): string | undefined => [...from][below(from.size)]
  const work: Record<string, () => Promise<boolean>> = {
    declare: async () => {
      const id = ids.find((one) => !live.has(one) && !deleted.has(one))
      if (id === undefined) return false
      ok(await plane.call('PUT', `/v1/ids/${id}`, { intent: intentOf() }))
      live.add(id)
      return true
    },
    change: async () => {
      const id = pick(live)
      if (id === undefined) return false
      ok(await plane.call('PUT', `/v1/ids/${id}`, { intent: intentOf() }))
      return true
    },
    rollout: async () => {
      const id = pick(live)
      if (id === undefined) return false
      await plane.provisioner.reconfigure(id, 'mq', 'a rollout of settings', (record) => {
        const segmentMs = String(600_000 * (1 + below(9)))
        const topicConfigs = { ...record.spec.topicConfigs, 'segment.ms': segmentMs }
        return { spec: { ...record.spec, topicConfigs }, alter: { 'segment.ms': segmentMs } }
      })
      return true
    },
    migrate: async () => {
      const id = pick(live)
      if (id === undefined) return false
      const at = (await plane.call('GET', `/v1/ids/${id}`)).body.cluster
      ok(await plane.call('POST', `/v1/ids/${id}/migrations`, { to: at === 'a' ? 'b' : 'a' }))
      if (below(3) === 0) await plane.call('POST', `/v1/migrations/${plane.migrations.of(id).at(-1)?.number}/cancel`)
      await settled(id)
      return true
    },
    delete: async () => {
      const id = pick(live)
      if (id === undefined) return false
      ok(await plane.call('DELETE', `/v1/ids/${id}?force=true${below(2) === 0 ? '&now=true' : ''}`))
      live.delete(id)
      if ((await plane.call('GET', '/v1/deleted-ids')).text.includes(id)) deleted.add(id)
      return true
    },
    undelete: async () => {
      const id = pick(deleted)
      if (id === undefined) return false
      const kept = (await plane.call('GET', '/v1/deleted-ids')).text.includes(id)
      if (kept) {
        ok(await plane.call('POST', `/v1/ids/${id}/undelete`))
        live.add(id)
      }
      deleted.delete(id)
      return kept
    },
    restart: async () => {
      journalled += await drifts(plane)
      await plane.close()
      plane = await start(t, world, {}, options)
      await plane.clusters.checkAll()
      return true
    },
    backup: async () => {
      await plane.copies.flush()
      backup = backUp(t, plane)
      return true
    },
    restore: async () => {
      if (backup === undefined) return false
      await plane.copies.flush()
      journalled += await drifts(plane)
      await plane.close()
      restore(world, backup)
      backup = undefined
      plane = await start(t, world, {}, options)
      await plane.recovery.look()
      assert.equal(plane.recovery.isRunning, false)
      const states = new Map(ids.map((id) => [id, plane.registry.get(id)?.state]))
      live.clear()
      deleted.clear()
      for (const [id, state] of states) if (state === 'active') live.add(id)
      const kept = (await plane.call('GET', '/v1/deleted-ids')).text
      for (const id of ids) if (kept.includes(id)) deleted.add(id)
      return true
    },
  }
  const until = deps.clock.nowMs() + 3_600_000
  let looked = 0
  while (deps.clock.nowMs() < until) {
    const kinds = Object.keys(work)
    const kind = kinds[below(kinds.length)]!
    let working = true
    const looking = (async () => {
      while (working) {
        await plane.drift.look()
        looked++
        await new Promise((resolve) => setTimeout(resolve, below(4)))
      }
    })()
    try {
      if (await work[kind]!()) done[kind] = (done[kind] ?? 0) + 1
    } finally {
      working = false
      await looking
    }
    await plane.drift.look()
    assert.deepEqual(plane.drift.topics(), [], `after ${kind}`)
    deps.advance(30_000)
    await plane.clusters.checkAll()
    await plane.provisioner.resume()
  }
  journalled += await drifts(plane)
  t.diagnostic(`${looked} looks beside ${JSON.stringify(done)}`)
  assert.equal(journalled, 0)
  for (const kind of Object.keys(work)) assert.ok((done[kind] ?? 0) >= 3, `${kind}: ${done[kind]}`)
  const id = [...live][0] ?? 'orders'
  if (live.size === 0) ok(await plane.call('PUT', `/v1/ids/${id}`, { intent: {} }))
  const { topic, cluster } = plane.registry.get(id)!.epochs.at(-1)!
  const kafka = cluster === 'a' ? world.a : world.b
  kafka.topics.get(topic)!.configs = { ...kafka.topics.get(topic)!.configs, 'min.insync.replicas': '1' }
  await plane.drift.look()
  assert.equal(plane.drift.counts.alarms, 1, 'the same looks see what is wrong')
})

async function drifts(plane: Harness): Promise<number> {
  const { entries } = (await plane.call('GET', '/v1/journal?limit=1000')).body
  return entries.filter(({ kind }: { kind: string }) => kind === 'drift').length
}
