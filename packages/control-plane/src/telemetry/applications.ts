/**
 * Who produces and who consumes, as the routes tell it (contract: applications.ts).
 */
import type { Application, ForeignUse } from '@mq/contract'
import type { LagState } from '../lag/lag-state.ts'
import type { ActiveId } from '../registry/records.ts'
import type { ClientDirectory, ClientInstance } from './client-directory.ts'

/** @param mqId only what concerns it @param app only this one */
export function applicationsOf(
  book: ClientDirectory,
  { mqId, app }: { readonly mqId?: string | undefined; readonly app?: string | undefined },
): Application[] {
  const all = book.all().flatMap((one): ClientInstance[] => {
    if (app !== undefined && one.app !== app) return []
    if (mqId === undefined) return [one]
    const produces = one.produces.filter((each) => each.mqId === mqId)
    const consumes = one.consumes.filter((each) => each.mqId === mqId)
    return produces.length + consumes.length === 0 ? [] : [{ ...one, produces, consumes }]
  })
  return [...Map.groupBy(all, (one) => one.app)].map(([name, instances]) => ({
    app: name,
    instances: instances.map((one) => {
      const isAway = book.isAway(one)
      const rate = (perSecond: number): number | null => (isAway ? null : perSecond)
      const { instance, version, host, zone, startedAtMs, firstSeenAtMs, seenAtMs } = one
      return {
        ...{ instance, version, host, zone, startedAtMs, firstSeenAtMs, lastSeenAtMs: seenAtMs, isAway },
        produces: one.produces.map(({ mqId: id, perSecond }) => ({ mqId: id, perSecond: rate(perSecond) })),
        consumes: one.consumes.map(({ mqId: id, group, perSecond, unfinishedRecords }) => ({
          ...{ mqId: id, group, unfinishedRecords },
          perSecond: rate(perSecond),
        })),
      }
    }),
  }))
}

export function foreignUseOf(book: LagState, active: readonly ActiveId[]): ForeignUse {
  return {
    groups: active.flatMap((record) =>
      book
        .groups(record)
        .filter(({ foreign }) => foreign)
        .map(({ group, members }) => ({ mqId: record.id, group, members })),
    ),
  }
}

/** Processes of a group that would not leave it when asked (GroupHold): those of a version before. */
export function cannotLeave(book: ClientDirectory, mqId: string, group: string): string[] {
  return book
    .readers(mqId, group)
    .filter(({ features }) => !features.includes('group-hold'))
    .map(({ app, host, version }) => `${app}${host === null ? '' : `@${host}`} (SDK ${version})`)
}
