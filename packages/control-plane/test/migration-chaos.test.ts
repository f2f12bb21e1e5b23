/**
 * Moves on fake clusters under a drawn history of faults: clusters that go away, leaders that change, cancels, restarts of the
 * control plane, a group that reads now and then. Whatever happens, what was taken is sealed, and every migration ends.
 */
import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { MqError } from '@mq/contract'
import fc from 'fast-check'
import type { Harness } from './harness.ts'
import { bindingOf, declare, ID, makeWorld, readToEnd, start, states } from './migration-on-fakes.ts'

const faults = [
  'a-away',
  'b-away',
  'a-deaf',
  'b-deaf',
  'heal',
  'leader',
  'cancel',
  'skip',
  'restart',
  'read',
  'move',
  'wait',
] as const
type Fault = (typeof faults)[number]

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))
const ENDED = ['retired', 'cancelled', 'failed']
/** A topic that is deleted cannot be checked. */
const TIMES = {
  deleteAfterMs: 3_600_000,
  guardMs: 200,
  sealMs: 300,
  prepareMs: 300,
  lostMs: 40,
  targetLostMs: 40,
  watchMs: 20,
}

async function live(t: TestContext, history: readonly Fault[]): Promise<Record<string, number>> {
  const world = makeWorld(t)
  world.a.leadersPerProbe = 1
  let plane = await start(t, world, TIMES)
  await declare(plane, world)
  const accepted = new Map([[`${ID}.e1`, 40n]])
  let newest = 1
  /** A producer sends to the epoch it may send to, as the binding has it. */
  const send = (): void => {
    const epochs = bindingOf(plane).epochs.filter(({ state }) => state === 'open' || state === 'sealing')
    assert.ok(epochs.filter(({ state }) => state === 'open').length <= 1)
    for (const { epoch, state, cluster, topic, partitions } of epochs) {
      if (state === 'open') {
        assert.ok(epoch >= newest, `epoch ${epoch} is open again after ${newest}: ${states(bindingOf(plane))}`)
        newest = epoch
      }
      const kafka = cluster === 'a' ? world.a : world.b
      if (kafka.away !== undefined) continue
      const took = kafka.append(topic, accepted.size % partitions, 1n)
      if (took) accepted.set(topic, (accepted.get(topic) ?? 0n) + 1n)
    }
  }
  const ask = (url: string, body?: object) => plane.call('POST', url, body).catch(() => undefined)
  const open = (): number[] => plane.migrations.active().map(({ number }) => number)
  const act: Record<Fault, () => unknown> = {
    'a-away': () => {
      world.a.away = new MqError('MQ_KAFKA_UNREACHABLE', 'a is away')
    },
    'b-away': () => {
      world.b.away = new MqError('MQ_KAFKA_UNREACHABLE', 'b is away')
    },
    // Leaders do not hear of changes of settings.
    'a-deaf': () => {
      world.a.leadersPerProbe = 0
    },
    'b-deaf': () => {
      world.b.leadersPerProbe = 0
    },
    heal: () => {
      for (const kafka of [world.a, world.b]) {
        kafka.away = undefined
        kafka.leadersPerProbe = 2
      }
    },
    leader: () => {
      for (const kafka of [world.a, world.b]) for (const topic of kafka.topics.values()) topic.leaderEpoch++
    },
    // Not waited for: a cancel is answered when it is decided, and that may take until all is healed.
    cancel: () => void Promise.all(open().map((number) => ask(`/v1/migrations/${number}/cancel`))),
    skip: () => Promise.all(open().map((number) => ask(`/v1/migrations/${number}/skip`))),
    restart: async () => {
      await plane.migrator.close(0)
      await plane.close()
      plane = await start(t, world, TIMES)
    },
    read: () => {
      for (const kafka of [world.a, world.b]) for (const topic of kafka.topics.keys()) readToEnd(kafka, topic)
    },
    move: () => ask(`/v1/ids/${ID}/migrations`, { partitions: 2 + (accepted.size % 5), onLostSource: 'skip' }),
    wait: () => pause(60),
  }
  // Some leaders are slow from the start, so that there is time for what comes.
  if (history.length % 2 === 0) await act['a-deaf']()
  await ask(`/v1/ids/${ID}/migrations`, { to: 'b', partitions: 6 })
  for (const fault of history) {
    await act[fault]()
    for (let n = 0; n < 4; n++) {
      send()
      await pause(3)
    }
  }
  await act.heal()
  const deadline = performance.now() + 120_000
  for (;;) {
    send()
    await act.read()
    const rows = plane.migrations.active()
    if (rows.every(({ state }) => ENDED.includes(state))) break
    assert.ok(
      performance.now() < deadline,
      JSON.stringify(rows.map(({ number, state, steps }) => [number, state, steps.at(-1)])),
    )
    await pause(5)
  }
  const ends: Record<string, number> = {}
  for (const { state, endOffsets, from, report } of await all(plane)) {
    ends[state] = (ends[state] ?? 0) + 1
    if (endOffsets === null) continue
    const sealed = endOffsets.reduce((sum, end) => sum + BigInt(end), 0n)
    assert.equal(
      sealed,
      accepted.get(from.topic) ?? 0n,
      `${from.topic} was sealed with all that was taken, and took no more`,
    )
    assert.ok(report.verdict.checks.length > 0)
  }
  const binding = bindingOf(plane)
  assert.deepEqual(
    binding.epochs.map(({ state }) => state),
    ['open'],
    states(binding),
  )
  await plane.close()
  return ends
}

async function all(plane: Harness) {
  return (await plane.call('GET', '/v1/migrations')).body.migrations as {
    state: string
    endOffsets: string[] | null
    from: { topic: string }
    report: { verdict: { checks: unknown[] } }
  }[]
}

test('whatever goes away, changes or is asked for in between, what was taken is sealed and every migration ends', {
  timeout: 600_000,
}, async (t) => {
  const ends: Record<string, number> = {}
  await fc.assert(
    fc.asyncProperty(fc.array(fc.constantFrom(...faults), { minLength: 4, maxLength: 14 }), async (history) => {
      for (const [state, count] of Object.entries(await live(t, history))) ends[state] = (ends[state] ?? 0) + count
    }),
    { numRuns: 20, seed: 4_027, endOnFailure: true },
  )
  t.diagnostic(JSON.stringify(ends))
  assert.ok((ends.retired ?? 0) > 5, JSON.stringify(ends))
  assert.ok((ends.cancelled ?? 0) + (ends.failed ?? 0) > 0, JSON.stringify(ends))
})
