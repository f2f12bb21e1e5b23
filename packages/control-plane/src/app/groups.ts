/**
 * Consumer groups: what is known of them, and changes of their positions. Also who produces and consumes.
 */

import type {
  Application,
  ForeignUse,
  GroupChange,
  GroupChangeRequest,
  GroupDetail,
  GroupLagDetail,
  GroupSummary,
} from '@mq/contract'
import type { Deps } from '@mq/kafka'
import type { GroupChanges } from '../groups/changes.ts'
import { groupDetail, groupSummaries, type ToldByClients } from '../groups/group-view.ts'
import type { LagState } from '../lag/lag-state.ts'
import type { Clusters } from '../provision/clusters.ts'
import { applicationsOf, foreignUseOf } from '../telemetry/applications.ts'
import type { ClientDirectory } from '../telemetry/client-directory.ts'
import type { FailingConsumers } from '../telemetry/failing-consumers.ts'
import type { Traffic } from '../telemetry/traffic.ts'
import { activeIds, activeOf, type RegistryContext } from './active-id.ts'
import { actorOf, type Caller } from './caller.ts'
import { keyOf, type Page, type PageInput, pageByKey } from './page.ts'

export interface GroupContext extends RegistryContext {
  readonly clusters: Clusters
  readonly lagState: LagState
  readonly groupChanges: GroupChanges
  readonly traffic: Traffic
  readonly failing: FailingConsumers
  readonly clients: ClientDirectory
  readonly deps: Deps
}

/** Groups of all mQ IDs, or of one. */
export function listGroups(
  context: GroupContext,
  mqId: string | undefined,
  page: PageInput<string>,
): Page<GroupSummary, string> {
  const all = activeIds(context, mqId).flatMap((record) =>
    groupSummaries(context.lagState, record, toldByClients(context, record.id)),
  )
  return pageByKey(all, (one) => keyOf(one.mqId, one.foreign ? 'other' : 'mq', one.group), page)
}

/** One group, as the brokers know it now. */
export function getGroup(
  context: GroupContext,
  { id, group }: { readonly id: string; readonly group: string },
): Promise<GroupDetail> {
  const { clusters, lagState, deps } = context
  return groupDetail(clusters, lagState, activeOf(context, id), group, toldByClients(context, id), deps.clock.nowMs())
}

export function lagOf(context: GroupContext, id: string): GroupLagDetail[] {
  return context.lagState.details(activeOf(context, id))
}

/** Moves the positions of a group, or only says what would change. */
export async function changeGroup(
  context: GroupContext,
  caller: Caller,
  { id, ...request }: GroupChangeRequest & { readonly id: string },
): Promise<GroupChange> {
  activeOf(context, id)
  const { groupChanges } = context
  return request.plan ? groupChanges.plan(id, request, actorOf(caller)) : groupChanges.ask(id, request, actorOf(caller))
}

export interface AppFilter {
  readonly mqId: string | undefined
  readonly app: string | undefined
}

export function listApps(context: GroupContext, filter: AppFilter, page: PageInput<string>): Page<Application, string> {
  activeIds(context, filter.mqId)
  return pageByKey(applicationsOf(context.clients, filter), ({ app }) => app, page)
}

/** Who uses mQ IDs without mQ. Whoever asks for one application does not ask for that. */
export function foreignUse(context: GroupContext, { mqId, app }: AppFilter): ForeignUse {
  return app === undefined ? foreignUseOf(context.lagState, activeIds(context, mqId)) : { groups: [] }
}

function toldByClients({ traffic, failing }: GroupContext, mqId: string): (group: string) => ToldByClients {
  const groups = traffic.lastMinute(mqId)?.slice.groups
  return (group) => ({
    ...failing.of(mqId, group),
    handlerErrors: countOf(groups?.get(group)?.counts.handlerErrors),
  })
}

/** Windows of reports are spread over windows of ten seconds, in parts. */
function countOf(sum: number | undefined): number | null {
  return sum === undefined ? null : Math.ceil(sum - 0.001)
}
