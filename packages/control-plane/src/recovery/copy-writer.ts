/**
 * Keeps the copies of the registry on the clusters up to date.
 *
 * W1. A change is never held up by its copy: it is written afterwards, and again until the cluster has it.
 * W2. A copy goes to every cluster that holds an epoch of the mQ ID or takes part in a migration of it, and to those that did so
 *     since this process started: the cluster that an mQ ID left learns where it went.
 * W3. At the start a cluster gets what it lacks, and nothing else.
 * W4. Nothing is written of an mQ ID that is unsettled.
 */
import type { Deps, TimerHandle } from '@mq/kafka'
import { errorFacts, type Logger } from '../logger.ts'
import type { Migrations } from '../migration/migrations.ts'
import type { Clusters } from '../provision/clusters.ts'
import type { IdRecord } from '../registry/records.ts'
import type { Registry } from '../registry/registry.ts'
import type { Store } from '../store/store.ts'
import { copyKey, decodeCopy, encodeCopy, idOfKey } from './registry-copy.ts'

/** Changes that follow each other closely are written together. */
const GATHER_MS = 50
const COPIES_AT_A_TIME = 500

export interface CopyWriterOptions {
  readonly store: Store
  readonly registry: Registry
  readonly migrations: Migrations
  readonly clusters: Clusters
  readonly deps: Deps
  readonly logger: Logger
}

export class CopyWriter {
  readonly #options: CopyWriterOptions
  /** What each cluster lacks: mQ IDs, each with a number that tells a later change from an earlier one. */
  readonly #lacking = new Map<string, Map<string, number>>()
  #changes = 0
  /** Where each mQ ID has been since the start. */
  readonly #places = new Map<string, Set<string>>()
  /** Clusters whose copies were compared with the registry (W3). */
  readonly #compared = new Set<string>()
  readonly #failing = new Set<string>()
  #timer: TimerHandle | undefined
  #writing: Promise<void> = Promise.resolve()
  #closed = false

  constructor(options: CopyWriterOptions) {
    this.#options = options
  }

  /** The mQ ID changed. */
  changed(id: string): void {
    const record = this.#options.registry.get(id)
    if (record === undefined || record.state === 'absent') return
    for (const cluster of this.#placesOf(record)) this.#lack(cluster, id)
    this.#arm()
  }

  /** Copies that clusters lack now. */
  get backlog(): number {
    return [...this.#lacking.values()].reduce((sum, ids) => sum + ids.size, 0)
  }

  /** Compares clusters that were not compared yet, and writes what is lacking. Never rejects. */
  async flush(): Promise<void> {
    this.#writing = this.#writing.then(() => this.#flush())
    await this.#writing
  }

  /** A request under way is not waited for: it writes to a cluster, and never to the store. */
  close(): void {
    this.#closed = true
    if (this.#timer !== undefined) this.#options.deps.timers.clearTimeout(this.#timer)
  }

  #placesOf(record: IdRecord): Set<string> {
    const places = this.#places.get(record.id) ?? new Set<string>()
    for (const { cluster } of record.epochs) places.add(cluster)
    for (const { mqId, from, to } of this.#options.migrations.active()) {
      if (mqId === record.id) places.add(from.cluster).add(to.cluster)
    }
    if (record.pending?.kind === 'delete') for (const { cluster } of record.pending.topics) places.add(cluster)
    this.#places.set(record.id, places)
    return places
  }

  #lack(cluster: string, id: string): void {
    const ids = this.#lacking.get(cluster) ?? new Map<string, number>()
    this.#lacking.set(cluster, ids.set(id, ++this.#changes))
  }

  #arm(): void {
    if (this.#timer !== undefined || this.#closed) return
    this.#timer = this.#options.deps.timers.setTimeout(() => {
      this.#timer = undefined
      void this.flush()
    }, GATHER_MS)
    this.#timer.unref()
  }

  async #flush(): Promise<void> {
    const { registry, logger } = this.#options
    for (const { address } of registry.clusters()) {
      if (this.#closed) return
      const { name } = address
      try {
        await this.#compare(name)
        await this.#write(name)
        this.#failing.delete(name)
      } catch (error) {
        if (this.#failing.has(name) || this.#closed) continue
        this.#failing.add(name)
        logger.warn(
          { cluster: name, ...errorFacts(error) },
          'the copy of the registry on this cluster cannot be kept up to date: after a restore of the store it would be missing',
        )
      }
    }
  }

  /** W3 */
  async #compare(cluster: string): Promise<void> {
    if (this.#compared.has(cluster)) return
    const { registry, clusters, store } = this.#options
    const here = registry.all().filter((record) => record.state === 'active' && this.#placesOf(record).has(cluster))
    if (here.length === 0 || here.some(({ id }) => registry.unsettled(id) !== undefined)) return
    const values = await clusters.use(cluster, 'reading the copy of the registry', (admin) => admin.readRegistryCopy())
    const known = new Map<string, number>()
    for (const [key, text] of values) {
      const id = idOfKey(store.plane, key)
      const copy = id === undefined ? undefined : decodeCopy(text)
      if (copy !== undefined) known.set(copy.record.id, copy.stamp.revision)
    }
    for (const { id, revision } of here) if (known.get(id) !== revision) this.#lack(cluster, id)
    this.#compared.add(cluster)
  }

  async #write(cluster: string): Promise<void> {
    const { clusters, registry } = this.#options
    const lacking = this.#lacking.get(cluster) ?? new Map<string, number>()
    const due = [...lacking].filter(([id]) => registry.unsettled(id) === undefined)
    for (let from = 0; from < due.length && !this.#closed; from += COPIES_AT_A_TIME) {
      const some = due.slice(from, from + COPIES_AT_A_TIME)
      const values = new Map(some.flatMap(([id]) => this.#copyOf(id) ?? []))
      await clusters.use(cluster, 'writing the copy of the registry', (admin) => admin.writeRegistryCopy(values))
      // What changed during the request is lacking still.
      for (const [id, change] of some) if (lacking.get(id) === change) lacking.delete(id)
    }
  }

  #copyOf(id: string): [[string, string]] | undefined {
    const { store, registry, migrations } = this.#options
    const record = registry.get(id)
    if (record === undefined || record.state === 'absent') return undefined
    const clusters = [...this.#placesOf(record)].flatMap((name) => registry.cluster(name)?.address ?? [])
    const stamp = { incarnation: store.incarnation, revision: record.revision }
    return [[copyKey(store.plane, id), encodeCopy({ stamp, record, clusters, migrations: migrations.of(id) })]]
  }
}
