/** Policy rules as rows of a SQL database. */
import { PolicyRule } from '@mq/contract'
import type { Kysely } from 'kysely'
import type { PolicyRepository } from '../ports/policies.ts'
import type { Changed } from './changed.ts'
import type { Tables } from './tables.ts'

export class SqlPolicies implements PolicyRepository {
  readonly #db: Kysely<Tables>
  readonly #changed: Changed

  constructor(db: Kysely<Tables>, changed: Changed) {
    this.#db = db
    this.#changed = changed
  }

  async all(): Promise<ReadonlyMap<string, PolicyRule>> {
    const rows = await this.#db.selectFrom('policies').selectAll().execute()
    return new Map(rows.map(({ scope, rule }) => [scope, PolicyRule.parse(JSON.parse(rule))]))
  }

  async save(scope: string, rule: PolicyRule, atMs: number): Promise<void> {
    const row = { rule: JSON.stringify(rule), updated_at_ms: atMs }
    await this.#db
      .insertInto('policies')
      .values({ scope, ...row })
      .onConflict((conflict) => conflict.column('scope').doUpdateSet(row))
      .execute()
    this.#changed({ of: 'policy', scope, rule })
  }

  async remove(scope: string): Promise<void> {
    await this.#db.deleteFrom('policies').where('scope', '=', scope).execute()
    this.#changed({ of: 'policy', scope, rule: null })
  }
}
