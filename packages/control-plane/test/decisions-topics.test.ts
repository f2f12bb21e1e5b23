/**
 * Decisions about whole topics: retention through the provisioner, another cluster through the migrator, and both back again.
 */
import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Decision } from '@mq/contract'
import type { Watcher } from '../src/observe/watcher.ts'
import { FakeKafka } from './fake-kafka.ts'
import { Fleet, ID } from './fleet.ts'
import { temporaryFolder } from './harness.ts'

const TIMEOUT = { timeout: 300_000 }
const DAY_MS = 86_400_000
const moveTimes = { warmMs: 0, watchMs: 0, pollMs: 5, quietMs: 0, deleteAfterMs: 0, probePauseMs: 1 }
const clusters = ['a', 'b'].map((name, index) => ({
  name,
  bootstrap: [`127.0.0.1:909${index}`],
  securityProtocol: 'plaintext' as const,
}))

/** An mQ ID on cluster a, where everything costs several times what it does on b. */
async function onTheDearOne(t: TestContext, dataDir: string, kafkas: Record<'a' | 'b', FakeKafka>): Promise<Fleet> {
  const fleet = new Fleet({ instances: 3, kafkas }, kafkas.a)
  await fleet.start(t, {
    dataDir,
    clusters,
    openAdmin: (address) => kafkas[address.name as 'a' | 'b'].openAdmin(address),
    migrationTimes: moveTimes,
  })
  return fleet
}

function twoClusters(): Record<'a' | 'b', FakeKafka> {
  const [a, b] = [new FakeKafka(), new FakeKafka()]
  a.clusterId = 'kafka-a'
  b.clusterId = 'kafka-b'
  a.brokers = 4
  return { a, b }
}

/** Moves need real time between two seconds of the fleet. */
async function until(fleet: Fleet, seconds: number, done: () => Promise<boolean>): Promise<void> {
  await fleet.run(seconds, async () => {
    await sleep(3)
    return done()
  })
}

const newest = async (fleet: Fleet, kind: string): Promise<Decision | undefined> =>
  (await fleet.decisions()).find((one) => one.kind === kind)

async function price(fleet: Fleet, name: string, zones: number, each: number): Promise<void> {
  await fleet.plane.registry.setEconomics(
    name,
    {
      priceBook: 'aws-us-east-1',
      zones,
      overrides: { 'cross-zone-transfer': 0.01 * each, 'broker-storage': 0.08 * each },
    },
    'test',
  )
}

test(
  'another cluster that is cheaper is proposed net of the migration, waits for a person, and moves by a migration; an undo moves back',
  TIMEOUT,
  async (t) => {
    const kafkas = twoClusters()
    const dataDir = temporaryFolder(t)
    const fleet = await onTheDearOne(t, dataDir, kafkas)
    await price(fleet, 'a', 3, 4)
    await price(fleet, 'b', 3, 1)
    await fleet.plane.call('PUT', `/v1/ids/${ID}`, { intent: { latencyP99Ms: '500ms' } })
    assert.equal(fleet.binding.epochs[0]?.cluster, 'a')
    await fleet.plane.call('PUT', '/v1/policies/global', { autoKnobs: [] })
    await fleet.run(40, async () => (await newest(fleet, 'cluster')) !== undefined)
    const waiting = await newest(fleet, 'cluster')
    assert.ok(waiting !== undefined, JSON.stringify(fleet.engine.outlooks(ID)))
    assert.equal(waiting.state, 'waiting')
    assert.match(waiting.status, /cluster/)
    assert.ok(waiting.costOfChangeUsd > 0)
    assert.ok(waiting.savingUsdPerMonth! > 0)
    const settings = fleet.binding.producer
    const approved = await fleet.plane.call('POST', `/v1/decisions/${waiting.number}/approve`)
    assert.equal(approved.status, 200, approved.text)
    await until(fleet, 120, async () =>
      ['kept', 'undone', 'failed'].includes((await fleet.decision(waiting.number)).state),
    )
    const kept = await fleet.decision(waiting.number)
    assert.equal(kept.state, 'kept', `${kept.status} ${JSON.stringify(kept.steps)}`)
    assert.ok(kept.migration !== null)
    assert.equal(fleet.binding.epochs.find(({ state }) => state === 'open')?.cluster, 'b')
    assert.deepEqual(fleet.binding.producer, settings, 'settings move with the mQ ID')
    const migration = (await fleet.plane.call('GET', `/v1/migrations/${kept.migration}`)).body
    assert.equal(migration.actor, `decision ${kept.number}`)

    await fleet.plane.call('POST', `/v1/decisions/${kept.number}/undo`)
    // A process that dies on the way back goes on with it.
    await fleet.plane.close()
    const again = await onTheDearOne(t, dataDir, kafkas)
    await until(again, 120, async () => (await again.decision(kept.number)).state !== 'undoing')
    assert.equal((await again.decision(kept.number)).state, 'undone', (await again.decision(kept.number)).status)
    assert.equal(again.binding.epochs.find(({ state }) => state === 'open')?.cluster, 'a')
  },
)

test(
  'a topic that keeps more than its intent is brought down to it once a person agrees; an undo sets the limit back',
  TIMEOUT,
  async (t) => {
    const fleet = new Fleet({ instances: 2 })
    await fleet.start(t)
    await fleet.plane.call('PUT', `/v1/ids/${ID}`, { intent: { latencyP99Ms: '500ms', retention: '1d' } })
    const topic = fleet.kafka.topics.get(`${ID}.e1`)
    assert.ok(topic !== undefined)
    // Somebody raised it by hand.
    topic.configs = { ...topic.configs, 'retention.ms': String(30 * DAY_MS) }
    const { watcher } = fleet.plane.costing as { watcher: Watcher }
    watcher.topic = ((_cluster: string, name: string) => ({
      configs: { retentionMs: Number(fleet.kafka.topics.get(name)?.configs['retention.ms']) },
    })) as unknown as Watcher['topic']
    await fleet.plane.call('PUT', '/v1/policies/global', { autoKnobs: [] })
    await fleet.run(40, async () => (await newest(fleet, 'retention')) !== undefined)
    const waiting = await newest(fleet, 'retention')
    assert.ok(waiting !== undefined, JSON.stringify(fleet.engine.outlooks(ID)))
    assert.equal(waiting.state, 'waiting')
    assert.equal(topic.configs['retention.ms'], String(30 * DAY_MS))
    await fleet.plane.call('POST', `/v1/decisions/${waiting.number}/approve`)
    assert.equal(fleet.kafka.topics.get(`${ID}.e1`)?.configs['retention.ms'], String(DAY_MS))
    await fleet.run(60, async () => (await fleet.decision(waiting.number)).state === 'kept')
    assert.equal((await fleet.decision(waiting.number)).state, 'kept', (await fleet.decision(waiting.number)).status)
    await fleet.plane.call('POST', `/v1/decisions/${waiting.number}/undo`)
    assert.equal((await fleet.decision(waiting.number)).state, 'undone')
    assert.equal(fleet.kafka.topics.get(`${ID}.e1`)?.configs['retention.ms'], String(30 * DAY_MS))
  },
)
