/** The lease as a row of a SQL database: confirming a term locks it until the transaction ends. */
import { type Kysely, sql } from 'kysely'
import type { LeaseRepository } from '../ports/lease.ts'
import type { Tables } from './tables.ts'

const ROLE = 'control-plane'

export class SqlLease implements LeaseRepository {
  readonly #db: Kysely<Tables>

  constructor(db: Kysely<Tables>) {
    this.#db = db
  }

  async acquire(holder: string, atMs: number): Promise<number> {
    const { term } = await this.#db
      .insertInto('leases')
      .values({ role: ROLE, term: 1, holder, acquired_at_ms: atMs, commits: 0 })
      .onConflict((conflict) =>
        conflict.column('role').doUpdateSet({ term: sql`leases.term + 1`, holder, acquired_at_ms: atMs }),
      )
      .returning('term')
      .executeTakeFirstOrThrow()
    return Number(term)
  }

  async confirm(term: number): Promise<number | undefined> {
    const row = await this.#db
      .updateTable('leases')
      .set({ commits: sql`commits + 1` })
      .where('role', '=', ROLE)
      .where('term', '=', term)
      .returning('commits')
      .executeTakeFirst()
    return row === undefined ? undefined : Number(row.commits)
  }
}
