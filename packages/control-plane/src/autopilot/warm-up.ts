/**
 * What a control plane that began anew has to make up for: windows are kept in memory only.
 *
 * E1. No change of settings begins before reports of some time are there: a few of the first would pass for all.
 * E2. What brokers hold is counted from the first look after the restart on, as what clients say is.
 */

import type { DecisionRecord } from '@mq/autopilot'
import type { ActiveId } from '../registry/records.ts'
import type { Context } from './context.ts'
import { storedRecords } from './stored-records.ts'

/** E1: how long until so much was seen; nothing when it was. */
export function warmUpMs({ upSinceMs, times, writer }: Context): number {
  return Math.max(0, upSinceMs + 3 * times.telemetryMs + times.settleMs - writer.nowMs)
}

/** E2. */
export async function recounted(context: Context, record: DecisionRecord, active: ActiveId): Promise<DecisionRecord> {
  const { writer, upSinceMs } = context
  const { number } = record
  const { stored, held } = record.work
  if ((stored?.atMs ?? upSinceMs) >= upSinceMs && (held?.atMs ?? upSinceMs) >= upSinceMs) return record
  const now = await storedRecords(context, active)
  // Asked again at the next look.
  if (now === null) return record
  const from = stored === null ? null : { atMs: writer.nowMs, records: String(now) }
  writer.setStatus(number, (row) => ({ ...row, work: { ...row.work, stored: from, held: null } }))
  return writer.row(number)
}
