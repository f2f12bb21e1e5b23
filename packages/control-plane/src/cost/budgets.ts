/**
 * Budgets: what a team, an mQ ID or everything may cost in a calendar month, kept in the store and mirrored in memory.
 *
 * B1. A change of a budget is a line of the journal, in the same transaction.
 * B2. A budget changes nothing by itself: it warns.
 */
import { MqError } from '@mq/contract'
import type { Deps } from '@mq/kafka'
import type { Store } from '../store/store.ts'

export interface BudgetRecord {
  readonly scope: string
  readonly usdPerMonth: number
  readonly setBy: string
  readonly setAtMs: number
}

export class Budgets {
  readonly #store: Store
  readonly #deps: Deps
  readonly #budgets = new Map<string, BudgetRecord>()

  private constructor(store: Store, deps: Deps) {
    this.#store = store
    this.#deps = deps
  }

  static async load(store: Store, deps: Deps): Promise<Budgets> {
    const budgets = new Budgets(store, deps)
    for (const row of await store.db.selectFrom('budgets').selectAll().execute()) {
      budgets.#budgets.set(row.scope, {
        scope: row.scope,
        usdPerMonth: Number(row.usd_per_month),
        setBy: row.set_by,
        setAtMs: Number(row.set_at_ms),
      })
    }
    return budgets
  }

  all(): BudgetRecord[] {
    return [...this.#budgets.values()].sort((a, b) => (a.scope < b.scope ? -1 : 1))
  }

  get(scope: string): BudgetRecord | undefined {
    return this.#budgets.get(scope)
  }

  async set(scope: string, usdPerMonth: number, actor: string): Promise<void> {
    const before = this.#budgets.get(scope) ?? null
    const after: BudgetRecord = { scope, usdPerMonth, setBy: actor, setAtMs: this.#deps.clock.nowMs() }
    const row = { usd_per_month: String(usdPerMonth), set_by: actor, set_at_ms: after.setAtMs }
    await this.#store.write(`the budget of ${scope}`, async (tx) => {
      await tx.sql
        .insertInto('budgets')
        .values({ scope, ...row })
        .onConflict((conflict) => conflict.column('scope').doUpdateSet(row))
        .execute()
      const entry = { kind: 'budget', subject: scope, actor, why: 'asked for', before, after } as const
      await tx.journal.append(entry, after.setAtMs, this.#store.revision)
    })
    this.#budgets.set(scope, after)
  }

  async remove(scope: string, actor: string): Promise<void> {
    const before = this.#budgets.get(scope)
    if (before === undefined) throw new MqError('MQ_BUDGET_UNKNOWN', `there is no budget for ${scope}`)
    await this.#store.write(`the budget of ${scope}`, async (tx) => {
      await tx.sql.deleteFrom('budgets').where('scope', '=', scope).execute()
      const entry = { kind: 'budget', subject: scope, actor, why: 'asked for', before, after: null } as const
      await tx.journal.append(entry, this.#deps.clock.nowMs(), this.#store.revision)
    })
    this.#budgets.delete(scope)
  }
}
