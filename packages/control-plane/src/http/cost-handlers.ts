/**
 * The routes about costs and budgets.
 */
import type { Handlers, Services } from './handlers.ts'

type CostRoutes = 'getCosts' | 'listBudgets' | 'putBudget' | 'deleteBudget' | 'getOwners' | 'putOwners'
type CostServices = Pick<Services, 'costs' | 'budgets' | 'owners'>

export function costHandlers({ costs, budgets, owners }: CostServices): Pick<Handlers, CostRoutes> {
  return {
    getCosts: async ({ query }) => costs.report(query.by, query.since),
    getOwners: async () => ({ rules: [...owners.rules] }),
    putOwners: async ({ body }) => {
      await owners.replace(body.rules, 'api')
      costs.forgetWarnings()
      return { rules: [...owners.rules] }
    },
    listBudgets: async () => ({ budgets: await costs.budgets() }),
    putBudget: async ({ params, body }) => {
      await budgets.set(params.scope, body.usdPerMonth, 'api')
      costs.forgetWarnings()
      return (await costs.budgets()).find(({ scope }) => scope === params.scope)!
    },
    deleteBudget: async ({ params }) => {
      await budgets.remove(params.scope, 'api')
      costs.forgetWarnings()
      return { deleted: true }
    },
  }
}
