/**
 * Costs: budgets and owners. What is recorded is read from the cost history (../cost/costs.ts).
 *
 * C1. Warnings are reckoned again after each change.
 */

import type { Budget, OwnerRule } from '@mq/contract'
import type { Budgets } from '../cost/budgets.ts'
import type { Costs } from '../cost/costs.ts'
import type { Owners } from '../cost/owners.ts'
import { actorOf, type Caller } from './caller.ts'
import { type Page, type PageInput, pageByKey } from './page.ts'

export interface CostContext {
  readonly costs: Costs
  readonly budgets: Budgets
  readonly owners: Owners
}

export async function listBudgets({ costs }: CostContext, page: PageInput<string>): Promise<Page<Budget, string>> {
  return pageByKey(await costs.budgets(), ({ scope }) => scope, page)
}

/** C1 */
export async function replaceOwners(
  { costs, owners }: CostContext,
  caller: Caller,
  rules: OwnerRule[],
): Promise<OwnerRule[]> {
  await owners.replace(rules, actorOf(caller))
  costs.forgetWarnings()
  return [...owners.rules]
}

/** C1 */
export async function setBudget(
  { costs, budgets }: CostContext,
  caller: Caller,
  { scope, usdPerMonth }: { readonly scope: string; readonly usdPerMonth: number },
): Promise<Budget> {
  await budgets.set(scope, usdPerMonth, actorOf(caller))
  costs.forgetWarnings()
  return (await costs.budgets()).find((budget) => budget.scope === scope)!
}

/** C1 */
export async function deleteBudget({ costs, budgets }: CostContext, caller: Caller, scope: string): Promise<void> {
  await budgets.remove(scope, actorOf(caller))
  costs.forgetWarnings()
}
