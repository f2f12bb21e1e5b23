/** Migrations and their steps as rows of a SQL database. */
import { MigrationPlace, MigrationState, MigrationStep } from '@mq/contract'
import type { Kysely } from 'kysely'
import { isOver, MigrationData, type MigrationRecord } from '../../migration/record.ts'
import type { MigrationRepository } from '../ports/migrations.ts'
import type { Sequences } from '../ports/sequences.ts'
import type { Changed } from './changed.ts'
import type { MigrationStepsTable, MigrationsTable, Tables } from './tables.ts'

export class SqlMigrations implements MigrationRepository {
  readonly #db: Kysely<Tables>
  readonly #sequences: Sequences
  readonly #changed: Changed

  constructor(db: Kysely<Tables>, sequences: Sequences, changed: Changed) {
    this.#db = db
    this.#sequences = sequences
    this.#changed = changed
  }

  async find(number: number): Promise<MigrationRecord | undefined> {
    const row = await this.#db.selectFrom('migrations').selectAll().where('number', '=', number).executeTakeFirst()
    return row === undefined ? undefined : (await this.#withSteps([row]))[0]
  }

  async list(filter: {
    readonly mqId?: string
    readonly limit: number
    readonly below?: number | undefined
  }): Promise<MigrationRecord[]> {
    let query = this.#db.selectFrom('migrations').selectAll().orderBy('number', 'desc').limit(filter.limit)
    if (filter.below !== undefined) query = query.where('number', '<', filter.below)
    if (filter.mqId !== undefined) query = query.where('mq_id', '=', filter.mqId)
    return this.#withSteps(await query.execute())
  }

  async active(): Promise<MigrationRecord[]> {
    const rows = await this.#db.selectFrom('migrations').selectAll().where('over', '=', 0).orderBy('number').execute()
    return this.#withSteps(rows)
  }

  async add(record: Omit<MigrationRecord, 'number'>): Promise<MigrationRecord> {
    const numbered: MigrationRecord = { ...record, number: await this.#sequences.next('migrations') }
    await this.#write(numbered, undefined)
    return numbered
  }

  async save(record: MigrationRecord, before?: MigrationRecord): Promise<void> {
    if (before === undefined) await this.#sequences.skipTo('migrations', record.number)
    await this.#write(record, before)
  }

  async #write(record: MigrationRecord, before: MigrationRecord | undefined): Promise<void> {
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
    await this.#db
      .insertInto('migrations')
      .values({ number: record.number, ...row })
      .onConflict((conflict) => conflict.column('number').doUpdateSet(row))
      .execute()
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
      await this.#db
        .insertInto('migration_steps')
        .values({ migration: record.number, step: step.step, ...stepRow })
        .onConflict((conflict) => conflict.columns(['migration', 'step']).doUpdateSet(stepRow))
        .execute()
    }
    this.#changed({ of: 'migration', record })
  }

  async #withSteps(rows: readonly MigrationsTable[]): Promise<MigrationRecord[]> {
    if (rows.length === 0) return []
    const numbers = rows.map((row) => row.number)
    const steps = await this.#db
      .selectFrom('migration_steps')
      .selectAll()
      .where('migration', 'in', numbers)
      .orderBy('position')
      .execute()
    const byMigration = Map.groupBy(steps, (step) => Number(step.migration))
    return rows.map((row) => readRow(row, byMigration.get(Number(row.number)) ?? []))
  }
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
