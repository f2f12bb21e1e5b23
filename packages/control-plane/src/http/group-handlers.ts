/**
 * The routes of consumer groups.
 */

import type { Deps } from '@mq/kafka'
import { actorOf } from '../app/caller.ts'
import type { GroupChanges } from '../groups/changes.ts'
import { groupDetail, groupSummaries, type ToldByClients } from '../groups/group-view.ts'
import type { LagBook } from '../lag/lag-book.ts'
import type { Clusters } from '../provision/clusters.ts'
import type { ActiveId } from '../registry/records.ts'
import type { Registry } from '../registry/registry.ts'
import { applicationsOf, foreignUseOf } from '../telemetry/applications.ts'
import type { ClientBook } from '../telemetry/client-book.ts'
import type { FailingReaders } from '../telemetry/failing-readers.ts'
import type { Traffic } from '../telemetry/traffic.ts'
import { activeOf } from './active.ts'
import type { Handlers } from './exchange.ts'

export interface GroupServices {
  readonly registry: Registry
  readonly clusters: Clusters
  readonly lagBook: LagBook
  readonly groupChanges: GroupChanges
  readonly traffic: Traffic
  readonly failing: FailingReaders
  readonly clients: ClientBook
  readonly deps: Deps
}

export function groupHandlers(
  services: GroupServices,
): Pick<Handlers, 'listGroups' | 'getGroup' | 'changeGroup' | 'getGroupChange' | 'listApps'> {
  const { registry, clusters, lagBook, groupChanges, traffic, failing, clients, deps } = services
  const toldOf = (mqId: string): ((group: string) => ToldByClients) => {
    const groups = traffic.lastMinute(mqId)?.slice.groups
    return (group) => ({
      ...failing.of(mqId, group),
      handlerErrors: countOf(groups?.get(group)?.counts.handlerErrors),
    })
  }
  const wantedOf = (id: string | undefined): ActiveId[] =>
    id === undefined
      ? registry.all().flatMap((record) => (record.state === 'active' ? [record] : []))
      : [activeOf(services, id)]
  return {
    listApps: async ({ query }) => {
      const { id: mqId, app } = query
      const active = wantedOf(mqId)
      // Whoever asks for one application does not ask for others.
      const foreign = app === undefined ? foreignUseOf(lagBook, active) : { groups: [] }
      return { applications: applicationsOf(clients, { mqId, app }), foreign }
    },
    listGroups: async ({ query }) => {
      const active = wantedOf(query.id)
      return { groups: active.flatMap((record) => groupSummaries(lagBook, record, toldOf(record.id))) }
    },
    changeGroup: async ({ params, body, caller }) => {
      activeOf(services, params.id)
      return body.plan
        ? groupChanges.plan(params.id, body, actorOf(caller))
        : groupChanges.ask(params.id, body, actorOf(caller))
    },
    getGroupChange: async ({ params }) => groupChanges.find(params.number),
    getGroup: async ({ params, query }) =>
      groupDetail(clusters, lagBook, activeOf(services, params.id), query.group, toldOf(params.id), deps.clock.nowMs()),
  }
}

/** Windows of reports are spread over windows of ten seconds, in parts. */
function countOf(sum: number | undefined): number | null {
  return sum === undefined ? null : Math.ceil(sum - 0.001)
}
