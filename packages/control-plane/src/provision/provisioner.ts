/**
 * Makes declared mQ IDs true on Kafka, and keeps them so.
 *
 * P1. One change of an mQ ID at a time; requests for the same id wait for each other and the later one sees the earlier.
 * P2. Before anything outside the store is touched, the change stands in the store as `pending`; the transaction that
 *     makes it true clears it. Whoever finds a pending change finishes it, from the row alone.
 * P3. A topic mQ did not make is never taken over. A pending creation may find its own topic: it is known by having the
 *     exact shape asked for and no record ever written, after it was seen to be absent before the row was written.
 * P4. Declaring what is already true changes nothing: no revision, no decision, no push.
 * P5. A deletion is told to clients before the topic goes, and its tombstone stays.
 * P7. mQ IDs of mQ's own (side-queues.ts) are made, changed and deleted through here like any other.
 * P6. An mQ ID that is in use is deleted only by force. The topics of a deleted one stay for a grace time: until then an undelete
 *     brings everything back, and the mQ ID cannot be declared anew, because that would let go of what it held.
 */
import { didYouMean, type Intent, MqError, type PlanEntry, type SideOf } from '@mq/contract'
import type { Deps } from '@mq/kafka'
import { errorFacts, type Logger } from '../logger.ts'
import { KeyedMutex } from '../mutex.ts'
import type { ActiveId, CreatedBy, IdRecord, IdSpec, Pending } from '../registry/records.ts'
import { type AlsoWrite, type IdChange, type Registry, withoutStamp } from '../registry/registry.ts'
import type { TopicFacts } from './cluster-admin.ts'
import type { Clusters } from './clusters.ts'
import { clusterChoice, decide, lastingOf, standingOf, tunedOf } from './decide.ts'
import { chooseHome, refusedAtHome, refusedHome } from './home.ts'
import { deletedBy, dependsOnRecords, diffIntents, type Refusal, refusedChange, unmetWish } from './intent-changes.ts'
import { sameInMetrics, topicName } from './placement-rules.ts'
import {
  deletedError,
  foreignTopic,
  keptError,
  migrationRunning,
  type Removed,
  refusalError,
  removedOf,
  unknownError,
} from './provision-errors.ts'
import { asSide } from './side-intent.ts'
import { type StartingSettings, startingSettings } from './starting-settings.ts'
import { type TimeLimit, withTimeLimit } from './time-limit.ts'
import { alterTopic, awaitLeaders, createTopic, isOurs, timeLimitOf } from './topic.ts'

export interface ProvisionerOptions {
  readonly registry: Registry
  readonly clusters: Clusters
  readonly deps: Deps
  readonly logger: Logger
  /** Whether a client uses the mQ ID now, so that records may be under way. */
  readonly inUse: (id: string) => boolean
  /** Who uses the mQ ID now, in words: applications and groups. */
  readonly users?: (id: string) => readonly string[]
  /** An unknown mQ ID was made because somebody used it. @param hint which other one may be meant, in words; empty when none is near */
  readonly onFirstUse?: ((id: string, actor: string, hint: string) => void) | undefined
  /** Number of the migration the mQ ID is in the middle of. */
  readonly migrationOf?: (id: string) => number | undefined
  /** Settings that mQ IDs begin with in place of those of the rules. */
  readonly startWith?: Readonly<Record<string, StartingSettings>>
}

type CreatePending = Extract<Pending, { kind: 'create' }>
type UpdatePending = Extract<Pending, { kind: 'update' }>
type DeletePending = Extract<Pending, { kind: 'delete' }>

export interface SpecChange {
  readonly spec: IdSpec
  /** Settings of the topic that follow. */
  readonly alter: Readonly<Record<string, string>>
  readonly actor: string
  readonly why: string
}

export class Provisioner {
  readonly #options: ProvisionerOptions
  readonly #locks = new KeyedMutex()

  constructor(options: ProvisionerOptions) {
    this.#options = options
  }

  /** What `declare` would do; touches nothing. */
  async plan(id: string, intent: Intent): Promise<PlanEntry> {
    const unsettled = this.#options.registry.unsettled(id)
    if (unsettled !== undefined) {
      return { id, action: 'refuse', changes: [], refusal: { code: unsettled.code, message: unsettled.message } }
    }
    const record = this.#options.registry.get(id)
    const active = record?.state === 'active' ? record : undefined
    const changes = diffIntents(active?.spec.intent ?? null, intent)
    const deletes = active === undefined ? [] : deletedBy(active.spec.intent, intent)
    const entry = (action: PlanEntry['action'], refusal: Refusal | null = null): PlanEntry => ({
      id,
      action,
      changes: action === 'unchanged' ? [] : changes,
      ...(deletes.length === 0 || action !== 'update' ? {} : { deletes }),
      refusal,
    })
    if (record?.pending?.kind === 'delete' && this.#isKept(record.pending)) {
      const { code, message } = keptError(id, record.pending)
      return entry('refuse', { code, message })
    }
    if (active === undefined) {
      const refusal =
        unmetWish(intent) ??
        this.nameClash(id, (record?.lastEpoch ?? 0) + 1) ??
        refusedHome(this.#options.clusters, intent)
      return refusal === undefined ? entry('create') : entry('refuse', refusal)
    }
    if (changes.length === 0) return entry('unchanged')
    const moved = this.#options.migrationOf?.(id)
    if (moved !== undefined) {
      const { code, message } = migrationRunning(id, moved)
      return entry('refuse', { code, message })
    }
    const refusal = await this.#refusedUpdate(active, intent)
    return refusal === undefined ? entry('update') : entry('refuse', refusal)
  }

  /** Makes the mQ ID so; returns what was done (P1, P4). */
  async declare(id: string, intent: Intent, createdBy: CreatedBy, actor: string): Promise<PlanEntry> {
    return this.#locks.run(id, async () => {
      await this.#finish(id)
      const entry = await this.plan(id, intent)
      if (entry.refusal !== null) throw refusalError(id, entry.refusal)
      if (entry.action === 'create') await this.#create(id, intent, createdBy, actor)
      if (entry.action === 'update') await this.#update(id, intent, actor, entry)
      return entry
    })
  }

  /** Declares an unknown mQ ID on its first use; one that exists stays as it is, one that was deleted stays deleted. */
  async firstUse(id: string, intent: Intent, actor: string): Promise<void> {
    await this.#locks.run(id, async () => {
      await this.#finish(id)
      const state = this.#options.registry.get(id)?.state
      if (state === 'active') return
      if (state === 'deleted') throw deletedError(id)
      const known = this.#options.registry.all().flatMap((one) => (one.state === 'active' ? [one.id] : []))
      await this.#create(id, intent, 'first-use', actor)
      this.#options.onFirstUse?.(id, actor, didYouMean(id, known))
    })
  }

  /** Makes an mQ ID of mQ's own, or lets one that is there follow a changed intent of the mQ ID it belongs to (P7). */
  async ensureSide(id: string, side: SideOf, intent: Intent, actor: string): Promise<void> {
    await this.#locks.run(id, async () => {
      await this.#finish(id)
      const record = this.#options.registry.get(id)
      const entry = await this.plan(id, intent)
      if (entry.refusal !== null) throw refusalError(id, entry.refusal)
      if (record?.state !== 'active') return this.#create(id, intent, 'first-use', actor, side)
      const { side: known } = record.spec
      if (known?.mqId !== side.mqId || known.group !== side.group) {
        throw new MqError('MQ_INTERNAL', `${id} belongs to group ${known?.group} of ${known?.mqId}`)
      }
      if (entry.action === 'update') await this.#update(id, intent, actor, entry)
    })
  }

  /** Deletes the mQ ID; its records go after the grace time (P5, P6). */
  async remove(id: string, actor: string, request: { graceMs: number; force: boolean }): Promise<Removed> {
    return this.#locks.run(id, async () => {
      const { registry, clusters, deps } = this.#options
      await this.#finish(id)
      const record = registry.get(id)
      if (record?.state === 'deleted' && record.pending?.kind === 'delete' && request.graceMs === 0) {
        return this.#removeNow(record, record.pending)
      }
      if (record?.state === 'deleted') throw deletedError(id)
      if (record?.state !== 'active') throw unknownError(id)
      const users = request.force ? [] : (this.#options.users?.(id) ?? [])
      if (users.length > 0) {
        throw new MqError('MQ_ID_IN_USE', `'${id}' is in use: ${users.slice(0, 10).join(', ')}`, {
          details: { mqId: id, users: users.slice(0, 100) },
        })
      }
      const moved = this.#options.migrationOf?.(id)
      if (moved !== undefined) throw migrationRunning(id, moved)
      for (const cluster of new Set(record.epochs.map((epoch) => epoch.cluster))) await clusters.reach(cluster)
      const topics = record.epochs.map((epoch) => ({ cluster: epoch.cluster, topic: epoch.topic }))
      const change: IdChange = {
        ...withoutStamp(record),
        state: 'deleted',
        epochs: [],
        pending: {
          kind: 'delete',
          topics,
          notBeforeMs: request.graceMs === 0 ? 0 : deps.clock.nowMs() + request.graceMs,
          epochs: [...record.epochs],
        },
      }
      await registry.publish(change, {
        kind: 'delete',
        subject: id,
        actor,
        why: 'asked for',
        before: { intent: record.spec.intent, epochs: record.epochs },
        after: null,
      })
      await this.#finish(id)
      return removedOf(registry.get(id)?.pending ?? null, topics)
    })
  }

  /** The records of a deleted mQ ID go before their grace time is over. */
  async #removeNow(record: IdRecord, pending: DeletePending): Promise<Removed> {
    await this.#options.registry.keep({ ...withoutStamp(record), pending: { ...pending, notBeforeMs: 0 } })
    await this.#finish(record.id)
    return removedOf(null, pending.topics)
  }

  /** Brings a deleted mQ ID back as it was, with its records (P6). */
  async undelete(id: string, actor: string): Promise<void> {
    await this.#locks.run(id, async () => {
      const { registry, clusters } = this.#options
      const unsettled = registry.unsettled(id)
      if (unsettled !== undefined) throw unsettled
      const record = registry.get(id)
      if (record === undefined || record.state === 'absent') throw unknownError(id)
      const { pending } = record
      if (record.state === 'active') throw new MqError('MQ_REQUEST_INVALID', `'${id}' is not deleted`)
      if (pending?.kind !== 'delete' || pending.notBeforeMs === 0 || pending.epochs.length === 0) {
        throw new MqError('MQ_ID_DELETED', `'${id}' was deleted, and its records are gone`, { details: { mqId: id } })
      }
      for (const { cluster, topic } of pending.topics) {
        await clusters.reach(cluster)
        const found = await clusters.use(cluster, `looking for topic ${topic}`, (admin) => admin.findTopics([topic]))
        if (!found.has(topic)) {
          throw new MqError('MQ_TOPIC_MISSING', `topic ${topic} of '${id}' is not on cluster '${cluster}' any more`)
        }
      }
      await registry.publish(
        { ...withoutStamp(record), state: 'active', epochs: pending.epochs, pending: null },
        {
          kind: 'undelete',
          subject: id,
          actor,
          why: 'asked for',
          before: null,
          after: { intent: record.spec.intent, epochs: pending.epochs },
        },
      )
    })
  }

  /** Changes settings of the topic that no intent names; what is already so stays untouched (P2, P4). */
  async reconfigure(
    id: string,
    actor: string,
    why: string,
    change: (record: ActiveId) => { readonly spec: IdSpec; readonly alter: Readonly<Record<string, string>> },
  ): Promise<void> {
    await this.exclusively(id, async () => {
      const { registry } = this.#options
      const record = registry.get(id)
      if (record?.state !== 'active') throw unknownError(id)
      const moved = this.#options.migrationOf?.(id)
      if (moved !== undefined) throw migrationRunning(id, moved)
      await this.changeSpec(record, { ...change(record), actor, why })
    })
  }

  /** Changes what is wanted of the mQ ID and its topic (P2). The caller holds the lock. */
  async changeSpec(record: ActiveId, { spec, alter, actor, why }: SpecChange, alsoWrite?: AlsoWrite): Promise<void> {
    const pending: UpdatePending = { kind: 'update', spec, alter: { ...alter }, actor, why }
    await this.#options.registry.keep({ ...withoutStamp(record), pending }, alsoWrite)
    await this.#finish(record.id)
  }

  /** Runs `work` while nothing else changes the mQ ID, after what was pending is done (P1). */
  async exclusively<T>(id: string, work: () => Promise<T>): Promise<T> {
    return this.#locks.run(id, async () => {
      await this.#finish(id)
      return work()
    })
  }

  /** Finishes every change a crash or an outage left pending (P2). Those that still cannot are kept for the next time. */
  async resume(): Promise<void> {
    const { registry, logger } = this.#options
    for (const record of registry.all()) {
      if (record.pending === null || registry.unsettled(record.id) !== undefined) continue
      if (this.#isKept(record.pending)) continue
      try {
        await this.#locks.run(record.id, () => this.#finish(record.id))
        logger.info({ mqId: record.id, change: record.pending.kind }, 'finished a pending change')
      } catch (error) {
        logger.warn({ mqId: record.id, change: record.pending.kind, ...errorFacts(error) }, 'a change is still pending')
      }
    }
  }

  async #create(id: string, intent: Intent, createdBy: CreatedBy, actor: string, side?: SideOf): Promise<void> {
    const { registry, clusters, deps, startWith = {} } = this.#options
    const before = registry.get(id)
    const epoch = (before?.lastEpoch ?? 0) + 1
    const refusal = unmetWish(intent) ?? this.nameClash(id, epoch)
    if (refusal !== undefined) throw refusalError(id, refusal)
    const chosen = await chooseHome(clusters, intent)
    const start = Object.hasOwn(startWith, id) ? startingSettings(intent, startWith[id]!) : undefined
    const decided = decide(intent, chosen.cluster, chosen.choice, undefined, start)
    const { spec, partitions } = side === undefined ? decided : asSide(decided.spec, side)
    const topic = topicName(id, epoch)
    const { name: cluster } = chosen.cluster
    const existing = await clusters.use(cluster, `looking for topic ${topic}`, (admin) => admin.findTopics([topic]))
    if (existing.has(topic)) throw foreignTopic(topic, cluster)
    const pending: CreatePending = {
      kind: 'create',
      spec,
      place: { cluster, topic, epoch, partitions },
      actor,
      why: createdBy === 'apply' ? 'declared' : 'used for the first time',
    }
    const now = deps.clock.nowMs()
    const change: IdChange =
      before?.state === 'deleted'
        ? { ...withoutStamp(before), createdBy, createdAtMs: now, pending }
        : { id, state: 'absent', spec: null, epochs: [], lastEpoch: 0, createdBy, createdAtMs: now, pending }
    await registry.keep(change)
    await this.#finish(id)
  }

  async #update(id: string, intent: Intent, actor: string, entry: PlanEntry): Promise<void> {
    const { registry, clusters } = this.#options
    const record = registry.get(id) as ActiveId
    const { name, brokers } = await clusters.reach(record.epochs.at(-1)!.cluster)
    const decided = decide(
      intent,
      { name, brokers },
      clusterChoice(record.spec),
      standingOf(record),
      tunedOf(record, intent),
    )
    const spec = { ...decided.spec, ...lastingOf(record.spec) }
    const alter = Object.fromEntries(
      Object.entries(spec.topicConfigs).filter(([key, value]) => record.spec.topicConfigs[key] !== value),
    )
    const why = entry.changes
      .map((one) => `${one.path}: ${one.before ?? 'unset'} -> ${one.after ?? 'unset'}`)
      .join('; ')
    await registry.keep({ ...withoutStamp(record), pending: { kind: 'update', spec, alter, actor, why } })
    await this.#finish(id)
  }

  /** Carries the pending change of an mQ ID to its end, if there is one. The caller holds the lock. */
  async #finish(id: string): Promise<void> {
    const unsettled = this.#options.registry.unsettled(id)
    if (unsettled !== undefined) throw unsettled
    const record = this.#options.registry.get(id)
    switch (record?.pending?.kind) {
      case 'create':
        return this.#finishCreate(record, record.pending)
      case 'update':
        return this.#finishUpdate(record as ActiveId, record.pending)
      case 'delete':
        return this.#finishDelete(record, record.pending)
      case undefined:
        return
    }
  }

  async #finishCreate(record: IdRecord, pending: CreatePending): Promise<void> {
    const { registry, clusters, deps } = this.#options
    const { cluster, topic, partitions, epoch } = pending.place
    let limit: TimeLimit = 'unknown'
    let facts: TopicFacts
    try {
      await clusters.reach(cluster)
      await clusters.use(cluster, `making topic ${topic}`, async (admin) => {
        try {
          const { replication, topicConfigs: configs } = pending.spec
          limit = await createTopic(admin, { name: topic, partitions, replication, configs })
        } catch (error) {
          if (!(error instanceof MqError) || error.code !== 'MQ_TOPIC_EXISTS') throw error
          if (!(await isOurs(admin, topic, partitions, pending.spec.replication))) throw foreignTopic(topic, cluster)
          limit = await timeLimitOf(admin, topic)
        }
      })
      facts = await awaitLeaders(clusters, deps, cluster, topic, partitions)
    } catch (error) {
      // What will fail again in the same way is given up; what may succeed later stays pending (P2).
      if (error instanceof MqError && !error.retryable) await this.#giveUp(record)
      throw error
    }
    const spec = withTimeLimit(pending.spec, limit)
    await registry.publish(
      {
        ...withoutStamp(record),
        state: 'active',
        spec,
        lastEpoch: epoch,
        pending: null,
        epochs: [
          {
            epoch,
            state: 'open',
            cluster,
            topic,
            partitions,
            endOffsets: null,
            topicId: facts.topicId,
            createdAtMs: deps.clock.nowMs(),
          },
        ],
      },
      {
        kind: 'create',
        subject: record.id,
        actor: pending.actor,
        why: pending.why,
        before: null,
        after: { intent: spec.intent, ...pending.place, choices: spec.choices, warnings: spec.warnings },
      },
    )
  }

  async #finishUpdate(record: ActiveId, pending: UpdatePending): Promise<void> {
    const { registry, clusters } = this.#options
    const { cluster, topic } = record.epochs.at(-1)!
    let limit: TimeLimit
    try {
      if (Object.keys(pending.alter).length > 0) {
        await clusters.reach(cluster)
        await clusters.use(cluster, `changing topic ${topic}`, (admin) => alterTopic(admin, topic, pending.alter))
      }
      limit = await clusters
        .use(cluster, `looking at topic ${topic}`, (admin) => timeLimitOf(admin, topic))
        .catch(() => 'unknown' as const)
    } catch (error) {
      if (error instanceof MqError && !error.retryable) await registry.keep({ ...withoutStamp(record), pending: null })
      throw error
    }
    await registry.publish(
      { ...withoutStamp(record), spec: withTimeLimit(pending.spec, limit), pending: null },
      {
        kind: 'change',
        subject: record.id,
        actor: pending.actor,
        why: pending.why,
        before: { intent: record.spec.intent, producer: record.spec.producer, consumer: record.spec.consumer },
        after: { intent: pending.spec.intent, producer: pending.spec.producer, consumer: pending.spec.consumer },
      },
    )
  }

  /** Whether the records of a deleted mQ ID may still be brought back (P6). */
  #isKept(pending: Pending | null): boolean {
    return pending?.kind === 'delete' && pending.notBeforeMs > this.#options.deps.clock.nowMs()
  }

  async #finishDelete(record: IdRecord, pending: DeletePending): Promise<void> {
    if (this.#isKept(pending)) return
    const { registry, clusters } = this.#options
    for (const { cluster, topic } of pending.topics) {
      await clusters.reach(cluster)
      await clusters.use(cluster, `deleting topic ${topic}`, (admin) => admin.deleteTopic(topic))
    }
    await registry.keep({ ...withoutStamp(record), pending: null })
  }

  async #giveUp(record: IdRecord): Promise<void> {
    const { registry } = this.#options
    if (record.state === 'absent') await registry.forget(record.id)
    else await registry.keep({ ...withoutStamp(record), pending: null })
  }

  async #refusedUpdate(record: ActiveId, intent: Intent): Promise<Refusal | undefined> {
    const before = record.spec.intent
    const asFull = refusedChange(before, intent, false) ?? refusedAtHome(this.#options.clusters, record, intent)
    if (asFull === undefined || !dependsOnRecords(before, intent) || this.#options.inUse(record.id)) return asFull
    const { cluster, topic, partitions } = record.epochs.at(-1)!
    await this.#options.clusters.reach(cluster)
    const ends = await this.#options.clusters.use(cluster, `reading the offsets of ${topic}`, (admin) =>
      admin.endOffsets(topic, partitions),
    )
    return ends.every((end) => end === 0n) ? undefined : asFull
  }

  nameClash(id: string, epoch: number): Refusal | undefined {
    const topic = topicName(id, epoch)
    for (const other of this.#options.registry.all()) {
      const topics = other.epochs.map((one) => one.topic)
      if (other.pending?.kind === 'delete' && other.id !== id)
        topics.push(...other.pending.topics.map((one) => one.topic))
      if (other.pending?.kind === 'create' && other.id !== id) topics.push(other.pending.place.topic)
      const clash = topics.find((one) => sameInMetrics(one, topic))
      if (clash !== undefined) {
        return {
          code: 'MQ_TOPIC_EXISTS',
          message: `'${id}' and '${other.id}' differ only in '.' and '_', which Kafka cannot tell apart in its metrics`,
        }
      }
    }
    return undefined
  }
}
