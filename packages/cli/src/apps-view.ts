/** Applications for people: who produces and who consumes. */
import type { AppInstance, Application, ForeignUse } from '@mq/contract'
import type { Colors } from './io.ts'
import { table } from './output.ts'
import { formatAge, formatCount, formatRate, plural } from './units.ts'

export function appsText(
  { applications, foreign }: { readonly applications: readonly Application[]; readonly foreign: ForeignUse },
  colors: Colors,
  nowMs: number,
): string {
  const rows = applications.flatMap(({ app, instances }) =>
    instances.flatMap((instance) =>
      usesOf(instance).map((use) => [
        app,
        hostOf(instance),
        instance.version,
        sinceText(instance, nowMs),
        use.what,
        use.perSecond === null ? '-' : `${formatRate(use.perSecond)}/s`,
        instance.isAway ? `last seen ${formatAge(nowMs - instance.lastSeenAtMs)} ago` : 'running',
      ]),
    ),
  )
  const others = foreign.groups.map(({ mqId, group, members }) => {
    const who = members === null ? 'members not known' : plural(members, 'member')
    return colors.yellow(`${mqId}: group ${group} is not of mQ (${who})`)
  })
  if (rows.length === 0) return ['No application has reported.', ...others].join('\n')
  const view = table(
    [
      { head: 'APP' },
      { head: 'HOST' },
      { head: 'SDK' },
      { head: 'SINCE', align: 'right' },
      { head: 'DOES' },
      { head: 'RATE', align: 'right' },
      { head: 'STATE' },
    ],
    rows,
    colors,
  )
  return [view, ...others].join('\n')
}

/** One line for each application and what it does, all its processes together. */
export function appRows(applications: readonly Application[], mqId: string, nowMs: number): string[][] {
  return applications.flatMap(({ app, instances }) => {
    const byUse = Map.groupBy(
      instances.flatMap((instance) =>
        usesOf(instance)
          .filter((use) => use.mqId === mqId)
          .map((use) => ({ instance, use })),
      ),
      ({ use }) => use.role,
    )
    return [...byUse].map(([role, all]) => {
      const there = all.filter(({ instance }) => !instance.isAway)
      const rates = there.flatMap(({ use }) => (use.perSecond === null ? [] : [use.perSecond]))
      const oldest = Math.min(...all.map(({ instance }) => instance.startedAtMs ?? instance.firstSeenAtMs))
      const last = Math.max(...all.map(({ instance }) => instance.lastSeenAtMs))
      return [
        app,
        role,
        formatCount(there.length),
        [...new Set(all.map(({ instance }) => instance.version))].join(', '),
        [...new Set(all.map(({ instance }) => instance.host ?? '?'))].slice(0, 5).join(', '),
        formatAge(nowMs - oldest),
        there.length === 0
          ? `last seen ${formatAge(nowMs - last)} ago`
          : `${formatRate(rates.reduce((sum, rate) => sum + rate, 0))}/s`,
      ]
    })
  })
}

interface Use {
  readonly mqId: string
  readonly role: string
  readonly what: string
  readonly perSecond: number | null
}

function usesOf({ produces, consumes }: AppInstance): Use[] {
  return [
    ...produces.map(({ mqId, perSecond }) => ({ mqId, role: 'produces', what: `produces ${mqId}`, perSecond })),
    ...consumes.map(({ mqId, group, perSecond }) => ({
      ...{ mqId, perSecond, role: `consumes as ${group}`, what: `consumes ${mqId} as ${group}` },
    })),
  ]
}

function hostOf({ host, zone }: AppInstance): string {
  return `${host ?? '?'}${zone === null ? '' : ` (${zone})`}`
}

function sinceText({ startedAtMs, firstSeenAtMs }: AppInstance, nowMs: number): string {
  return formatAge(nowMs - (startedAtMs ?? firstSeenAtMs))
}
