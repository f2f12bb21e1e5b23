/**
 * Looks whether the topics of mQ IDs are still as mQ made them.
 *
 * W1. The open epoch of every mQ ID is compared every half minute: existence, id, partitions and every setting mQ set. What is
 *     sealed or being prepared is watched by its migration.
 * W2. What mQ itself is changing is no drift: an mQ ID that changes hands or has a change under way is left out, and a difference
 *     counts only when it is seen again under the lock under which mQ changes topics.
 * W3. A difference is journalled once when it is first seen and once when it is gone; alarms are errors in the log.
 * W4. A cluster that is away says nothing new: what was seen of it last stays.
 */
import { type Difference, MqError } from '@mq/contract'
import type { Deps } from '@mq/kafka'
import { errorFacts, type Logger } from '../logger.ts'
import type { Ledger } from '../migration/ledger.ts'
import type { ClusterAdmin } from '../provision/cluster-admin.ts'
import type { Clusters } from '../provision/clusters.ts'
import type { Provisioner } from '../provision/provisioner.ts'
import { differences } from '../provision/topic-drift.ts'
import { appendEntry } from '../registry/journal.ts'
import type { ActiveId, EpochRecord } from '../registry/records.ts'
import type { Registry } from '../registry/registry.ts'
import type { Store } from '../store/store.ts'

const EVERY_MS = 30_000

export interface DriftWatchOptions {
  readonly registry: Registry
  readonly clusters: Clusters
  readonly provisioner: Pick<Provisioner, 'exclusively'>
  readonly ledger: Ledger
  readonly store: Store
  readonly deps: Deps
  readonly logger: Logger
  readonly everyMs?: number | undefined
}

interface Watched {
  readonly record: ActiveId
  readonly epoch: EpochRecord
}

export class DriftWatch {
  readonly #options: DriftWatchOptions
  readonly #seen = new Map<string, readonly Difference[]>()
  #lookedMs: number

  constructor(options: DriftWatchOptions) {
    this.#options = options
    this.#lookedMs = options.deps.clock.monotonicMs()
  }

  /** What differs now, as last seen. */
  of(mqId: string): readonly Difference[] {
    return this.#seen.get(mqId) ?? []
  }

  /** How many differences there are. */
  get counts(): { readonly alarms: number; readonly others: number } {
    const all = [...this.#seen.values()].flat()
    const alarms = all.filter(({ alarm }) => alarm).length
    return { alarms, others: all.length - alarms }
  }

  /** One look at all clusters, when it is time for one. */
  async look(): Promise<void> {
    const { registry, deps, everyMs = EVERY_MS } = this.#options
    const nowMs = deps.clock.monotonicMs()
    if (nowMs - this.#lookedMs < everyMs) return
    this.#lookedMs = nowMs
    const known = new Set(registry.all().flatMap(({ id, state }) => (state === 'active' ? [id] : [])))
    for (const id of this.#seen.keys()) if (!known.has(id)) this.#seen.delete(id)
    const byCluster = Map.groupBy(this.#watched(), ({ epoch }) => epoch.cluster)
    await Promise.all([...byCluster].map(([cluster, watched]) => this.#lookAt(cluster, watched)))
  }

  /** W1, W2 */
  #watched(): Watched[] {
    return this.#options.registry.all().flatMap((record) => this.#watchedOf(record.id) ?? [])
  }

  #watchedOf(id: string): Watched | undefined {
    const { registry, ledger } = this.#options
    const record = registry.get(id)
    if (record?.state !== 'active' || record.pending !== null || ledger.handingOver(id) !== undefined) return undefined
    const epoch = record.epochs.find(({ state }) => state === 'open')
    return epoch === undefined ? undefined : { record, epoch }
  }

  async #lookAt(cluster: string, watched: readonly Watched[]): Promise<void> {
    const { clusters, logger } = this.#options
    try {
      const found = await clusters.use(cluster, 'comparing topics with what mQ made', (admin) =>
        compare(admin, watched),
      )
      for (const { record } of watched) {
        const now = found.get(record.id) ?? []
        if (now.length === 0 && this.of(record.id).length === 0) continue
        await this.#confirm(record.id)
      }
    } catch (error) {
      // W4
      if (!(error instanceof MqError)) throw error
      logger.info({ cluster, ...errorFacts(error) }, 'topics were not compared with what mQ made')
    }
  }

  /** W2, W3 */
  async #confirm(id: string): Promise<void> {
    const { clusters, provisioner, store, deps, logger } = this.#options
    await provisioner.exclusively(id, async () => {
      const watched = this.#watchedOf(id)
      if (watched === undefined) return
      const { cluster } = watched.epoch
      const found = await clusters.use(cluster, `comparing the topic of ${id}`, (admin) => compare(admin, [watched]))
      const [before, now] = [this.of(id), found.get(id) ?? []]
      const isIn = (list: readonly Difference[], one: Difference): boolean => list.some(({ what }) => what === one.what)
      const news = now.filter((one) => !isIn(before, one))
      const gone = before.filter((one) => !isIn(now, one))
      if (now.length === 0) this.#seen.delete(id)
      else this.#seen.set(id, now)
      if (news.length === 0 && gone.length === 0) return
      for (const { alarm, what } of news) logger[alarm ? 'error' : 'warn']({ mqId: id }, what)
      const why = [...news.map(({ what }) => what), ...gone.map(({ what }) => `no more: ${what}`)].join('; ')
      await store.write(`journalling the drift of ${id}`, (tx) =>
        appendEntry(
          tx,
          {
            kind: 'drift',
            subject: id,
            actor: 'mq',
            why,
            before: { differences: before },
            after: { differences: now },
          },
          deps.clock.nowMs(),
          store.revision,
        ),
      )
    })
  }
}

/** By mQ ID. */
async function compare(admin: ClusterAdmin, watched: readonly Watched[]): Promise<Map<string, Difference[]>> {
  const names = watched.map(({ epoch }) => epoch.topic)
  const keys = [...new Set(watched.flatMap(({ record }) => Object.keys(record.spec.topicConfigs)))]
  const facts = await admin.findTopics(names)
  const settings = await admin.topicSettings([...facts.keys()], keys)
  return new Map(
    watched.map(({ record, epoch }) => {
      const { topic, topicId, partitions } = epoch
      const there = facts.get(topic)
      const expected = { topic, topicId, partitions, settings: record.spec.topicConfigs }
      const found = there === undefined ? undefined : { ...there, settings: settings.get(topic) ?? null }
      return [record.id, differences(expected, found)]
    }),
  )
}
