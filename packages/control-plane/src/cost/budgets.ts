/**
 * Budgets: what a team, an mQ ID or everything may cost in a calendar month, kept in the store and mirrored in memory.
 *
 * B1. A change of a budget is a line of the journal, in the same transaction.
 * B2. A budget changes nothing by itself: it warns.
 */
import { MqError } from '@mq/contract'
import type { Deps } from '@mq/kafka'
import type { BudgetRecord } from '../store/ports/budgets.ts'
import type { Store } from '../store/store.ts'

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
    for (const record of await store.read.budgets.all()) budgets.#budgets.set(record.scope, record)
    store.feed.mirror(({ changes }) => {
      for (const change of changes) {
        if (change.of !== 'budget') continue
        if (change.record === null) budgets.#budgets.delete(change.scope)
        else budgets.#budgets.set(change.scope, change.record)
      }
    })
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
    await this.#store.write(`the budget of ${scope}`, async (tx) => {
      await tx.budgets.save(after)
      const entry = { kind: 'budget', subject: scope, actor, why: 'asked for', before, after } as const
      await tx.journal.append(entry, after.setAtMs, this.#store.revision)
    })
  }

  async remove(scope: string, actor: string): Promise<void> {
    const before = this.#budgets.get(scope)
    if (before === undefined) throw new MqError('MQ_BUDGET_UNKNOWN', `there is no budget for ${scope}`)
    await this.#store.write(`the budget of ${scope}`, async (tx) => {
      await tx.budgets.remove(scope)
      const entry = { kind: 'budget', subject: scope, actor, why: 'asked for', before, after: null } as const
      await tx.journal.append(entry, this.#deps.clock.nowMs(), this.#store.revision)
    })
  }
}
