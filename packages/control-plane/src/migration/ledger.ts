/**
 * The migrations in the store, those that are not over also in memory.
 *
 * L1. Memory changes only after the transaction is through.
 * L2. Numbers rise by one and are given out in the transaction that makes the row.
 * L3. After `close` nothing is written: whoever still works on a migration is not the one who owns it any more.
 */
import { MigrationPlace, MigrationState, MigrationStep, MqError } from '@mq/contract'
import type { WriteTransaction } from '../store/ports/repositories.ts'
import type { Store } from '../store/store.ts'
import type { MigrationStepsTable, MigrationsTable } from '../store/tables.ts'
import { isEnd, isHandingOver } from './machine.ts'
import { MigrationData, type MigrationRecord, stepOf } from './record.ts'

export class Ledger {
  readonly #store: Store
  readonly #active = new Map<number, MigrationRecord>()
  #closed = false

  private constructor(store: Store) {
    this.#store = store
  }

  static async load(store: Store): Promise<Ledger> {
    const ledger = new Ledger(store)
    const rows = await store.db.selectFrom('migrations').selectAll().where('over', '=', 0).execute()
    for (const record of await ledger.#withSteps(rows)) ledger.#active.set(record.number, record)
    return ledger
  }

  /** Those with something left to do. */
  active(): MigrationRecord[] {
    return [...this.#active.values()].sort((a, b) => a.number - b.number)
  }

  /** Those of one mQ ID with something left to do. */
  of(mqId: string): MigrationRecord[] {
    return this.active().filter((record) => record.mqId === mqId)
  }

  current(number: number): MigrationRecord | undefined {
    return this.#active.get(number)
  }

  /** The move the mQ ID is in the middle of, if it is. */
  handingOver(mqId: string): MigrationRecord | undefined {
    return this.active().find((record) => record.mqId === mqId && isHandingOver(record.state))
  }

  /** Migrations that still need the cluster. */
  on(cluster: string): MigrationRecord[] {
    return this.active().filter((record) => record.from.cluster === cluster || record.to.cluster === cluster)
  }

  async find(number: number): Promise<MigrationRecord> {
    const row = await this.#store.db
      .selectFrom('migrations')
      .selectAll()
      .where('number', '=', number)
      .executeTakeFirst()
    const [record] = row === undefined ? [] : await this.#withSteps([row])
    if (record === undefined) {
      throw new MqError('MQ_MIGRATION_UNKNOWN', `there is no migration ${number}`, { details: { number } })
    }
    return record
  }

  /** Newest first. */
  async list(filter: { mqId?: string; limit: number }): Promise<MigrationRecord[]> {
    let query = this.#store.db.selectFrom('migrations').selectAll().orderBy('number', 'desc').limit(filter.limit)
    if (filter.mqId !== undefined) query = query.where('mq_id', '=', filter.mqId)
    return this.#withSteps(await query.execute())
  }

  /** Inside `tx`; call `took` once it is through (L1, L2). */
  async insert(tx: WriteTransaction, record: Omit<MigrationRecord, 'number'>): Promise<MigrationRecord> {
    const number = await tx.sequences.next('migrations')
    const numbered: MigrationRecord = { ...record, number }
    await this.save(tx, numbered)
    return numbered
  }

  /** Inside `tx`; call `took` once it is through (L1). */
  async save(tx: WriteTransaction, record: MigrationRecord): Promise<void> {
    if (this.#closed) throw new MqError('MQ_CLOSED', 'the control plane is closing')
    const row = {
      mq_id: record.mqId,
      state: record.state,
      over: isOver(record) ? 1 : 0,
      actor: record.actor,
      from_place: JSON.stringify(record.from),
      to_place: JSON.stringify(record.to),
      data: JSON.stringify(record.data),
      created_at_ms: record.createdAtMs,
      updated_at_ms: record.updatedAtMs,
      ended_at_ms: record.endedAtMs,
    }
    await tx.sql
      .insertInto('migrations')
      .values({ number: record.number, ...row })
      .onConflict((conflict) => conflict.column('number').doUpdateSet(row))
      .execute()
    const before = this.#active.get(record.number)
    for (const [index, step] of record.steps.entries()) {
      if (before?.steps[index] === step) continue
      const stepRow = {
        position: index,
        started_at_ms: step.startedAtMs,
        ended_at_ms: step.endedAtMs,
        attempts: step.attempts,
        result: JSON.stringify(step.result),
        problem: step.problem,
      }
      await tx.sql
        .insertInto('migration_steps')
        .values({ migration: record.number, step: step.step, ...stepRow })
        .onConflict((conflict) => conflict.columns(['migration', 'step']).doUpdateSet(stepRow))
        .execute()
    }
  }

  took(record: MigrationRecord): void {
    if (isOver(record)) this.#active.delete(record.number)
    else this.#active.set(record.number, record)
  }

  close(): void {
    this.#closed = true
  }

  async #withSteps(rows: readonly MigrationsTable[]): Promise<MigrationRecord[]> {
    if (rows.length === 0) return []
    const numbers = rows.map((row) => row.number)
    const steps = await this.#store.db
      .selectFrom('migration_steps')
      .selectAll()
      .where('migration', 'in', numbers)
      .orderBy('position')
      .execute()
    return rows.map((row) =>
      readRow(
        row,
        steps.filter((step) => Number(step.migration) === Number(row.number)),
      ),
    )
  }
}

/** Nothing is left to do: it ended and the topic it left is gone. */
export function isOver(record: MigrationRecord): boolean {
  return isEnd(record.state) && stepOf(record, 'delete-topic')?.endedAtMs != null
}

function readRow(row: MigrationsTable, steps: readonly MigrationStepsTable[]): MigrationRecord {
  return {
    number: Number(row.number),
    mqId: row.mq_id,
    state: MigrationState.parse(row.state),
    actor: row.actor,
    from: MigrationPlace.parse(JSON.parse(row.from_place)),
    to: MigrationPlace.parse(JSON.parse(row.to_place)),
    data: MigrationData.parse(JSON.parse(row.data)),
    createdAtMs: Number(row.created_at_ms),
    updatedAtMs: Number(row.updated_at_ms),
    endedAtMs: row.ended_at_ms === null ? null : Number(row.ended_at_ms),
    steps: steps.map((step) =>
      MigrationStep.parse({
        step: step.step,
        startedAtMs: Number(step.started_at_ms),
        endedAtMs: step.ended_at_ms === null ? null : Number(step.ended_at_ms),
        attempts: Number(step.attempts),
        result: JSON.parse(step.result),
        problem: step.problem,
      }),
    ),
  }
}
