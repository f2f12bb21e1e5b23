/**
 * Looks whether the topics of mQ IDs are still as mQ made them.
 *
 * W1. Every topic that compare.ts names is compared every half minute, and at the next round where a comparison did not count.
 * W2. What mQ itself is changing is no drift: a difference counts only when it is seen again under the lock under which mQ changes
 *     topics, when nothing was changed meanwhile (compare.ts C3), and when mQ's last change is SETTLE_MS old: brokers hear of a change one
 *     after the other.
 * W3. A difference is journalled once when it is first seen and once when it is gone; alarms are errors in the log.
 * W4. A cluster that is away says nothing new: what was seen of it last stays. One mQ ID that cannot be looked at holds up no other.
 */
import { type Difference, type DriftedTopic, MqError } from '@mq/contract'
import type { Deps } from '@mq/kafka'
import { errorFacts, type Logger } from '../logger.ts'
import type { Migrations } from '../migration/migrations.ts'
import type { Clusters } from '../provision/clusters.ts'
import type { Provisioner } from '../provision/provisioner.ts'
import type { Registry } from '../registry/registry.ts'
import type { Store } from '../store/store.ts'
import { compare, type WatchedTopic, watchedTopics } from './compare.ts'

const EVERY_MS = 30_000
const SETTLE_MS = 10_000

export interface DriftWatchOptions {
  readonly registry: Registry
  readonly clusters: Clusters
  readonly provisioner: Pick<Provisioner, 'exclusively'>
  readonly migrations: Migrations
  readonly store: Store
  readonly deps: Deps
  readonly logger: Logger
  readonly everyMs?: number | undefined
  readonly settleMs?: number | undefined
}

export class DriftWatch {
  readonly #options: DriftWatchOptions
  /** By mQ ID. */
  readonly #seen = new Map<string, readonly DriftedTopic[]>()
  #lookedMs: number

  constructor(options: DriftWatchOptions) {
    this.#options = options
    this.#lookedMs = options.deps.clock.monotonicMs()
  }

  /** What differs now, as last seen. */
  of(mqId: string): readonly Difference[] {
    return (this.#seen.get(mqId) ?? []).flatMap(({ differences }) => differences)
  }

  topics(): DriftedTopic[] {
    return [...this.#seen.values()].flat().toSorted((a, b) => (a.mqId < b.mqId ? -1 : 1))
  }

  /** How many differences there are. */
  get counts(): { readonly alarms: number; readonly others: number } {
    const all = this.topics().flatMap(({ differences }) => differences)
    const alarms = all.filter(({ alarm }) => alarm).length
    return { alarms, others: all.length - alarms }
  }

  /** One look at all clusters, when it is time for one. */
  async look(): Promise<void> {
    const { registry, migrations, deps, everyMs = EVERY_MS } = this.#options
    const nowMs = deps.clock.monotonicMs()
    if (nowMs - this.#lookedMs < everyMs) return
    this.#lookedMs = nowMs
    const ids = registry.all().flatMap(({ id, state }) => (state === 'active' ? [id] : []))
    const known = new Set(ids)
    for (const id of this.#seen.keys()) if (!known.has(id)) this.#seen.delete(id)
    const watched = ids.flatMap((id) => watchedTopics(registry, migrations, id))
    const byCluster = Map.groupBy(watched, ({ cluster }) => cluster)
    await Promise.all([...byCluster].map(([cluster, topics]) => this.#lookAt(cluster, topics)))
  }

  async #lookAt(cluster: string, watched: readonly WatchedTopic[]): Promise<void> {
    const { clusters, logger } = this.#options
    const doubted = new Set<string>()
    try {
      const expected = watched.map((one) => one.expected)
      const found = await clusters.use(cluster, 'comparing topics with what mQ made', (admin) =>
        compare(admin, expected),
      )
      for (const [index, { mqId }] of watched.entries()) {
        if (found[index]!.differences.length > 0 || this.#seen.has(mqId)) doubted.add(mqId)
      }
    } catch (error) {
      // W4
      if (!(error instanceof MqError)) throw error
      logger.info({ cluster, ...errorFacts(error) }, 'topics were not compared with what mQ made')
    }
    for (const id of doubted) {
      try {
        await this.recheck(id)
      } catch (error) {
        if (!(error instanceof MqError)) throw error
        logger.info({ mqId: id, ...errorFacts(error) }, 'a topic was not compared with what mQ made')
      }
    }
  }

  /** Compares one mQ ID now (W2, W3). */
  async recheck(id: string): Promise<void> {
    const { provisioner, registry, migrations, clusters, deps, settleMs = SETTLE_MS } = this.#options
    await provisioner.exclusively(id, async () => {
      const watched = watchedTopics(registry, migrations, id)
      if (watched.length === 0) return
      const before = this.#seen.get(id) ?? []
      const now: DriftedTopic[] = []
      for (const { expected, stamp: _stamp, changedAtMs: _changedAtMs, ...place } of watched) {
        const doing = `comparing topic ${expected.topic}`
        const [found] = await clusters.use(place.cluster, doing, (admin) => compare(admin, [expected]))
        const differences = found?.differences ?? []
        if (differences.length === 0) continue
        const sinceMs = before.find(({ topic }) => topic === expected.topic)?.sinceMs ?? deps.clock.nowMs()
        now.push({ ...place, topic: expected.topic, sinceMs, differences })
      }
      const after = watchedTopics(registry, migrations, id)
      const isSame =
        after.length === watched.length && after.every(({ stamp }, index) => stamp === watched[index]!.stamp)
      const isYoung = watched.some(({ changedAtMs }) => deps.clock.nowMs() - changedAtMs < settleMs)
      if (!isSame || (isYoung && news(before, now).length > 0)) {
        this.#lookedMs = Number.NEGATIVE_INFINITY
        return
      }
      await this.#note(id, before, now)
    })
  }

  /** W3 */
  async #note(id: string, before: readonly DriftedTopic[], now: readonly DriftedTopic[]): Promise<void> {
    const { store, deps, logger } = this.#options
    if (now.length === 0) this.#seen.delete(id)
    else this.#seen.set(id, now)
    const [come, gone] = [news(before, now), news(now, before)]
    if (come.length === 0 && gone.length === 0) return
    for (const { alarm, what } of come) logger[alarm ? 'error' : 'warn']({ mqId: id }, what)
    const why = [...come.map(({ what }) => what), ...gone.map(({ what }) => `no more: ${what}`)].join('; ')
    await store.write(`journalling the drift of ${id}`, (tx) =>
      tx.journal.append(
        {
          kind: 'drift',
          subject: id,
          actor: 'mq',
          why,
          before: { differences: all(before) },
          after: { differences: all(now) },
        },
        deps.clock.nowMs(),
        store.revision,
      ),
    )
  }
}

const all = (topics: readonly DriftedTopic[]): Difference[] => topics.flatMap(({ differences }) => differences)

/** What is in the second and not in the first. */
function news(before: readonly DriftedTopic[], now: readonly DriftedTopic[]): Difference[] {
  const known = new Set(all(before).map(({ what }) => what))
  return all(now).filter(({ what }) => !known.has(what))
}
