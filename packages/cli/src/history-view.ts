/** The journal for people: one line for each change. */
import type { RouteResponse } from '@mq/contract'
import type { Colors } from './io.ts'
import { table } from './output.ts'
import { formatAge } from './units.ts'

export function historyText(
  { entries }: Pick<RouteResponse<'listJournal'>, 'entries'>,
  colors: Colors,
  nowMs: number,
  width: number,
): string {
  if (entries.length === 0) return 'Nothing was changed yet.'
  return table(
    [{ head: 'AGE' }, { head: 'CHANGE' }, { head: 'SUBJECT' }, { head: 'BY' }, { head: 'REQUEST' }, { head: 'WHY' }],
    entries.map(({ atMs, kind, subject, actor, requestId, why }) => [
      formatAge(Math.max(0, nowMs - atMs)),
      kind,
      subject,
      actor,
      requestId ?? '-',
      why,
    ]),
    colors,
    width,
  )
}
