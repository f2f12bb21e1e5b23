/**
 * Two fake clusters and a control plane on them: the scenery for tests of migrations.
 */
import assert from 'node:assert/strict'
import type { TestContext } from 'node:test'
import { Binding, Migration } from '@mq/contract'
import type { ControlPlaneOptions } from '../src/control-plane-options.ts'
import { FakeKafka } from './fake-kafka.ts'
import { type Harness, startHarness, temporaryFolder } from './harness.ts'

export const TIMEOUT = { timeout: 300_000 }
export const ID = 'orders.placed'
export const GROUP = `billing@${ID}`
const clusters = ['a', 'b'].map((name, index) => ({
  name,
  bootstrap: [`127.0.0.1:909${index}`],
  securityProtocol: 'plaintext' as const,
}))
const fast = {
  warmMs: 0,
  watchMs: 0,
  pollMs: 5,
  quietMs: 0,
  groupsMs: 5,
  silentMs: 60,
  deleteAfterMs: 0,
  probePauseMs: 1,
  sealMs: 1_000,
  prepareMs: 1_000,
  guardMs: 0,
  lostMs: 60,
  targetLostMs: 60,
}

export interface World {
  readonly a: FakeKafka
  readonly b: FakeKafka
  readonly dataDir: string
}

export function makeWorld(t: TestContext): World {
  const [a, b] = [new FakeKafka(), new FakeKafka()]
  a.clusterId = 'kafka-a'
  b.clusterId = 'kafka-b'
  // Most brokers win: mQ IDs are placed on a.
  a.brokers = 4
  return { a, b, dataDir: temporaryFolder(t) }
}

export async function start(
  t: TestContext,
  world: World,
  times: Record<string, number> = {},
  options: Partial<ControlPlaneOptions> = {},
): Promise<Harness> {
  return startHarness(t, {
    clusters,
    dataDir: world.dataDir,
    openAdmin: (address) => (address.name === 'a' ? world.a : world.b).openAdmin(address),
    migrationTimes: { ...fast, ...times },
    ...options,
  })
}

/** An mQ ID with records and a group that is behind. */
export async function declare(plane: Harness, world: World): Promise<void> {
  await plane.clusters.checkAll()
  const made = await plane.call('PUT', `/v1/ids/${ID}`, { intent: {} })
  assert.equal(made.status, 200, made.text)
  const { partitions } = made.body
  for (let partition = 0; partition < partitions; partition++) {
    world.a.append(`${ID}.e1`, partition, 10n)
    world.a.commit(GROUP, `${ID}.e1`, partition, 5n)
  }
}

export function readToEnd(kafka: FakeKafka, topic: string): void {
  for (const [partition, end] of (kafka.topics.get(topic)?.ends ?? []).entries()) {
    kafka.commit(GROUP, topic, partition, end)
  }
}

export async function migration(plane: Harness, number = 1): Promise<Migration> {
  const answer = await plane.call('GET', `/v1/migrations/${number}`)
  assert.equal(answer.status, 200, answer.text)
  return Migration.parse(answer.body)
}

export async function until(plane: Harness, states: readonly string[], number = 1, ms = 120_000): Promise<Migration> {
  const deadline = performance.now() + ms
  for (;;) {
    const found = await migration(plane, number)
    if (states.includes(found.state)) return found
    assert.ok(performance.now() < deadline, `still ${found.state}: ${JSON.stringify(found.steps)}`)
    await new Promise((resolve) => setTimeout(resolve, 2))
  }
}

export async function over(plane: Harness, number = 1): Promise<Migration> {
  const deadline = performance.now() + 120_000
  while (plane.migrations.current(number) !== undefined) {
    assert.ok(performance.now() < deadline, JSON.stringify(plane.migrations.current(number)?.steps))
    await new Promise((resolve) => setTimeout(resolve, 2))
  }
  return migration(plane, number)
}

export const states = (binding: Binding): string =>
  binding.epochs.map(({ epoch, state }) => `${epoch} ${state}`).join(', ')
export const bindingOf = (plane: Harness): Binding => Binding.parse(plane.registry.binding(ID))
