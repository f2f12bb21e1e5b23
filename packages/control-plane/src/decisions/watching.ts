/**
 * Watching what was made true for all: kept, or taken back.
 *
 * P4. Everything is looked at that was looked at in a trial, of all instances against the time before.
 */
import type { ActiveId } from '../registry/records.ts'
import { reading } from './guardrails.ts'
import { errorOf } from './measured.ts'
import type { DecisionRecord } from './record.ts'
import { sideOf } from './sides.ts'
import { ended } from './trial.ts'
import { judgeWatch, type WatchFacts } from './watch-verdict.ts'
import type { Windows } from './windows.ts'
import { activeOf, endToEndP99Of, overtakenBy, readersP99Of, storedRecords, type Work } from './work.ts'

const MQ = 'mq'
/** Readers may get slower by this much where they missed the intent before. */
const SLOWER = 1.2

/** From `watching` to `kept`, or on the way back. */
export async function watch(work: Work, record: DecisionRecord): Promise<void> {
  const { desk, traffic, times } = work
  const { number, mqId } = record
  const active = activeOf(work, mqId)
  const gone = overtakenBy(work, record)
  if (gone !== undefined || active === undefined) {
    const note = gone ?? 'it was deleted'
    await desk.go(number, { event: 'supersede', note, actor: MQ }, (row) => ended(row, desk.nowMs, 'superseded', note))
    return
  }
  const { work: row } = record
  const appliedAtMs = row.appliedAtMs ?? record.updatedAtMs
  const side = sideOf(work, active, record)
  const windows = side.since(appliedAtMs).where((one) => one.trial === null && one.windowStartMs >= appliedAtMs)
  const settled = windows.where((one) => one.windowStartMs >= appliedAtMs + times.settleMs)
  const { samples } = settled
  const all = windows.samples
  const afterP99Ms = side.p99Ms(settled)
  // What was slow before is no fault of the change.
  const endToEndLimitMs = Math.max(
    active.spec.intent.latencyP99Ms,
    (record.measuredBefore?.endToEndP99Ms ?? 0) * SLOWER,
  )
  const held = [
    ...side.guardrails({
      onTrial: all,
      rest: [],
      before: row.baseline,
      endToEndLimitMs,
      reports: all,
      // Instances come and go while all of them are watched.
      instances: [],
      beganAtMs: appliedAtMs,
    }),
    reading({ nowMs: readersP99Of(work, mqId), limitMs: endToEndLimitMs }),
  ]
  const facts: WatchFacts = {
    goal: row.repair === null ? 'cost' : 'latency',
    subject: side.subject,
    readers: row.repair?.what === 'end to end' ? { seenMs: row.repair.seenMs, nowMs: readersP99Of(work, mqId) } : null,
    after: samples,
    before: row.baseline,
    trialChange: row.trialChange,
    predictedRatio: row.predictedRatio,
    guardrails: held,
    afterP99Ms,
    beforeP99Ms: row.baselineP99Ms,
    p99LimitMs: Math.max(side.p99LimitMs, side.subject === 'readers' ? endToEndLimitMs : 0),
    sinceMs: desk.nowMs - appliedAtMs,
    reportedRecords: side.reported(windows, row.stored?.atMs ?? appliedAtMs, null),
    storedRecords: null,
    bytes: side.subject === 'producers' ? grown(work, record, active, windows) : null,
    isStructural: record.kind !== 'producer-settings' && side.subject === 'producers',
    times,
  }
  let verdict = judgeWatch(facts)
  if (verdict.kind === 'pass') {
    const now = await storedRecords(work, active)
    const since = now === null || row.stored === null ? null : Number(now - BigInt(row.stored.records))
    const reportedRecords = side.reported(windows, row.stored?.atMs ?? appliedAtMs, since)
    verdict = judgeWatch({ ...facts, storedRecords: since, reportedRecords })
  }
  const told = side.outcome(samples, afterP99Ms, row.recordsPerSecond)
  const measured = { ...told, endToEndP99Ms: told.endToEndP99Ms ?? endToEndP99Of(traffic.profile(mqId)) }
  const found = (before: DecisionRecord): DecisionRecord => ({
    ...before,
    status: verdict.status,
    guardrails: held,
    watchComparisons: verdict.comparisons.length > 0 ? verdict.comparisons : before.watchComparisons,
    measured: samples.length > 0 ? measured : before.measured,
    predictionError: errorOf(
      before,
      samples.length > 0 ? measured.usdPerMillionRecords : (before.measured?.usdPerMillionRecords ?? null),
    ),
  })
  if (verdict.kind === 'wait') desk.show(number, found)
  else if (verdict.kind === 'pass') await desk.go(number, { event: 'verified', note: verdict.status, actor: MQ }, found)
  else {
    await desk.go(number, { event: 'regressed', note: verdict.status, actor: MQ }, (before) =>
      ended(found(before), desk.nowMs, 'undone', verdict.status),
    )
  }
}

/** Bytes reported and held between two looks at the log after the change; the first look is remembered. */
function grown(
  { desk, seenLog, times }: Work,
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
      desk.show(number, (before) => ({ ...before, work: { ...before.work, held: look } }))
    }
    return null
  }
  if (look.atMs <= first.atMs) return null
  const reported = windows.wireBytesWithin(first.atMs, look.atMs)
  return { reported, held: look.bytes - first.bytes }
}
