/**
 * The routes of consumer groups.
 */
import type { Deps } from '@mq/kafka'
import type { GroupChanges } from '../groups/changes.ts'
import { groupDetail, groupSummaries, type ToldByClients } from '../groups/group-view.ts'
import type { LagBook } from '../lag/lag-book.ts'
import type { Clusters } from '../provision/clusters.ts'
import type { Registry } from '../registry/registry.ts'
import { activeOf } from './active.ts'
import type { Handlers } from './handlers.ts'

export interface GroupServices {
  readonly registry: Registry
  readonly clusters: Clusters
  readonly lagBook: LagBook
  readonly groupChanges: GroupChanges
  readonly deps: Deps
}

const nothingTold = (): ToldByClients => ({ unfinishedRecords: null, handlerErrors: null })

export function groupHandlers(
  services: GroupServices,
): Pick<Handlers, 'listGroups' | 'getGroup' | 'changeGroup' | 'getGroupChange'> {
  const { registry, clusters, lagBook, groupChanges, deps } = services
  return {
    listGroups: async ({ query }) => {
      const active =
        query.id === undefined
          ? registry.all().flatMap((record) => (record.state === 'active' ? [record] : []))
          : [activeOf(services, query.id)]
      return { groups: active.flatMap((record) => groupSummaries(lagBook, record, nothingTold)) }
    },
    changeGroup: async ({ params, body }) => {
      activeOf(services, params.id)
      return body.plan ? groupChanges.plan(params.id, body, 'api') : groupChanges.ask(params.id, body, 'api')
    },
    getGroupChange: async ({ params }) => groupChanges.find(params.number),
    getGroup: async ({ params, query }) =>
      groupDetail(clusters, lagBook, activeOf(services, params.id), query.group, nothingTold, deps.clock.nowMs()),
  }
}
