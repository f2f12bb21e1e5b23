/** Budgets as rows of a SQL database; amounts as text, which keeps every digit. */
import type { Kysely } from 'kysely'
import type { BudgetRecord, BudgetRepository } from '../ports/budgets.ts'
import type { Changed } from './changed.ts'
import type { Tables } from './tables.ts'

export class SqlBudgets implements BudgetRepository {
  readonly #db: Kysely<Tables>
  readonly #changed: Changed

  constructor(db: Kysely<Tables>, changed: Changed) {
    this.#db = db
    this.#changed = changed
  }

  async all(): Promise<BudgetRecord[]> {
    const rows = await this.#db.selectFrom('budgets').selectAll().execute()
    return rows.map((row) => ({
      scope: row.scope,
      usdPerMonth: Number(row.usd_per_month),
      setBy: row.set_by,
      setAtMs: Number(row.set_at_ms),
    }))
  }

  async save({ scope, usdPerMonth, setBy, setAtMs }: BudgetRecord): Promise<void> {
    const row = { usd_per_month: String(usdPerMonth), set_by: setBy, set_at_ms: setAtMs }
    await this.#db
      .insertInto('budgets')
      .values({ scope, ...row })
      .onConflict((conflict) => conflict.column('scope').doUpdateSet(row))
      .execute()
    this.#changed({ of: 'budget', scope, record: { scope, usdPerMonth, setBy, setAtMs } })
  }

  async remove(scope: string): Promise<void> {
    await this.#db.deleteFrom('budgets').where('scope', '=', scope).execute()
    this.#changed({ of: 'budget', scope, record: null })
  }
}
