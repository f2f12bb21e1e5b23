/** A change of positions for people: what it would do, or did. */
import type { GroupAction, GroupChange, TimeRange } from '@mq/contract'
import { nameOf } from './group-view.ts'
import type { Colors } from './io.ts'
import { table } from './output.ts'
import { plural } from './units.ts'

/** Of more partitions only the sum is shown. */
const MOST_ROWS = 100

export function changeText(change: GroupChange, colors: Colors): string {
  const name = `${nameOf(change)} of ${change.mqId}`
  const isDone = change.state === 'done'
  if (change.moves.length === 0) {
    const notes = change.notes.map((note) => colors.yellow(note))
    return [`${name}: ${actionText(change.action)}. Nothing ${isDone ? 'changed' : 'would change'}.`, ...notes].join(
      '\n',
    )
  }
  const head = isDone
    ? `Moved ${name}: ${actionText(change.action)} (change ${change.number}).`
    : `${colors.bold(name)}: ${actionText(change.action)}.`
  const rows = change.moves
    .slice(0, MOST_ROWS)
    .map((move) => [
      String(move.epoch),
      String(move.partition),
      move.before ?? 'none',
      move.after,
      `${move.start} - ${move.end}`,
      move.readAgain === 0 ? '-' : plural(move.readAgain, 'record'),
      move.skipped === 0 ? '-' : plural(move.skipped, 'record'),
    ])
  const left = change.moves.length - rows.length
  return [
    head,
    table(
      [
        { head: 'EPOCH', align: 'right' },
        { head: 'PARTITION', align: 'right' },
        { head: 'BEFORE', align: 'right' },
        { head: 'AFTER', align: 'right' },
        { head: 'LOG', align: 'right' },
        { head: 'READ AGAIN', align: 'right' },
        { head: 'SKIPPED', align: 'right' },
      ],
      rows,
      colors,
    ),
    ...(left > 0 ? [`and ${plural(left, 'more partition')}`] : []),
    ...sumsOf(change),
    ...change.notes.map((note) => colors.yellow(note)),
    ...(change.isLive && !isDone
      ? [
          `${plural(change.members.length, 'member')} of it ${change.members.length === 1 ? 'leaves' : 'leave'} for it and ${change.members.length === 1 ? 'comes' : 'come'} back by ${change.members.length === 1 ? 'itself' : 'themselves'}.`,
        ]
      : []),
  ].join('\n')
}

/** What somebody has to want. */
export function doubtsOf(change: GroupChange): string[] {
  return sumsOf(change)
}

function sumsOf({ readAgain, skipped, readAgainTimes, skippedTimes, state }: GroupChange): string[] {
  const will = state === 'done' ? 'are' : 'would be'
  return [
    ...(readAgain === 0 ? [] : [`${plural(readAgain, 'record')} ${will} read again${timesText(readAgainTimes)}`]),
    ...(skipped === 0 ? [] : [`${plural(skipped, 'record')} ${will} skipped${timesText(skippedTimes)}`]),
    ...(readAgain + skipped === 0 ? [`positions ${will} set where there were none`] : []),
  ]
}

function timesText(times: TimeRange | null): string {
  if (times === null) return ''
  const text = (ms: number): string => new Date(ms).toISOString()
  return times.oldestMs === times.newestMs
    ? ` (written at ${text(times.oldestMs)})`
    : ` (written from ${text(times.oldestMs)} to ${text(times.newestMs)})`
}

function actionText(action: GroupAction): string {
  const at = (ms: number): string => new Date(ms).toISOString()
  switch (action.kind) {
    case 'to-earliest':
      return 'to the earliest record'
    case 'to-latest':
      return 'to the end'
    case 'to-offset':
      return `to offset ${action.offset}`
    case 'to-time':
      return `to ${at(action.timeMs)}`
    case 'shift':
      return `${plural(Math.abs(action.records), 'record')} ${action.records < 0 ? 'back' : 'forward'} in each partition`
    case 'skip':
      return `past offset ${action.offset}`
    case 'replay':
      return `replay from ${at(action.sinceMs)}${action.untilMs === null ? '' : ` to ${at(action.untilMs)}`}`
  }
}
