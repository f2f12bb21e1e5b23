/**
 * The routes about costs and budgets.
 */
import type { Handlers, Services } from './handlers.ts'

type CostRoutes = 'getCosts' | 'listBudgets' | 'putBudget' | 'deleteBudget'

export function costHandlers({ costs, budgets }: Pick<Services, 'costs' | 'budgets'>): Pick<Handlers, CostRoutes> {
  return {
    getCosts: async ({ query }) => costs.report(query.by, query.since),
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
