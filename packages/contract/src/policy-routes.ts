/**
 * The routes of policies and of the switch of the autopilot: their part of the routes (routes.ts).
 */
import { z } from 'zod'
import { MqId } from './mq-id.ts'
import { NextCursor, PageQuery } from './paging.ts'
import { EffectivePolicy, PolicyRule, PolicyScope } from './policy.ts'

const AutopilotStatus = z.object({
  on: z.boolean(),
  changedAtMs: z.number().int().nullable(),
  changedBy: z.string().nullable(),
  underWay: z.number().int().describe('Decisions that change something now'),
  waiting: z.number().int().describe('Decisions that wait for a person'),
})

export const policyRoutes = {
  listPolicies: {
    method: 'GET',
    path: '/v1/policies',
    permission: 'policies:read',
    list: 'rules',
    summary: 'Policy rules by scope; with id also what is in force for that mQ ID',
    query: z.object({ id: MqId.optional(), ...PageQuery }),
    response: z.object({
      nextCursor: NextCursor,
      rules: z.array(PolicyRule.extend({ scope: PolicyScope })),
      effective: EffectivePolicy.nullable(),
    }),
  },
  putPolicy: {
    method: 'PUT',
    path: '/v1/policies/:scope',
    permission: 'policies:write',
    summary: 'Set the policy of a scope: global, team=NAME or id=MQ-ID; what is null is inherited',
    params: z.object({ scope: PolicyScope }),
    body: PolicyRule,
    response: PolicyRule.extend({ scope: PolicyScope }),
  },
  getAutopilot: {
    method: 'GET',
    path: '/v1/autopilot',
    permission: 'decisions:read',
    summary: 'Whether mQ changes anything by itself',
    response: AutopilotStatus,
  },
  putAutopilot: {
    method: 'PUT',
    path: '/v1/autopilot',
    permission: 'policies:write',
    summary: 'The global switch: off stops every trial and begins nothing new',
    body: z.object({ on: z.boolean() }),
    response: AutopilotStatus,
  },
} as const
