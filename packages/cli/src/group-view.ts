/** Consumer groups for people: how each is, and where one stands. */
import type { GroupDetail, GroupSummary } from '@mq/contract'
import type { Colors } from './io.ts'
import { lagTimeText, sparkline } from './lag-view.ts'
import { fields, table } from './output.ts'
import { formatAge, formatCount, plural } from './units.ts'

export function groupsText(groups: readonly GroupSummary[], colors: Colors, nowMs: number): string {
  if (groups.length === 0) return 'No group has a place in any mQ ID.'
  const view = table(
    [
      { head: 'ID' },
      { head: 'GROUP' },
      { head: 'STATE' },
      { head: 'MEMBERS', align: 'right' },
      { head: 'LAG', align: 'right' },
      { head: 'BEHIND', align: 'right' },
      { head: 'UNFINISHED', align: 'right' },
      { head: 'FAILED', align: 'right' },
      { head: 'LAST COMMIT', align: 'right' },
      { head: 'LAST HOUR' },
    ],
    groups.map((group) => [
      group.mqId,
      nameOf(group),
      group.state,
      countText(group.members, '?'),
      countText(group.lagRecords, 'unknown'),
      lagTimeText(group),
      countText(group.unfinishedRecords, '-'),
      countText(group.handlerErrors, '-'),
      commitText(group, nowMs),
      [sparkline(group.recent), group.trend].filter((part) => part !== null && part !== '').join(' '),
    ]),
    colors,
  )
  return [view, ...groups.flatMap((group) => notesOf(group).map((note) => colors.yellow(note)))].join('\n')
}

export function groupText(group: GroupDetail, colors: Colors, nowMs: number): string {
  const members = group.memberList.map(({ clientId, host }) => `${clientId}@${host}`)
  const rows: [string, string][] = [
    ['state', `${group.state}, ${plural(group.memberList.length, 'member')}`],
    ['members', members.length === 0 ? 'none' : members.join(', ')],
    ['lag', group.lagRecords === null ? 'unknown' : plural(group.lagRecords, 'record')],
    ['behind', lagTimeText(group)],
    ['trend', group.trend ?? 'not known yet'],
    ['unfinished', countText(group.unfinishedRecords, 'not reported')],
    [
      'failed handlers',
      `${countText(group.handlerErrors, 'not reported')}${group.handlerErrors === null ? '' : ' in the last minute'}`,
    ],
    ['failing messages', countText(group.failingRecords, 'not reported')],
    ['last commit', commitText(group, nowMs)],
    ['Kafka group', group.groupId],
  ]
  const places = table(
    [
      { head: 'EPOCH', align: 'right' },
      { head: 'PARTITION', align: 'right' },
      { head: 'POSITION', align: 'right' },
      { head: 'END', align: 'right' },
      { head: 'LAG', align: 'right' },
      { head: 'BEHIND', align: 'right' },
      { head: 'FINISHED BEYOND', align: 'right' },
      { head: 'MEMBER' },
    ],
    group.partitions.map((one) => [
      String(one.epoch),
      String(one.partition),
      one.position ?? 'none',
      one.end ?? '?',
      countText(one.lagRecords, 'unknown'),
      one.lagMs === null ? 'unknown' : one.lagMs === 0 ? '0' : formatAge(one.lagMs),
      one.finishedBeyond === 0 ? '-' : formatCount(one.finishedBeyond),
      one.member ?? '-',
    ]),
    colors,
  )
  const notes = notesOf(group).map((note) => colors.yellow(note))
  return [`${colors.bold(nameOf(group))} of ${group.mqId}`, fields(rows, colors), '', places, ...notes].join('\n')
}

const MOST_FAILING = 3

/** Which messages a group does not get done with. */
export function failingText(
  name: string,
  { failingRecords, failing }: Pick<GroupSummary, 'failingRecords' | 'failing'>,
): string[] {
  if (failingRecords === null || failingRecords === 0) return []
  const each = failing.slice(0, MOST_FAILING).map(({ partition, offset, keyHash, attempts, error, failingMs, app }) => {
    const key = keyHash === null ? '' : `, key hash ${keyHash}`
    return `partition ${partition} offset ${offset}${key}: ${error}, ${plural(attempts, 'attempt')} in ${formatAge(failingMs)} (${app})`
  })
  const more = failingRecords > each.length ? [`and ${formatCount(failingRecords - each.length)} more`] : []
  return [
    `${name}: ${plural(failingRecords, 'message')} fail${failingRecords === 1 ? 's' : ''} again and again; the log of the application says where`,
    ...[...each, ...more].map((line) => `  ${line}`),
  ]
}

export function nameOf({ group, foreign }: Pick<GroupSummary, 'group' | 'foreign'>): string {
  return foreign ? `${group} (not of mQ)` : group
}

function notesOf(group: GroupSummary): string[] {
  const { problem, lostRecords } = group
  const name = `${group.mqId} ${group.group}`
  return [
    ...(problem === null ? [] : [`${name}: ${problem}`]),
    ...failingText(name, group),
    ...(lostRecords === 0 ? [] : [`${name}: retention removed ${formatCount(lostRecords)} records it had not read`]),
  ]
}

function countText(count: number | null, unknown: string): string {
  return count === null ? unknown : formatCount(count)
}

function commitText({ lastCommitAtMs }: GroupSummary, nowMs: number): string {
  return lastCommitAtMs === null ? 'not seen' : `${formatAge(nowMs - lastCommitAtMs)} ago`
}
