/**
 * Watching what was rolled out: kept, or rolled back.
 *
 * P4. Everything is looked at that was looked at in a trial, of all instances against the time before.
 * P5. What was slow before is no fault of the change, and where readers changed it excuses no other group.
 */

import type { Windows } from '@mq/autopilot'
import {
  type DecisionRecord,
  type EndToEndLimit,
  errorOf,
  pastOf,
  reading,
  slowestOf,
  verdictText,
  type WatchFacts,
  worstGroupOf,
} from '@mq/autopilot'
import type { ActiveId } from '../registry/records.ts'
import type { Context } from './context.ts'
import { endToEndP99Of, readersP99sOf } from './latency-facts.ts'
import { markedForRollback } from './rollback-mark.ts'
import { activeOf, kindOf, overtakenBy } from './standing.ts'
import { storedRecords } from './stored-records.ts'
import { trialSubjectOf } from './trial-subject.ts'
import { recounted } from './warm-up.ts'

const MQ = 'mq'
/** Readers may get slower by this much where they missed the intent before. */
const SLOWER = 1.2

/** From `watching` to `kept`, or on the way back. */
export async function watch(context: Context, known: DecisionRecord): Promise<void> {
  const { writer, traffic, times } = context
  const { number, mqId } = known
  const active = activeOf(context, mqId)
  const gone = overtakenBy(context, known)
  if (gone !== undefined || active === undefined) {
    const note = gone ?? 'it was deleted'
    await writer.transition(number, { event: 'supersede', note, actor: MQ }, (row) =>
      markedForRollback(row, writer.nowMs, 'superseded', note),
    )
    return
  }
  const record = await recounted(context, known, active)
  const { work: row } = record
  const appliedAtMs = row.appliedAtMs ?? record.updatedAtMs
  const side = trialSubjectOf(context, active, record)
  const windows = side.since(appliedAtMs).where((one) => one.trial === null && one.windowStartMs >= appliedAtMs)
  const settled = windows.where((one) => one.windowStartMs >= appliedAtMs + times.settleMs)
  const { samples } = settled
  const all = windows.samples
  const limitOf = limitOfGroups(record, active)
  const slowest = side.compared(settled, null, limitOf)
  const minute = readersP99sOf(context, mqId)
  const readersP99Ms = slowestOf(minute)
  const worst = worstGroupOf(minute, () => null, limitOf)
  const held = [
    ...side.guardrails({
      onTrial: all,
      rest: [],
      before: pastOf(row),
      endToEndLimitMs: limitOf,
      reports: all,
      // Instances come and go while all of them are watched.
      instances: [],
      beganAtMs: appliedAtMs,
    }),
    reading({ nowMs: worst.p99Ms, limitMs: worst.limitMs }),
  ]
  const facts: Omit<WatchFacts, 'isStructural'> = {
    goal: row.repair === null ? 'cost' : 'latency',
    subject: side.subject,
    readers: row.repair?.what === 'end to end' ? { seenMs: row.repair.seenMs, nowMs: readersP99Ms } : null,
    after: samples,
    before: row.baseline,
    past: pastOf(row),
    trialChange: row.trialChange,
    predictedRatio: row.predictedRatio,
    guardrails: held,
    afterP99Ms: slowest.p99Ms,
    beforeP99Ms: slowest.restP99Ms,
    p99LimitMs: slowest.limitMs,
    sinceMs: writer.nowMs - appliedAtMs,
    reportedRecords: side.reported(windows, row.stored?.atMs ?? appliedAtMs, null),
    storedRecords: null,
    bytes: side.subject === 'producers' ? grown(context, record, active, windows) : null,
    times,
  }
  const { verify } = kindOf(context, record)
  let verdict = verify(facts)
  if (verdict.kind === 'pass') {
    const now = await storedRecords(context, active)
    const since = now === null || row.stored === null ? null : Number(now - BigInt(row.stored.records))
    const reportedRecords = side.reported(windows, row.stored?.atMs ?? appliedAtMs, since)
    verdict = verify({ ...facts, storedRecords: since, reportedRecords })
  }
  const told = side.outcome(samples, side.p99Ms(settled), row.recordsPerSecond)
  const measured = { ...told, endToEndP99Ms: told.endToEndP99Ms ?? endToEndP99Of(traffic.profile(mqId)) }
  const status = verdictText(verdict.reason)
  const found = (before: DecisionRecord): DecisionRecord => ({
    ...before,
    status,
    guardrails: held,
    watchComparisons: verdict.comparisons.length > 0 ? verdict.comparisons : before.watchComparisons,
    measured: samples.length > 0 ? measured : before.measured,
    predictionError: errorOf(
      before,
      samples.length > 0 ? measured.usdPerMillionRecords : (before.measured?.usdPerMillionRecords ?? null),
    ),
  })
  if (verdict.kind === 'wait') writer.setStatus(number, found)
  else if (verdict.kind === 'pass')
    await writer.transition(number, { event: 'verified', note: status, actor: MQ }, found)
  else {
    await writer.transition(number, { event: 'regressed', note: status, actor: MQ }, (before) =>
      markedForRollback(found(before), writer.nowMs, 'undone', status),
    )
  }
}

/** P5. */
function limitOfGroups({ kind, measuredBefore, work: { groupP99s } }: DecisionRecord, active: ActiveId): EndToEndLimit {
  const { latencyP99Ms } = active.spec.intent
  const before = kind === 'consumer-settings' && groupP99s !== null ? groupP99s : undefined
  const own = new Map(before?.map(({ group, p99Ms }) => [group, p99Ms]))
  return (group) => {
    const usual = before === undefined ? measuredBefore?.endToEndP99Ms : own.get(group)
    return Math.max(latencyP99Ms, (usual ?? 0) * SLOWER)
  }
}

/** Bytes reported and held between two looks at the log after the change; the first look is remembered. */
function grown(
  { writer, seenLog, times }: Context,
  { number, work: row }: DecisionRecord,
  active: ActiveId,
  windows: Windows,
): { readonly reported: number; readonly held: number } | null {
  const open = active.epochs.find(({ state }) => state === 'open')
  const look = open === undefined ? null : seenLog(open.cluster, open.topic)
  if (look === null) return null
  const first = row.held
  if (first === null) {
    if (look.atMs >= (row.appliedAtMs ?? 0) + times.settleMs) {
      writer.setStatus(number, (before) => ({ ...before, work: { ...before.work, held: look } }))
    }
    return null
  }
  if (look.atMs <= first.atMs) return null
  const reported = windows.wireBytesWithin(first.atMs, look.atMs)
  return { reported, held: look.bytes - first.bytes }
}
