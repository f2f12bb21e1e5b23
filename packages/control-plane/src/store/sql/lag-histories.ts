/** Packed histories of lag as rows of a SQL database. */
import type { Kysely } from 'kysely'
import type { LagHistoryRepository } from '../ports/lag-histories.ts'
import type { Tables } from './tables.ts'

export class SqlLagHistories implements LagHistoryRepository {
  readonly #db: Kysely<Tables>

  constructor(db: Kysely<Tables>) {
    this.#db = db
  }

  async all(): Promise<ReadonlyMap<string, Uint8Array>> {
    const rows = await this.#db.selectFrom('lag_histories').select(['mq_id', 'data']).execute()
    return new Map(rows.map(({ mq_id, data }) => [mq_id, data]))
  }

  async ids(): Promise<string[]> {
    return (await this.#db.selectFrom('lag_histories').select('mq_id').execute()).map(({ mq_id }) => mq_id)
  }

  async save(mqId: string, data: Uint8Array, atMs: number): Promise<void> {
    const row = { data, saved_at_ms: atMs }
    await this.#db
      .insertInto('lag_histories')
      .values({ mq_id: mqId, ...row })
      .onConflict((conflict) => conflict.column('mq_id').doUpdateSet(row))
      .execute()
  }

  async remove(mqId: string): Promise<void> {
    await this.#db.deleteFrom('lag_histories').where('mq_id', '=', mqId).execute()
  }
}
