/**
 * Consumer groups: what is known of them, and changes of their positions. Also who produces and consumes.
 */
import type {
  GroupChange,
  GroupChangeRequest,
  GroupDetail,
  GroupLagDetail,
  GroupSummary,
  RouteResponse,
} from '@mq/contract'
import type { Deps } from '@mq/kafka'
import type { GroupChanges } from '../groups/changes.ts'
import { groupDetail, groupSummaries, type ToldByClients } from '../groups/group-view.ts'
import type { LagBook } from '../lag/lag-book.ts'
import type { Clusters } from '../provision/clusters.ts'
import { applicationsOf, foreignUseOf } from '../telemetry/applications.ts'
import type { ClientBook } from '../telemetry/client-book.ts'
import type { FailingReaders } from '../telemetry/failing-readers.ts'
import type { Traffic } from '../telemetry/traffic.ts'
import { activeIds, activeOf, type RegistryContext } from './active-id.ts'
import { actorOf, type Caller } from './caller.ts'

export interface GroupContext extends RegistryContext {
  readonly clusters: Clusters
  readonly lagBook: LagBook
  readonly groupChanges: GroupChanges
  readonly traffic: Traffic
  readonly failing: FailingReaders
  readonly clients: ClientBook
  readonly deps: Deps
}

/** Groups of all mQ IDs, or of one. */
export function listGroups(context: GroupContext, mqId: string | undefined): GroupSummary[] {
  return activeIds(context, mqId).flatMap((record) =>
    groupSummaries(context.lagBook, record, toldByClients(context, record.id)),
  )
}

/** One group, as the brokers know it now. */
export function getGroup(
  context: GroupContext,
  { id, group }: { readonly id: string; readonly group: string },
): Promise<GroupDetail> {
  const { clusters, lagBook, deps } = context
  return groupDetail(clusters, lagBook, activeOf(context, id), group, toldByClients(context, id), deps.clock.nowMs())
}

export function lagOf(context: GroupContext, id: string): GroupLagDetail[] {
  return context.lagBook.details(activeOf(context, id))
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

/** Whoever asks for one application does not ask for what is not of mQ. */
export function listApps(
  context: GroupContext,
  { mqId, app }: { readonly mqId: string | undefined; readonly app: string | undefined },
): RouteResponse<'listApps'> {
  const active = activeIds(context, mqId)
  const foreign = app === undefined ? foreignUseOf(context.lagBook, active) : { groups: [] }
  return { applications: applicationsOf(context.clients, { mqId, app }), foreign }
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
