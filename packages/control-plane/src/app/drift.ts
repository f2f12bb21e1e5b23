/**
 * Drift: taking what somebody changed over as what is wanted, or putting the topic back.
 */
import type { DriftPlan, DriftRequest } from '@mq/contract'
import type { DriftResolver } from '../drift/resolver.ts'
import { actorOf, type Caller } from './caller.ts'

export interface DriftContext {
  readonly driftResolver: DriftResolver
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
