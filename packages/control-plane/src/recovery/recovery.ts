/**
 * Brings a store that was restored from a backup up to what clusters know, before anything in it is published.
 *
 * V1. From the moment a store is known to be restored, every mQ ID is unsettled, those the store never heard of included: it has no
 *     binding, nothing is changed or migrated, and clients keep what they have.
 * V2. An mQ ID is settled by settle.ts alone, or by a person (`settleAs`). What is settled is published under the new incarnation,
 *     in one transaction with the migrations that belong to it.
 * V3. That a store is being recovered outlives a restart (Store S5), until every mQ ID is settled and every cluster was read.
 * V4. A store is known to be restored by its own mark (Store S2), or by a client that runs on a later binding than it ever made. A
 *     claim no store of ours can have made (an incarnation of the future) is ignored, and at most one claim counts in
 *     CLAIM_PAUSE_MS: a client that lies cannot make the others ask all day.
 * V5. A migration that only the restored store knows, and that may still be cancelled, is cancelled: somebody may have done so since.
 */
import { MqError } from '@mq/contract'
import type { Deps } from '@mq/kafka'
import { errorFacts, type Logger } from '../logger.ts'
import { isCancellable, isEnd } from '../migration/machine.ts'
import type { Migrations } from '../migration/migrations.ts'
import { type MigrationRecord, withStep } from '../migration/record.ts'
import type { Clusters } from '../provision/clusters.ts'
import type { Position } from '../push/hub.ts'
import { type Registry, withoutStamp } from '../registry/registry.ts'
import type { Store } from '../store/store.ts'
import { Evidences } from './evidence.ts'
import { type KnownRecord, type Settlement, settle, unsettledText } from './settle.ts'

export const CLAIM_PAUSE_MS = 60_000
/** Clocks of machines may differ by this much. */
const CLOCK_SLACK_S = 300

export interface RecoveryOptions {
  readonly store: Store
  readonly registry: Registry
  readonly clusters: Clusters
  readonly migrations: Migrations
  readonly deps: Deps
  readonly logger: Logger
  /** Goes on with the migrations of an mQ ID once it is settled. */
  readonly resumeMigrations: (id: string) => void
  readonly cancelMigration: (number: number) => Promise<unknown>
}

type Settled = Extract<Settlement, { kind: 'settled' }>

export class Recovery {
  readonly #options: RecoveryOptions
  /** What was found about mQ IDs that are not settled; an mQ ID without an entry was not looked at yet. */
  readonly #reasons = new Map<string, string>()
  readonly #settled = new Set<string>()
  #evidences: Evidences | undefined
  #running: Promise<void> | undefined
  #lastClaimMs: number | undefined
  #closed = false

  constructor(options: RecoveryOptions) {
    this.#options = options
    if (options.store.recoveringFrom !== undefined) this.#begin()
    options.registry.holdBack((id) => this.#problem(id))
  }

  /** Whether something is not settled yet. */
  get isRunning(): boolean {
    return this.#evidences !== undefined
  }

  /** Those that are not settled, with the reason in words; `null` as long as nobody looked. */
  unsettled(): { readonly id: string; readonly why: string | null }[] {
    if (!this.isRunning) return []
    return this.#options.registry
      .all()
      .filter(({ id }) => !this.#settled.has(id))
      .map(({ id }) => ({ id, why: this.#reasons.get(id) ?? null }))
  }

  /** Looks once at everything that is not settled; called after every check of the clusters. Never rejects. */
  async look(): Promise<void> {
    if (!this.isRunning || this.#closed) return
    this.#running ??= this.#look()
      .catch((error: unknown) => this.#options.logger.error(errorFacts(error), 'the recovery could not go on'))
      .finally(() => {
        this.#running = undefined
      })
    await this.#running
  }

  /** What clients say they run on (V4). */
  async seen(positions: readonly Position[]): Promise<void> {
    const { store, registry, deps, logger } = this.#options
    const ahead = positions.find((position) => this.#isAhead(position))
    if (ahead === undefined) return
    const now = deps.clock.monotonicMs()
    if (this.#lastClaimMs !== undefined && now - this.#lastClaimMs < CLAIM_PAUSE_MS) return this.#running
    this.#lastClaimMs = now
    const why = `a client runs on ${ahead.incarnation}.${ahead.revision}, and this store is at ${store.incarnation}.${store.revision}: it was restored from an older copy`
    this.#begin()
    try {
      const incarnation = await registry.renew(ahead.incarnation, why)
      logger.warn({ incarnation }, why)
    } catch (error) {
      logger.error(errorFacts(error), 'a new incarnation could not be started')
    }
    await this.look()
  }

  /** A person says what holds (V2). @throws MqError MQ_ID_UNKNOWN, or MQ_REQUEST_INVALID where nothing is to be settled */
  async settleAs(id: string, as: 'stored' | 'deleted', actor: string): Promise<void> {
    const { registry, migrations } = this.#options
    const record = registry.get(id)
    if (record === undefined || record.state === 'absent') {
      throw new MqError('MQ_ID_UNKNOWN', `'${id}' is not declared`, { details: { mqId: id } })
    }
    if (this.#problem(id) === undefined) {
      throw new MqError('MQ_REQUEST_INVALID', `'${id}' is settled: there is nothing to decide`)
    }
    const stored = migrations.of(id)
    const settled: Settled = {
      kind: 'settled',
      from: 'store',
      record: as === 'stored' ? record : ({ ...record, state: 'deleted', epochs: [], pending: null } as KnownRecord),
      migrations: as === 'stored' ? stored : [],
    }
    await this.#publish([settled], actor, `a person settled it as ${as}`)
    await this.#endWhenDone()
  }

  /** A look under way is not waited for: from here on it writes nothing. */
  close(): void {
    this.#closed = true
  }

  #begin(): void {
    const { store, registry, clusters, migrations, logger } = this.#options
    this.#settled.clear()
    this.#reasons.clear()
    this.#evidences = new Evidences({
      registry,
      clusters,
      migrations,
      plane: store.plane,
      from: store.recoveringFrom ?? store.incarnation,
      logger,
    })
  }

  #problem(id: string): MqError | undefined {
    if (this.#evidences === undefined || this.#settled.has(id)) return undefined
    // Every cluster was read, and none knows it: nobody declared it.
    if (this.#options.registry.get(id) === undefined && this.#evidences.unread.length === 0) return undefined
    const why =
      this.#reasons.get(id) ??
      `this control plane was restored from a backup and has not asked ${this.#evidences.unread.join(', ') || 'its clusters'} yet`
    return new MqError('MQ_ID_UNSETTLED', `'${id}': ${why}`, { details: { mqId: id } })
  }

  #isAhead({ incarnation, revision }: Position): boolean {
    const { store, deps } = this.#options
    if (incarnation > deps.clock.nowMs() / 1_000 + CLOCK_SLACK_S) return false
    return incarnation > store.incarnation || (incarnation === store.incarnation && revision > store.revision)
  }

  async #look(): Promise<void> {
    const evidences = this.#evidences
    if (evidences === undefined) return
    const ids = await evidences.gather((id) => !this.#settled.has(id))
    const settled: Settled[] = []
    for (const id of ids) {
      const found = settle(evidences.of(id))
      if (found.kind === 'settled') settled.push(found)
      else if (found.kind === 'never-active') this.#settled.add(id)
      else this.#reasons.set(id, unsettledText(id, found))
    }
    await this.#publish(settled, 'mq', 'settled after a restore')
    await this.#endWhenDone()
  }

  async #publish(found: readonly Settled[], actor: string, why: string): Promise<void> {
    if (this.#closed) return
    const { registry, migrations, deps } = this.#options
    const doubtful: number[] = []
    const changes = found.map(({ record, from, migrations: known }) => {
      const before = registry.get(record.id)
      const named = new Set(known.map(({ number }) => number))
      const ended = migrations
        .active()
        .filter(({ mqId, number }) => mqId === record.id && !named.has(number))
        .map((one) => endedByRestore(one, deps.clock.nowMs()))
      const rows = from === 'store' ? ended : [...known, ...ended]
      if (from === 'store') doubtful.push(...known.filter(({ state }) => isCancellable(state)).map((one) => one.number))
      return {
        record: withoutStamp(record),
        entry: {
          ...({ kind: 'settled', subject: record.id, actor, why: `${why} (${sourceText[from]})` } as const),
          before: before === undefined ? null : { state: before.state, epochs: before.epochs },
          after: {
            state: record.state,
            epochs: record.epochs,
            migrations: known.map(({ number, state }) => ({ number, state })),
          },
        },
        alsoWrite: async (tx: Parameters<Migrations['save']>[0]) => {
          for (const row of rows) await migrations.save(tx, row)
        },
      }
    })
    await registry.settle(changes, () => {
      for (const { record } of found) {
        this.#settled.add(record.id)
        this.#reasons.delete(record.id)
      }
    })
    for (const { record } of found) this.#options.resumeMigrations(record.id)
    for (const number of doubtful) await this.#cancel(number)
  }

  /** V5 */
  async #cancel(number: number): Promise<void> {
    try {
      await this.#options.cancelMigration(number)
    } catch (error) {
      this.#options.logger.warn({ migration: number, ...errorFacts(error) }, 'a migration of the backup goes on')
    }
  }

  /** V3 */
  async #endWhenDone(): Promise<void> {
    const { store, registry, logger } = this.#options
    const evidences = this.#evidences
    if (this.#closed || evidences === undefined || evidences.unread.length > 0) return
    if (registry.all().some(({ id }) => !this.#settled.has(id))) return
    await store.recovered()
    this.#evidences = undefined
    logger.info({ incarnation: store.incarnation }, 'every mQ ID is settled after the restore')
  }
}

const sourceText: Record<Settled['from'], string> = {
  store: 'the store agrees with the clusters',
  copy: 'a cluster knew a later state than the store',
  topics: 'the topics showed a later epoch than the store',
}

/** A migration of the restored store that the newest record does not name any more: it ended after the backup. */
function endedByRestore(row: MigrationRecord, nowMs: number): MigrationRecord {
  const state = isEnd(row.state) ? row.state : isCancellable(row.state) ? 'cancelled' : 'retired'
  return withStep({ ...row, state, endedAtMs: row.endedAtMs ?? nowMs, updatedAtMs: nowMs }, 'delete-topic', nowMs, {
    endedAtMs: nowMs,
    problem: null,
    result: { endedAfterBackup: true },
  })
}
