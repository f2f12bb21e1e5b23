/** What the store notes of itself as rows of a SQL database, beside the settings of the installation. */
import type { Kysely } from 'kysely'
import type { StoreFact, StoreFacts } from '../ports/engine.ts'
import type { Tables } from './tables.ts'

export class SqlFacts implements StoreFacts {
  readonly #db: Kysely<Tables>

  constructor(db: Kysely<Tables>) {
    this.#db = db
  }

  async all(): Promise<ReadonlyMap<string, string>> {
    const rows = await this.#db.selectFrom('meta').selectAll().execute()
    return new Map(rows.map(({ key, value }) => [key, value]))
  }

  async set(fact: StoreFact, value: string): Promise<void> {
    await this.#db
      .insertInto('meta')
      .values({ key: fact, value })
      .onConflict((conflict) => conflict.column('key').doUpdateSet({ value }))
      .execute()
  }

  async remove(fact: StoreFact): Promise<void> {
    await this.#db.deleteFrom('meta').where('key', '=', fact).execute()
  }
}
