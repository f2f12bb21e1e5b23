/**
 * The registry: clusters and mQ IDs, in the store and mirrored in memory.
 *
 * R1. Memory follows the change feed; a failed write leaves both as they were.
 * R2. Writes run one after another, and the bindings they publish leave in the order of their revisions: the feed tells them.
 * R3. Every published binding has a revision of its own, also when one change touches many: a stream that breaks
 *     between two of them resumes without a gap.
 * R4. A binding that does not match the contract is never published.
 * R5. While an mQ ID is unsettled (recovery/recovery.ts) it has no binding and gets no revision.
 */
import {
  type ClusterAddress as Address,
  Binding,
  type BindingGroup,
  type ClusterEconomics,
  type ClusterSite,
  MqError,
} from '@mq/contract'
import type { Deps } from '@mq/kafka'
import { Mutex } from '../mutex.ts'
import type { Change } from '../store/ports/change-feed.ts'
import type { NewEntry } from '../store/ports/journal.ts'
import type { WriteTransaction } from '../store/ports/repositories.ts'
import type { Store } from '../store/store.ts'
import { type ClusterRecord, type IdRecord, type IdSpec, UNKNOWN_SITE } from './records.ts'

/** A record without what the registry fills in, to be changed and written again. */
export function withoutStamp<R extends IdRecord>(record: R): Unstamped<R> {
  const { revision: _revision, updatedAtMs: _updatedAtMs, ...rest } = record
  return rest as Unstamped<R>
}

export type Unstamped<R extends IdRecord> = R extends IdRecord ? Omit<R, 'revision' | 'updatedAtMs'> : never
/** A new state of a record; revision and time are filled in by the registry. */
export type IdChange = Unstamped<IdRecord>
/** What else is written in the same transaction. */
export type AlsoWrite = (tx: WriteTransaction, revision: number) => Promise<void>
const nothingElse: AlsoWrite = async () => {}

export class Registry {
  readonly #store: Store
  readonly #deps: Deps
  readonly #ids = new Map<string, IdRecord>()
  readonly #clusters = new Map<string, ClusterRecord>()
  readonly #bindings = new Map<string, Binding>()
  readonly #writes = new Mutex()
  readonly #onBinding: (binding: Binding) => void
  #unsettled: (id: string) => MqError | undefined = () => undefined
  /** Records with a new revision that clients were not told of yet. */
  readonly #news = new Map<string, IdRecord>()
  /** Bindings that were checked before they were written (R4). */
  readonly #prepared = new WeakMap<IdRecord, Binding>()
  #beforePublish: (() => void) | undefined

  private constructor(store: Store, deps: Deps, onBinding: (binding: Binding) => void) {
    this.#store = store
    this.#deps = deps
    this.#onBinding = onBinding
  }

  /** Reads the whole store once; `onBinding` is called for every binding published later (R2). */
  static async load(store: Store, deps: Deps, onBinding: (binding: Binding) => void): Promise<Registry> {
    const registry = new Registry(store, deps, onBinding)
    try {
      for (const record of await store.read.mqIds.all()) registry.#ids.set(record.id, record)
      for (const record of await store.read.clusters.all()) registry.#clusters.set(record.address.name, record)
    } catch (error) {
      if (error instanceof MqError) throw error
      throw new MqError('MQ_STORE_DAMAGED', `the store in ${store.dataDir} holds rows mQ cannot read`, { cause: error })
    }
    store.feed.mirror(({ changes }) => registry.#follow(changes))
    store.feed.subscribe(() => registry.#tell())
    return registry
  }

  /** R1 */
  #follow(changes: readonly Change[]): void {
    for (const change of changes) {
      if (change.of === 'cluster') {
        if (change.record === null) this.#clusters.delete(change.name)
        else this.#clusters.set(change.name, change.record)
      } else if (change.of === 'mq-id') {
        const { id, record } = change
        if (record === null) this.#ids.delete(id)
        else {
          if (record.revision !== (this.#ids.get(id)?.revision ?? 0)) this.#news.set(id, record)
          this.#ids.set(id, record)
        }
      }
    }
  }

  /** Clients hear of every binding with a new revision (R2). */
  #tell(): void {
    const news = [...this.#news.values()]
    this.#news.clear()
    for (const record of news) this.#bindings.set(record.id, this.#prepared.get(record) ?? this.#bind(record))
    this.#beforePublish?.()
    for (const { id } of news) this.#onBinding(this.#bindings.get(id)!)
  }

  get(id: string): IdRecord | undefined {
    return this.#ids.get(id)
  }

  all(): IdRecord[] {
    return [...this.#ids.values()].sort((a, b) => (a.id < b.id ? -1 : 1))
  }

  cluster(name: string): ClusterRecord | undefined {
    return this.#clusters.get(name)
  }

  clusters(): ClusterRecord[] {
    return [...this.#clusters.values()].sort((a, b) => (a.address.name < b.address.name ? -1 : 1))
  }

  /** mQ IDs that have or are about to have a topic on the cluster. */
  idsOn(cluster: string): string[] {
    return this.all()
      .filter((record) => placesOf(record).includes(cluster))
      .map((record) => record.id)
  }

  /** @param ask why nothing may be said of an mQ ID or done with it (R5) */
  holdBack(ask: (id: string) => MqError | undefined): void {
    this.#unsettled = ask
  }

  /** Why the mQ ID is unsettled; undefined where it is not (R5). */
  unsettled(id: string): MqError | undefined {
    return this.#unsettled(id)
  }

  /** The binding of an mQ ID that is or was active; none while it is unsettled (R5). */
  binding(id: string): Binding | undefined {
    if (this.#unsettled(id) !== undefined) return undefined
    const cached = this.#bindings.get(id)
    if (cached !== undefined) return cached
    const record = this.#ids.get(id)
    if (record === undefined || record.state === 'absent') return undefined
    const binding = this.#bind(record)
    this.#bindings.set(id, binding)
    return binding
  }

  /** Writes a record without telling clients: steps of a change that is not true yet. */
  async keep(change: IdChange, alsoWrite: AlsoWrite = nothingElse): Promise<IdRecord> {
    return this.#writes.run(async () => {
      const revision = this.#ids.get(change.id)?.revision ?? 0
      const record = { ...change, revision, updatedAtMs: this.#deps.clock.nowMs() } as IdRecord
      await this.#store.write(`keeping ${change.id}`, async (tx) => {
        await tx.mqIds.save(record)
        await alsoWrite(tx, revision)
      })
      return record
    })
  }

  /** Writes a record with a new revision and its decision, and publishes its binding. */
  async publish(change: IdChange, decision: NewEntry, alsoWrite: AlsoWrite = nothingElse): Promise<IdRecord> {
    return this.#writes.run(async () => {
      const unsettled = this.#unsettled(change.id)
      if (unsettled !== undefined) throw unsettled
      const now = this.#deps.clock.nowMs()
      const record = { ...change, revision: this.#store.revision + 1, updatedAtMs: now } as IdRecord
      this.#prepared.set(record, this.#bind(record))
      await this.#store.write(`publishing ${change.id}`, async (tx) => {
        await tx.revision.raise(record.revision)
        await tx.mqIds.save(record)
        await tx.journal.append(decision, now, record.revision)
        await alsoWrite(tx, record.revision)
      })
      return record
    })
  }

  /** Removes a record that never became active. */
  async forget(id: string): Promise<void> {
    await this.#writes.run(async () => {
      if (this.#ids.get(id)?.state !== 'absent') return
      await this.#store.write(`forgetting ${id}`, (tx) => tx.mqIds.remove(id))
    })
  }

  /** Registers a cluster or changes its addresses; the bindings that carry it are published again. */
  async putCluster(address: Address, actor: string): Promise<ClusterRecord> {
    return this.#writes.run(async () => {
      const before = this.#clusters.get(address.name)
      if (before !== undefined && JSON.stringify(before.address) === JSON.stringify(address)) return before
      const now = this.#deps.clock.nowMs()
      const after: ClusterRecord = {
        address,
        kafkaId: before?.kafkaId ?? null,
        economics: before?.economics ?? null,
        site: before?.site ?? UNKNOWN_SITE,
        createdAtMs: before?.createdAtMs ?? now,
        updatedAtMs: now,
      }
      const decision: NewEntry = {
        kind: before === undefined ? 'register-cluster' : 'change-cluster',
        subject: address.name,
        actor,
        why: 'asked for',
        before: before?.address ?? null,
        after: address,
      }
      await this.#republish(
        (record) => record.epochs.some((epoch) => epoch.cluster === address.name),
        async (tx) => {
          await tx.clusters.save(after)
        },
        decision,
        new Map([...this.#clusters, [address.name, after]]),
      )
      return after
    })
  }

  /** What a cluster costs by; no binding carries it, so no client hears of it. */
  async setEconomics(name: string, economics: ClusterEconomics | null, actor: string): Promise<void> {
    await this.#writes.run(async () => {
      const before = this.#clusters.get(name)
      if (before === undefined) throw new MqError('MQ_CLUSTER_UNKNOWN', `no cluster '${name}' is registered`)
      if (JSON.stringify(before.economics) === JSON.stringify(economics)) return
      const now = this.#deps.clock.nowMs()
      const after = { ...before, economics, updatedAtMs: now }
      await this.#store.write(`keeping prices of cluster ${name}`, async (tx) => {
        await tx.clusters.save(after)
        await tx.journal.append(
          { kind: 'price-cluster', subject: name, actor, why: 'asked for', before: before.economics, after: economics },
          now,
          this.#store.revision,
        )
      })
    })
  }

  /** Where a cluster stands and how it is labelled; no binding carries it, so no client hears of it. */
  async setSite(name: string, change: Partial<ClusterSite>, actor: string): Promise<void> {
    await this.#writes.run(async () => {
      const before = this.#clusters.get(name)
      if (before === undefined) throw new MqError('MQ_CLUSTER_UNKNOWN', `no cluster '${name}' is registered`)
      const site = { ...before.site, ...change }
      if (JSON.stringify(before.site) === JSON.stringify(site)) return
      const now = this.#deps.clock.nowMs()
      const after = { ...before, site, updatedAtMs: now }
      await this.#store.write(`keeping labels of cluster ${name}`, async (tx) => {
        await tx.clusters.save(after)
        await tx.journal.append(
          { kind: 'label-cluster', subject: name, actor, why: 'asked for', before: before.site, after: site },
          now,
          this.#store.revision,
        )
      })
    })
  }

  /** Writes into the journal what changed nothing of the registry. */
  async note(entry: NewEntry): Promise<void> {
    await this.#writes.run(() =>
      this.#store.write(`noting ${entry.kind} of ${entry.subject}`, (tx) =>
        tx.journal.append(entry, this.#deps.clock.nowMs(), this.#store.revision),
      ),
    )
  }

  /** Remembers which Kafka cluster stands behind a name. */
  async setKafkaId(name: string, kafkaId: string): Promise<void> {
    await this.#writes.run(async () => {
      const before = this.#clusters.get(name)
      if (before === undefined || before.kafkaId === kafkaId) return
      const after = { ...before, kafkaId }
      await this.#store.write(`keeping cluster ${name}`, (tx) => tx.clusters.save(after))
    })
  }

  async deleteCluster(name: string, actor: string): Promise<void> {
    await this.#writes.run(async () => {
      const before = this.#clusters.get(name)
      if (before === undefined) throw new MqError('MQ_CLUSTER_UNKNOWN', `no cluster '${name}' is registered`)
      const users = this.idsOn(name)
      if (users.length > 0) {
        const some = users.slice(0, 3).join(', ')
        throw new MqError(
          'MQ_CLUSTER_IN_USE',
          `${users.length} mQ ID${users.length === 1 ? ' lives' : 's live'} on cluster '${name}': ${some}${users.length > 3 ? ', ...' : ''}`,
          { details: { mqIds: users.slice(0, 100) } },
        )
      }
      await this.#store.write(`forgetting cluster ${name}`, async (tx) => {
        await tx.clusters.remove(name)
        await tx.journal.append(
          { kind: 'forget-cluster', subject: name, actor, why: 'asked for', before: before.address, after: null },
          this.#deps.clock.nowMs(),
          this.#store.revision,
        )
      })
    })
  }

  /** A new incarnation above `seen`; nothing is published until mQ IDs are settled. */
  async renew(seen: number, why: string): Promise<number> {
    return this.#writes.run(async () => {
      const before = this.#store.incarnation
      const after = await this.#store.renew(seen)
      this.#bindings.clear()
      const entry = { kind: 'new-incarnation', subject: 'store', actor: 'mq', why, before, after } as const
      await this.#store.write('starting a new incarnation', (tx) =>
        tx.journal.append(entry, this.#deps.clock.nowMs(), this.#store.revision),
      )
      return after
    })
  }

  /**
   * Writes what was found out about mQ IDs after a restore, each under a new revision, in one transaction (R3).
   * @param beforePublish called once the rows are through and before clients hear of them
   */
  async settle(
    changes: readonly { readonly record: IdChange; readonly entry: NewEntry; readonly alsoWrite: AlsoWrite }[],
    beforePublish: () => void,
  ): Promise<void> {
    if (changes.length === 0) return
    await this.#writes.run(async () => {
      const now = this.#deps.clock.nowMs()
      let revision = this.#store.revision
      const written = changes.map((change) => {
        revision++
        const record = { ...change.record, revision, updatedAtMs: now } as IdRecord
        this.#prepared.set(record, this.#bind(record))
        return { ...change, record }
      })
      try {
        await this.#store.write('settling', async (tx) => {
          for (const { record, entry, alsoWrite } of written) {
            await tx.revision.raise(record.revision)
            await tx.mqIds.save(record)
            await tx.journal.append(entry, now, record.revision)
            await alsoWrite(tx, record.revision)
          }
          // Here, so that it belongs to this commit and to no other that waited for its turn.
          this.#beforePublish = beforePublish
        })
      } finally {
        this.#beforePublish = undefined
      }
    })
  }

  /** Gives every active record that `touches` a new revision, in one transaction with `alsoWrite` (R3). */
  async #republish(
    touches: (record: Extract<IdRecord, { state: 'active' | 'deleted' }>) => boolean,
    alsoWrite: (tx: WriteTransaction) => Promise<void>,
    decision: NewEntry,
    clusters: ReadonlyMap<string, ClusterRecord>,
  ): Promise<void> {
    const now = this.#deps.clock.nowMs()
    let revision = this.#store.revision
    const changed: IdRecord[] = []
    for (const record of this.all()) {
      if (record.state === 'absent' || this.#unsettled(record.id) !== undefined || !touches(record)) continue
      revision++
      const next = { ...record, revision, updatedAtMs: now }
      this.#prepared.set(next, this.#bind(next, clusters))
      changed.push(next)
    }
    await this.#store.write(decision.kind, async (tx) => {
      await alsoWrite(tx)
      for (const record of changed) await tx.mqIds.restamp(record)
      await tx.revision.raise(revision)
      await tx.journal.append(decision, now, revision)
    })
  }

  #bind(record: IdRecord, clusters: ReadonlyMap<string, ClusterRecord> = this.#clusters): Binding {
    if (record.state === 'absent') throw new MqError('MQ_INTERNAL', `${record.id} has no binding yet`)
    const names = [...new Set(record.epochs.map((epoch) => epoch.cluster))]
    const parsed = Binding.safeParse({
      mqId: record.id,
      incarnation: this.#store.incarnation,
      revision: record.revision,
      deleted: record.state === 'deleted',
      format: record.spec.intent.format,
      ordering: record.spec.intent.ordering,
      ...(record.spec.intent.retention.policy === 'latest-per-key' ? { keyRequired: true } : {}),
      ...(record.spec.timestamps === undefined ? {} : { timestamps: record.spec.timestamps }),
      epochs: record.epochs.map((epoch) => (epoch.state === 'preparing' ? { ...epoch, opensWhenSealed: true } : epoch)),
      clusters: names.flatMap((name) => clusters.get(name)?.address ?? []),
      producer: record.spec.producer,
      consumer: record.spec.consumer,
      trial: record.spec.trial,
      ...(record.spec.holds === undefined || record.spec.holds.length === 0 ? {} : { holds: record.spec.holds }),
      ...groupsOf(record.spec),
    })
    if (!parsed.success) {
      throw new MqError('MQ_INTERNAL', `the binding of ${record.id} would break the contract`, {
        cause: parsed.error,
      })
    }
    return parsed.data
  }
}

/** What the binding says of single groups. */
function groupsOf({ intent, redrive = {} }: IdSpec): { groups?: Record<string, BindingGroup> } {
  const names = new Set([...Object.keys(intent.groups ?? {}), ...Object.keys(redrive)])
  if (names.size === 0) return {}
  const of = (group: string): BindingGroup => ({
    ...intent.groups?.[group],
    ...(redrive[group] === undefined ? {} : { redrive: redrive[group] }),
  })
  return { groups: Object.fromEntries([...names].map((group) => [group, of(group)])) }
}

function placesOf(record: IdRecord): string[] {
  const places = record.epochs.map((epoch) => epoch.cluster)
  if (record.pending?.kind === 'create') places.push(record.pending.place.cluster)
  if (record.pending?.kind === 'delete') places.push(...record.pending.topics.map((topic) => topic.cluster))
  return places
}
