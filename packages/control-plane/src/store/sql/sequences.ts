/**
 * Sequences as rows of a table: the row is locked, or the database is, until the transaction ends.
 */
import { type Kysely, sql } from 'kysely'
import type { SequenceName, Sequences } from '../ports/sequences.ts'
import type { Tables } from './tables.ts'

export class SqlSequences implements Sequences {
  readonly #db: Kysely<Tables>

  constructor(db: Kysely<Tables>) {
    this.#db = db
  }

  async next(name: SequenceName): Promise<number> {
    const { value } = await this.#db
      .insertInto('sequences')
      .values({ name, value: 1 })
      .onConflict((conflict) => conflict.column('name').doUpdateSet({ value: sql`sequences.value + 1` }))
      .returning('value')
      .executeTakeFirstOrThrow()
    return Number(value)
  }

  async skipTo(name: SequenceName, number: number): Promise<void> {
    await this.#db
      .insertInto('sequences')
      .values({ name, value: number })
      .onConflict((conflict) =>
        conflict.column('name').doUpdateSet({ value: number }).where('sequences.value', '<', number),
      )
      .execute()
  }
}
