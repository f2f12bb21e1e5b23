/**
 * The routes about dead letters.
 */
import type { RouteResponse } from '@mq/contract'
import { actorOf } from '../app/caller.ts'
import type { KeptLetters } from '../dead-letters/kept-letters.ts'
import type { LetterCounts, SideQueues } from '../provision/side-queues.ts'
import type { Registry } from '../registry/registry.ts'
import type { HandlerTrouble } from '../telemetry/handler-trouble.ts'
import { activeOf } from './active.ts'
import type { Handlers } from './exchange.ts'

type DeadLetterRoutes = 'ensureSide' | 'listDeadLetters' | 'noteDeadLetters'

export interface DeadLetterServices {
  readonly registry: Registry
  readonly sides: SideQueues
  readonly trouble: HandlerTrouble
  readonly keptLetters: KeptLetters
}

export function deadLetterHandlers(services: DeadLetterServices): Pick<Handlers, DeadLetterRoutes> {
  const { registry, sides, trouble, keptLetters } = services
  const counts = (mqId: string, group: string): LetterCounts => ({
    written: trouble.deadLetters(mqId, group),
    ...(keptLetters.count(mqId, group) ?? { kept: null, oldestAtMs: null }),
  })
  return {
    ensureSide: async ({ params, body, caller }) => {
      const actor = actorOf(caller, body.app === undefined ? undefined : `application ${body.app}`)
      return { id: await sides.ensure(activeOf(services, params.id), params.group, body.role, actor) }
    },
    listDeadLetters: async ({ query }) => ({
      queues: sides.list(counts, query.id),
    }),
    noteDeadLetters: async ({ params, body, caller }): Promise<RouteResponse<'noteDeadLetters'>> => {
      activeOf(services, params.id)
      const { action, letters, filter, by, state } = body
      await registry.note({
        kind: action === 'redrive' ? 'dead-letters-redrive' : 'dead-letters-discard',
        subject: params.id,
        actor: actorOf(caller, by),
        why: `asked for: ${action} of ${filter}, group ${params.group}, ${state}`,
        before: null,
        after: { group: params.group, letters, state },
      })
      return { noted: true }
    },
  }
}
