/**
 * What somebody else changes about topics is seen within a look, said and journalled once; normal work is no drift
 * (drift-watch W1-W4, topic-drift F1-F2).
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { MqError } from '@mq/contract'
import type { Harness } from './harness.ts'
import { declare, ID, makeWorld, over, readToEnd, start, TIMEOUT, type World } from './moves-on-fakes.ts'

const TOPIC = `${ID}.e1`
const LOOKS = { checkEveryMs: 10, driftEveryMs: 0 }

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
  const deadline = performance.now() + 10_000
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
  const deadline = performance.now() + 10_000
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

test('ten kinds of drift are seen, and said in journal, list and metrics', TIMEOUT, async (t) => {
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
