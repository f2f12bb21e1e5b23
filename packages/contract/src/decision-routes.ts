/**
 * The routes of decisions: their part of the routes (routes.ts).
 */
import { z } from 'zod'
import { Decision, DecisionReplay, DecisionState, Outlook } from './decision.ts'
import { MqId } from './mq-id.ts'
import { HistoryPageQuery, NextCursor } from './paging.ts'
import { NumberParams } from './route-params.ts'

export const decisionRoutes = {
  listDecisions: {
    method: 'GET',
    path: '/v1/decisions',
    permission: 'decisions:read',
    list: 'decisions',
    summary: 'Decisions, newest first, and why the loops propose nothing where they do not',
    query: z.object({
      ...HistoryPageQuery,
      id: MqId.optional().describe('Only those about this mQ ID'),
      state: DecisionState.optional(),
    }),
    response: z.object({
      nextCursor: NextCursor,
      autopilot: z.boolean(),
      decisions: z.array(Decision),
      outlooks: z.array(Outlook),
    }),
  },
  getDecision: {
    method: 'GET',
    path: '/v1/decisions/:number',
    permission: 'decisions:read',
    summary: 'One decision: what, why, alternatives, predicted and measured',
    params: NumberParams,
    response: Decision,
  },
  replayDecision: {
    method: 'GET',
    path: '/v1/decisions/:number/replay',
    permission: 'decisions:read',
    summary: 'What the code of now proposes from the World that a decision was proposed from',
    params: NumberParams,
    response: DecisionReplay,
  },
  approveDecision: {
    method: 'POST',
    path: '/v1/decisions/:number/approve',
    permission: 'decisions:write',
    summary: 'Let a decision that waits or was recommended go on',
    params: NumberParams,
    response: Decision,
  },
  undoDecision: {
    method: 'POST',
    path: '/v1/decisions/:number/undo',
    permission: 'decisions:write',
    summary: 'Undo a decision, or turn it down where nothing was touched yet',
    params: NumberParams,
    response: Decision,
  },
} as const
