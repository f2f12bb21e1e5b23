/** A producer before a broker that says nothing, and before one that is only slow (quiet-broker.ts, D7 of the dispatcher). */
import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { FakeCluster, type FakeClusterOptions } from '@mq/testkit'
import { Cluster } from '../src/net/cluster.ts'
import { MOVED_MS, QuietBrokerCheck, SILENT_MS } from '../src/net/quiet-broker.ts'
import { MemoryBudget } from '../src/produce/memory-budget.ts'
import { Producer } from '../src/produce/producer.ts'
import { SETTINGS, values } from './produce-stage.ts'

const REQUEST_TIMEOUT_MS = 600_000

async function stage(t: TestContext, options: Partial<FakeClusterOptions> = {}) {
  const broker = await FakeCluster.start({ topics: { t: 1 }, ...options })
  const cluster = new Cluster({
    name: 'main',
    clientId: 'test',
    bootstrap: [broker.bootstrap],
    connectTimeoutMs: 1_000,
    requestTimeoutMs: REQUEST_TIMEOUT_MS,
  })
  const retries: number[] = []
  const unreachable: string[] = []
  const producer = new Producer({
    cluster,
    settings: { ...SETTINGS, requestTimeoutMs: REQUEST_TIMEOUT_MS },
    budget: new MemoryBudget(1_048_576),
    observer: {
      onBatch: (report) => retries.push(report.retries),
      onUnreachable: (error) => unreachable.push(error.message),
    },
  })
  t.after(async () => {
    broker.isFrozen = false
    await producer.close(0).catch(() => {})
    await cluster.close()
    await broker.stop()
  })
  const topic = producer.topic('t', 1)
  await producer.send(topic, null, 'first')
  return { broker, producer, topic, retries, unreachable }
}

test('a broker that is silent is left long before its request times out, and nothing is stored twice', {
  timeout: 300_000,
}, async (t) => {
  const { broker, producer, topic, retries, unreachable } = await stage(t)
  broker.isFrozen = true
  const sent = producer.send(topic, null, 'second')
  while (unreachable.length === 0) await pause(20)
  assert.match(unreachable[0]!, /broker 1 takes connections and has answered nothing for \d+ ms/)
  broker.isFrozen = false
  await sent
  // It was stored before the broker fell silent; the second attempt was recognised.
  assert.deepEqual(values(broker), ['first', 'second'])
  assert.ok(retries.at(-1)! > 0)
})

test('a broker that is silent is left as soon as another is heard to lead, and metadata is not waited for from it', {
  timeout: 300_000,
}, async (t) => {
  const { broker, producer, topic, retries, unreachable } = await stage(t, { brokers: 3 })
  const first = broker.leaderOf('t', 0)!
  broker.nodes.find(({ id }) => id === first)!.isFrozen = true
  const sent = producer.send(topic, null, 'second')
  broker.moveLeader('t', 0, first === 3 ? 1 : 3)
  await sent
  assert.equal(unreachable.length, 1)
  const [, quietMs] = /^broker \d does not lead any more what it was sent, and has answered nothing for (\d+) ms$/.exec(
    unreachable[0]!,
  )!
  // Long before it would be held for silent, in which case the question alone takes as long as a connection may.
  assert.ok(Number(quietMs) >= MOVED_MS, `${quietMs} ms`)
  assert.ok(retries.at(-1)! > 0)
  assert.deepEqual(values(broker), ['first', 'second'])
})

test('a broker that is slow and answers other questions is waited for', { timeout: 300_000 }, async (t) => {
  const { broker, producer, topic, retries, unreachable } = await stage(t, {
    onProduce: ({ index }) => (index === 1 ? { kind: 'delay', delayMs: 2.5 * SILENT_MS } : undefined),
  })
  await producer.send(topic, null, 'second')
  assert.deepEqual(values(broker), ['first', 'second'])
  assert.deepEqual([retries, unreachable], [[0, 0], []])
})

test('a broker is asked once at a time, and not again at once (X2)', async () => {
  let nowMs = 10_000
  let asked = 0
  let answer = Promise.withResolvers<boolean>()
  const silence = new QuietBrokerCheck(
    async () => {
      asked += 1
      return await answer.promise
    },
    () => nowMs,
    SILENT_MS,
  )
  let silent = 0
  const look = (quietSinceMs: number): number => silence.look(1, quietSinceMs, () => void silent++)
  assert.equal(look(nowMs), nowMs + SILENT_MS)
  for (let n = 0; n < 3; n++) assert.equal(look(0), Number.POSITIVE_INFINITY)
  assert.equal(asked, 1)
  answer.resolve(true)
  await pause(1)
  assert.equal(look(0), nowMs + SILENT_MS)
  nowMs += SILENT_MS
  answer = Promise.withResolvers<boolean>()
  look(0)
  answer.resolve(false)
  await pause(1)
  assert.deepEqual([asked, silent], [2, 1])
})
