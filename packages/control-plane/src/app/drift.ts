/**
 * Drift: taking what somebody changed over as what is wanted, or putting the topic back.
 */

import type { DriftedTopic, DriftPlan, DriftRequest } from '@mq/contract'
import type { DriftWatch } from '../drift/drift-watch.ts'
import type { DriftResolver } from '../drift/resolver.ts'
import { actorOf, type Caller } from './caller.ts'
import { keyOf, type Page, type PageInput, pageByKey } from './page.ts'

export interface DriftContext {
  readonly drift: DriftWatch
  readonly driftResolver: DriftResolver
}

/** Topics that somebody else changed, as last seen. */
export function listDrift({ drift }: DriftContext, page: PageInput<string>): Page<DriftedTopic, string> {
  return pageByKey(drift.topics(), ({ mqId, cluster, topic }) => keyOf(mqId, cluster, topic), page)
}

export type DriftInput = DriftRequest & { readonly id: string }

export function acceptDrift(context: DriftContext, caller: Caller, input: DriftInput): Promise<DriftPlan> {
  return resolveDrift(context, caller, 'accept', input)
}

export function repairDrift(context: DriftContext, caller: Caller, input: DriftInput): Promise<DriftPlan> {
  return resolveDrift(context, caller, 'repair', input)
}

function resolveDrift(
  { driftResolver }: DriftContext,
  caller: Caller,
  how: 'accept' | 'repair',
  { id, only, plan }: DriftInput,
): Promise<DriftPlan> {
  return plan ? driftResolver.plan(id, how, only) : driftResolver.resolve(id, how, only, actorOf(caller))
}
