/**
 * Decisions and the switch of the autopilot.
 */

import { viewOf } from '@mq/autopilot'
import {
  type Decision,
  type DecisionReplay,
  type DecisionState,
  isUnderWay,
  type Outlook,
  type RouteResponse,
} from '@mq/contract'
import type { Deciding } from '../autopilot/assemble.ts'
import { unknownError } from '../provision/provision-errors.ts'
import type { RegistryContext } from './active-id.ts'
import { actorOf, type Caller } from './caller.ts'
import { type Page, type PageInput, pageByNumber } from './page.ts'

export interface DecisionContext extends RegistryContext {
  readonly deciding: Deciding
}

export interface DecisionFilter {
  readonly mqId: string | undefined
  readonly state: DecisionState | undefined
}

/** Newest first. @throws MqError MQ_ID_UNKNOWN for an mQ ID that never was */
export async function listDecisions(
  { registry, deciding: { decisions } }: DecisionContext,
  { mqId, state }: DecisionFilter,
  page: PageInput<number>,
): Promise<Page<Decision, number>> {
  if (mqId !== undefined && registry.get(mqId) === undefined) throw unknownError(mqId)
  const filter = { ...(mqId === undefined ? {} : { mqId }), ...(state === undefined ? {} : { state }) }
  const found = await pageByNumber(
    page,
    (rows) => decisions.list({ ...filter, ...rows }),
    ({ number }) => number,
  )
  return { items: found.items.map((record) => viewOf(decisions.current(record.number) ?? record)), next: found.next }
}

/** Why the loops propose nothing where they do not. */
export function outlooksOf({ deciding }: DecisionContext, mqId: string | undefined): Outlook[] {
  return deciding.engine.outlooks(mqId)
}

export async function getDecision({ deciding }: DecisionContext, number: number): Promise<Decision> {
  return viewOf(await deciding.decisions.find(number))
}

/** @throws MqError MQ_DECISION_UNKNOWN, MQ_DECISION_NOT_RECORDED */
export function replayDecision({ deciding }: DecisionContext, number: number): Promise<DecisionReplay> {
  return deciding.replays.replay(number)
}

export function approveDecision({ deciding }: DecisionContext, caller: Caller, number: number): Promise<Decision> {
  return deciding.engine.approve(number, actorOf(caller))
}

export function undoDecision({ deciding }: DecisionContext, caller: Caller, number: number): Promise<Decision> {
  return deciding.engine.undo(number, actorOf(caller))
}

export function getAutopilot({ deciding: { policies, decisions } }: DecisionContext): RouteResponse<'getAutopilot'> {
  const live = decisions.live()
  return {
    ...policies.autopilot,
    underWay: live.filter(({ state }) => isUnderWay(state)).length,
    waiting: live.filter(({ state }) => state === 'waiting').length,
  }
}

/** Off stops every trial and begins nothing new. */
export async function switchAutopilot(
  context: DecisionContext,
  caller: Caller,
  on: boolean,
): Promise<RouteResponse<'putAutopilot'>> {
  await context.deciding.engine.turn(on, actorOf(caller))
  return getAutopilot(context)
}
