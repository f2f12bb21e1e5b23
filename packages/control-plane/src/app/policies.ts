/**
 * Policies: how far mQ goes by itself, by scope.
 */

import type { EffectivePolicy, PolicyRule, RouteResponse } from '@mq/contract'
import { unknownError } from '../provision/provision-errors.ts'
import { actorOf, type Caller } from './caller.ts'
import type { DecisionContext } from './decisions.ts'
import { type Page, type PageInput, pageByKey } from './page.ts'

type ScopedRule = RouteResponse<'putPolicy'>

export function listPolicies({ deciding }: DecisionContext, page: PageInput<string>): Page<ScopedRule, string> {
  return pageByKey(deciding.policies.rules(), ({ scope }) => scope, page)
}

/** What is in force for one mQ ID. */
export function effectivePolicy({ registry, deciding }: DecisionContext, mqId: string): EffectivePolicy {
  const record = registry.get(mqId)
  if (record?.state !== 'active') throw unknownError(mqId)
  return deciding.policies.effective(record.id, record.spec.intent.owner?.team)
}

export async function setPolicy(
  { deciding }: DecisionContext,
  caller: Caller,
  { scope, ...rule }: PolicyRule & { readonly scope: string },
): Promise<ScopedRule> {
  await deciding.policies.set(scope, rule, actorOf(caller))
  return { scope, ...rule }
}
