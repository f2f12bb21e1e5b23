/** A plan the way `diff` shows one: what is created, changed, kept and refused, with before and after. */
import { formatDurationMs, type Plan, type PlanEntry } from '@mq/contract'
import type { Colors } from './io.ts'
import { formatCount } from './units.ts'

/** By mQ ID: the fields of the intent that the files name. */
export type WrittenFields = ReadonlyMap<string, ReadonlySet<string>>

export function planText(plan: Plan, colors: Colors, written?: WrittenFields): string {
  const lines = plan.entries.flatMap((entry) => [
    ...entryLines({ ...entry, changes: readable(entry.changes) }, written?.get(entry.id), colors),
    ...(entry.deletes ?? []).map((what) => colors.red(`    deletes ${what}`)),
  ])
  lines.push('', colors.bold(summary(plan)))
  return lines.join('\n').trimStart()
}

/** Changes of fields that the file leaves out: they go back to their defaults. */
export function resetFields(entry: PlanEntry, written: ReadonlySet<string> | undefined): string[] {
  if (entry.action !== 'update' || written === undefined) return []
  const fields = entry.changes.map(({ path }) => path.split('.')[0]!)
  return [...new Set(fields)].filter((field) => !written.has(field))
}

function entryLines(entry: PlanEntry, written: ReadonlySet<string> | undefined, colors: Colors): string[] {
  const resets = resetFields(entry, written)
  switch (entry.action) {
    case 'create':
      return [
        colors.green(`+ ${entry.id}`),
        ...entry.changes.map((change) => colors.green(`    + ${change.path}: ${change.after ?? ''}`)),
      ]
    case 'update':
      return [
        colors.yellow(`~ ${entry.id}`),
        ...entry.changes.flatMap((change) =>
          changeLines(change, colors).map((line) =>
            resets.includes(change.path.split('.')[0]!)
              ? `${line} ${colors.yellow('(left out of the file: back to the default)')}`
              : line,
          ),
        ),
      ]
    case 'unchanged':
      return [colors.dim(`= ${entry.id}`)]
    case 'refuse':
      return [
        colors.red(`! ${entry.id}`),
        colors.red(`    ${entry.refusal?.code ?? 'refused'}: ${entry.refusal?.message ?? ''}`),
        ...(entry.pending === true ? [colors.yellow('    this stays pending: mQ carries it out once it can')] : []),
        ...entry.changes.flatMap((change) => changeLines(change, colors)),
      ]
  }
}

function changeLines(change: PlanEntry['changes'][number], colors: Colors): string[] {
  const { path, before, after } = change
  if (before === null) return [colors.green(`    + ${path}: ${after ?? ''}`)]
  if (after === null) return [colors.red(`    - ${path}: ${before}`)]
  return [`    ${colors.yellow('~')} ${path}: ${colors.red(before)} -> ${colors.green(after)}`]
}

type Change = PlanEntry['changes'][number]

/** The fields as a person writes them: `retention: 7d`, not its parts; `2h`, not 7200000. */
function readable(changes: readonly Change[]): Change[] {
  const policy = changes.find((change) => change.path === 'retention.policy')
  const duration = changes.find((change) => change.path === 'retention.durationMs')
  if (policy === undefined && duration === undefined) return changes.map(readableDuration)
  const side = (which: 'before' | 'after'): string | null => {
    const named = policy?.[which] ?? null
    return named === null || named === 'time' ? durationText(duration?.[which] ?? null) : named
  }
  const retention: Change = { path: 'retention', before: side('before'), after: side('after') }
  const first = changes.findIndex((change) => change.path.startsWith('retention.'))
  return changes.flatMap((change, index) => {
    if (index === first) return [retention]
    return change === policy || change === duration ? [] : [readableDuration(change)]
  })
}

function readableDuration(change: Change): Change {
  if (!change.path.endsWith('Ms')) return change
  return { ...change, before: durationText(change.before), after: durationText(change.after) }
}

function durationText(text: string | null): string | null {
  return text !== null && /^\d+$/.test(text) ? formatDurationMs(Number(text)) : text
}

function summary(plan: Plan): string {
  const isDone = plan.executed || plan.applied
  const pending = plan.entries.filter((entry) => entry.pending === true).length
  const count = (action: PlanEntry['action']): number => {
    const all = plan.entries.filter((entry) => entry.action === action).length
    return action === 'refuse' ? all - pending : all
  }
  const words: readonly (readonly [PlanEntry['action'], string, string])[] = [
    ['create', 'to create', 'created'],
    ['update', 'to change', 'changed'],
    ['unchanged', 'unchanged', 'unchanged'],
    ['refuse', 'refused', 'refused'],
  ]
  const parts = words
    .map(([action, planned, done]) => ({ number: count(action), word: isDone ? done : planned }))
    .filter(({ number }) => number > 0)
    .map(({ number, word }) => `${formatCount(number)} ${word}`)
  if (pending > 0) parts.push(`${formatCount(pending)} pending`)
  if (parts.length === 0) return 'No mQ IDs are declared there.'
  const close = isDone ? '.' : '. Nothing was changed.'
  return `${parts.join(', ')}${close}`
}
