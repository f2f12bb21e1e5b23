/**
 * The routes of costs, budgets and owners, and of what explains a bill: their part of the routes (routes.ts).
 */
import { z } from 'zod'
import { Budget, BudgetRequest, CostQuery, CostReport } from './cost.ts'
import { Explanation, WhatIf, WhatIfAnswer } from './explain.ts'
import { OwnerRules } from './owners.ts'
import { NextCursor, PageQuery } from './paging.ts'
import { PolicyScope } from './policy.ts'
import { IdParams } from './route-params.ts'

export const costRoutes = {
  getCosts: {
    method: 'GET',
    path: '/v1/costs',
    permission: 'costs:read',
    summary: 'Showback from recorded history: who caused what, with the rest nobody caused, and budgets',
    query: CostQuery,
    response: CostReport,
  },
  listBudgets: {
    method: 'GET',
    path: '/v1/budgets',
    permission: 'costs:read',
    list: 'budgets',
    summary: 'Budgets, what is spent of them this month and where the month will end',
    query: z.object(PageQuery),
    response: z.object({ nextCursor: NextCursor, budgets: z.array(Budget) }),
  },
  putBudget: {
    method: 'PUT',
    path: '/v1/budgets/:scope',
    permission: 'costs:write',
    summary: 'Set the budget of a scope: global, team=NAME or id=MQ-ID, in US dollars a calendar month',
    params: z.object({ scope: PolicyScope }),
    body: BudgetRequest,
    response: Budget,
  },
  deleteBudget: {
    method: 'DELETE',
    path: '/v1/budgets/:scope',
    permission: 'costs:write',
    summary: 'Remove a budget',
    params: z.object({ scope: PolicyScope }),
    response: z.object({ deleted: z.literal(true) }),
  },
  getOwners: {
    method: 'GET',
    path: '/v1/owners',
    permission: 'costs:read',
    summary: 'Rules by which topics and groups belong to teams',
    response: z.object({ rules: OwnerRules }),
  },
  putOwners: {
    method: 'PUT',
    path: '/v1/owners',
    permission: 'costs:write',
    summary: 'Replace the rules by which topics and groups belong to teams; what was recorded already stays',
    body: z.strictObject({ rules: OwnerRules }),
    response: z.object({ rules: OwnerRules }),
  },
  explainId: {
    method: 'GET',
    path: '/v1/ids/:id/explanation',
    permission: 'ids:read',
    summary:
      'What an mQ ID costs by meter, why it is configured as it is, what else there is, and what each requirement costs',
    params: IdParams,
    response: Explanation,
  },
  whatIf: {
    method: 'POST',
    path: '/v1/ids/:id/what-if',
    permission: 'ids:read',
    isIdempotent: true,
    summary: 'The configuration and the bill under other requirements or another workload; changes nothing',
    params: IdParams,
    body: WhatIf,
    response: WhatIfAnswer,
  },
} as const
