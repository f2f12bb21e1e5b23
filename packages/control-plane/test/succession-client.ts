/**
 * A client of a fake cluster that finishes a migration by proof, and a migration that stands where it may.
 */
import type { TestContext } from 'node:test'
import { type Binding, type Epoch, MqError, successionOf, withProvenSeal } from '@mq/contract'
import type { FakeKafka } from './fake-kafka.ts'
import type { Harness } from './harness.ts'
import { declare, ID, start, until, type World } from './migration-on-fakes.ts'

export const OLD = `${ID}.e1`
export const NEW = `${ID}.e2`
export const AWAY = new MqError('MQ_KAFKA_UNREACHABLE', 'no broker answers')
export const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))

/** A producer that knows what it was told last, and proves the rest. */
export class Client {
  readonly #world: World
  binding: Binding
  readonly acked = new Map<string, bigint>()

  constructor(world: World, binding: Binding) {
    this.#world = world
    this.binding = binding
  }

  hears(binding: Binding): void {
    if (binding.revision > this.binding.revision) this.binding = binding
  }

  /** @returns whether a record was acknowledged */
  send(): boolean {
    const open = this.binding.epochs.find(({ state }) => state === 'open')
    if (open !== undefined && this.#append(open)) return true
    const succession = successionOf(this.binding)
    if (succession === undefined) return false
    const { from, to } = succession
    const [old, next] = [this.#topic(from), this.#topic(to)]
    if (old === undefined || old.sealed.size < old.partitions || next === undefined || next.sealed.size > 0)
      return false
    const { mqId, incarnation } = this.binding
    this.binding = withProvenSeal(this.binding, { mqId, incarnation, from, to, ends: old.ends.map(String) })
    return this.#append(to)
  }

  #kafka({ cluster }: Epoch): FakeKafka {
    return cluster === 'a' ? this.#world.a : this.#world.b
  }

  #topic(epoch: Epoch) {
    return this.#kafka(epoch).topics.get(epoch.topic)
  }

  #append(epoch: Epoch): boolean {
    const kafka = this.#kafka(epoch)
    if (kafka.away !== undefined || !kafka.topics.has(epoch.topic)) return false
    if (!kafka.append(epoch.topic, 0, 1n)) return false
    this.acked.set(epoch.topic, (this.acked.get(epoch.topic) ?? 0n) + 1n)
    return true
  }
}

/** Every leader follows what is set; what is asked of the clusters goes on without the control plane. */
export function settle({ a, b }: World): void {
  for (const kafka of [a, b]) {
    for (const topic of kafka.topics.values()) {
      const isSealed = topic.configs['max.message.bytes'] === '78'
      for (let partition = 0; partition < topic.partitions; partition++) {
        if (isSealed) topic.sealed.add(partition)
        else topic.sealed.delete(partition)
      }
    }
  }
}

/** A migration that asks for the seal and sees no leader follow. */
export async function sealing(t: TestContext, world: World): Promise<Harness> {
  world.a.leadersPerProbe = 0
  const plane = await start(t, world, { sealMs: 20_000 })
  await declare(plane, world)
  await plane.call('POST', `/v1/ids/${ID}/migrations`, { to: 'b', partitions: 6 })
  await until(plane, ['sealing'])
  return plane
}
