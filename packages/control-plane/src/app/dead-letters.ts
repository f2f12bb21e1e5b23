/**
 * Dead letters: where a group keeps them, and what was done with them.
 */

import type { DeadLetterAction, DeadLetterQueue, SideRole } from '@mq/contract'
import type { KeptLetters } from '../dead-letters/kept-letters.ts'
import type { LetterCounts, SideQueues } from '../provision/side-queues.ts'
import type { HandlerTrouble } from '../telemetry/handler-trouble.ts'
import { activeOf, type RegistryContext } from './active-id.ts'
import { actorOf, type Caller } from './caller.ts'
import { keyOf, type Page, type PageInput, pageByKey } from './page.ts'

export interface DeadLetterContext extends RegistryContext {
  readonly sides: SideQueues
  readonly trouble: HandlerTrouble
  readonly keptLetters: KeptLetters
}

export interface EnsureSideInput {
  readonly id: string
  readonly group: string
  readonly role: SideRole
  /** The application that consumes in the group, as it says. */
  readonly app: string | undefined
}

/** Makes sure that a group has a place for its dead letters, or a way for them to come back. @returns its mQ ID */
export function ensureSide(
  context: DeadLetterContext,
  caller: Caller,
  { id, group, role, app }: EnsureSideInput,
): Promise<string> {
  const actor = actorOf(caller, app === undefined ? undefined : `application ${app}`)
  return context.sides.ensure(activeOf(context, id), group, role, actor)
}

export function listDeadLetters(
  context: DeadLetterContext,
  mqId: string | undefined,
  page: PageInput<string>,
): Page<DeadLetterQueue, string> {
  const { sides, trouble, keptLetters } = context
  const counts = (id: string, group: string): LetterCounts => ({
    written: trouble.deadLetters(id, group),
    ...(keptLetters.count(id, group) ?? { kept: null, oldestAtMs: null }),
  })
  return pageByKey(sides.list(counts, mqId), (queue) => keyOf(queue.mqId, queue.group), page)
}

/** Writes into the journal what was done with dead letters. */
export async function noteDeadLetters(
  context: DeadLetterContext,
  caller: Caller,
  { id, group, action, letters, filter, by, state }: DeadLetterAction & { readonly id: string; readonly group: string },
): Promise<void> {
  activeOf(context, id)
  await context.registry.note({
    kind: action === 'redrive' ? 'dead-letters-redrive' : 'dead-letters-discard',
    subject: id,
    actor: actorOf(caller, by),
    why: `asked for: ${action} of ${filter}, group ${group}, ${state}`,
    before: null,
    after: { group, letters, state },
  })
}
