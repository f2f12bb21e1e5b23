/**
 * The routes about costs and budgets.
 */
import { actorOf } from '../app/caller.ts'
import type { Handlers } from './exchange.ts'
import type { Services } from './handlers.ts'

type CostRoutes = 'getCosts' | 'listBudgets' | 'putBudget' | 'deleteBudget' | 'getOwners' | 'putOwners'
type CostServices = Pick<Services, 'costs' | 'budgets' | 'owners'>

export function costHandlers({ costs, budgets, owners }: CostServices): Pick<Handlers, CostRoutes> {
  return {
    getCosts: async ({ query }) => costs.report(query.by, query.since),
    getOwners: async () => ({ rules: [...owners.rules] }),
    putOwners: async ({ body, caller }) => {
      await owners.replace(body.rules, actorOf(caller))
      costs.forgetWarnings()
      return { rules: [...owners.rules] }
    },
    listBudgets: async () => ({ budgets: await costs.budgets() }),
    putBudget: async ({ params, body, caller }) => {
      await budgets.set(params.scope, body.usdPerMonth, actorOf(caller))
      costs.forgetWarnings()
      return (await costs.budgets()).find(({ scope }) => scope === params.scope)!
    },
    deleteBudget: async ({ params, caller }) => {
      await budgets.remove(params.scope, actorOf(caller))
      costs.forgetWarnings()
      return { deleted: true }
    },
  }
}
