/**
 * mQ IDs: declaring, deleting, bringing back and settling one, and the lists of them.
 *
 * I1. What belongs to an mQ ID (dead letters, ways back) follows each of its changes.
 */

import type { Intent, MqIdDetail, MqIdSummary, RouteResponse } from '@mq/contract'
import { homeWarning } from '../provision/home.ts'
import type { Provisioner } from '../provision/provisioner.ts'
import type { Recovery } from '../recovery/recovery.ts'
import type { ActiveId } from '../registry/records.ts'
import { activeIds } from './active-id.ts'
import { actorOf, type Caller } from './caller.ts'
import { type DetailContext, detailOf, summaryOf } from './id-detail.ts'
import { type Page, type PageInput, pageByKey } from './page.ts'

type DeletedId = RouteResponse<'listDeleted'>['ids'][number]

export interface IdContext extends DetailContext {
  readonly provisioner: Provisioner
  readonly recovery: Recovery
  /** How long the records of a deleted mQ ID are kept. */
  readonly deleteGraceMs: number
}

export function listIds(context: DetailContext, page: PageInput<string>): Page<MqIdSummary, string> {
  const own = activeIds(context).filter(({ spec }) => spec.side === undefined)
  const { items, next } = pageByKey(own, ({ id }) => id, page)
  return { items: items.map((record) => summaryOf(context, record)), next }
}

/** What the owner of any mQ ID should know. */
export async function warningsOfAll({ registry, holdings, costs, clusters, drift }: DetailContext): Promise<string[]> {
  const all = registry.all()
  const active = all.flatMap((record): ActiveId[] => (record.state === 'active' ? [record] : []))
  return [
    ...all.flatMap(({ id }) => holdings.warnings(id)),
    ...(await costs.warnings()).flatMap(({ warning }) => warning ?? []),
    ...active.flatMap((record) => homeWarning(clusters, record) ?? []),
    ...all.flatMap(({ id }) => drift.of(id).flatMap(({ alarm, what }) => (alarm ? [what] : []))),
  ]
}

export function listDeleted({ registry }: DetailContext, page: PageInput<string>): Page<DeletedId, string> {
  const kept = registry
    .all()
    .flatMap(({ id, state, spec, pending, updatedAtMs }) =>
      state === 'deleted' && spec.side === undefined && pending?.kind === 'delete' && pending.notBeforeMs > 0
        ? [{ id, deletedAtMs: updatedAtMs, keptUntilMs: pending.notBeforeMs }]
        : [],
    )
  return pageByKey(kept, ({ id }) => id, page)
}

/** I1 */
export async function declareId(
  context: IdContext,
  caller: Caller,
  { id, intent }: { readonly id: string; readonly intent: Intent },
): Promise<MqIdDetail> {
  await context.provisioner.declare(id, intent, 'apply', actorOf(caller))
  await context.sides.follow(id, actorOf(caller))
  return detailOf(context, id)
}

/** I1 @param isNow without the grace time */
export async function deleteId(
  { provisioner, sides, deleteGraceMs }: IdContext,
  caller: Caller,
  { id, force, isNow }: { readonly id: string; readonly force: boolean; readonly isNow: boolean },
): Promise<RouteResponse<'deleteId'>> {
  const graceMs = isNow ? 0 : deleteGraceMs
  const removed = await provisioner.remove(id, actorOf(caller), { graceMs, force })
  const ofSides = await sides.remove(id, actorOf(caller), { graceMs })
  return { deleted: true, ...removed, topics: [...removed.topics, ...ofSides] }
}

/** I1 */
export async function undeleteId(context: IdContext, caller: Caller, id: string): Promise<MqIdDetail> {
  await context.provisioner.undelete(id, actorOf(caller))
  await context.sides.undelete(id, actorOf(caller))
  return detailOf(context, id)
}

/** Says what holds of an mQ ID that stayed unsettled after a restore. */
export async function settleId(
  { recovery }: IdContext,
  caller: Caller,
  { id, as }: { readonly id: string; readonly as: 'stored' | 'deleted' },
): Promise<void> {
  await recovery.settleAs(id, as, actorOf(caller))
}
