/**
 * The trial: the new settings on a few instances, against the rest.
 *
 * R2. Only the trial's own settings in the binding tell who is on trial; what clients report names the decision they were on.
 * R3. A verdict in favour asks the brokers how much they really took before it counts.
 */

import {
  type DecisionRecord,
  errorOf,
  judgeTrial,
  pastOf,
  type TrialFacts,
  type Verdict,
  verdictText,
} from '@mq/autopilot'
import type { ActiveId } from '../registry/records.ts'
import type { Context } from './context.ts'
import { markedForRollback } from './rollback-mark.ts'
import { activeOf, overtakenBy } from './standing.ts'
import { storedRecords } from './stored-records.ts'
import { type TrialSubject, trialSubjectOf } from './trial-subject.ts'
import { recounted } from './warm-up.ts'

const MQ = 'mq'

/** From `trial` on: looks, changes turns, and ends it when it is decided. */
export async function look(context: Context, found: DecisionRecord): Promise<void> {
  const { writer, policies } = context
  const { number } = found
  const gone = overtakenBy(context, found)
  const active = activeOf(context, found.mqId)
  if (gone !== undefined || active === undefined) {
    await writer.transition(number, { event: 'supersede', note: gone ?? 'it was deleted', actor: MQ }, (row) =>
      markedForRollback(row, writer.nowMs, 'superseded', gone ?? ''),
    )
    return
  }
  if (!policies.autopilot.on) {
    const note = 'the autopilot was turned off'
    await writer.transition(number, { event: 'undo', note, actor: MQ }, (row) =>
      markedForRollback(row, writer.nowMs, 'undone', note),
    )
    return
  }
  const record = await recounted(context, found, active)
  const seen = factsOf(context, record, active)
  let verdict = judgeTrial(seen.facts)
  if (verdict.kind === 'pass') {
    // R3.
    const held = await storedRecords(context, active)
    const stored = record.work.stored
    const storedSince = held === null || stored === null ? null : Number(held - BigInt(stored.records))
    verdict = judgeTrial({ ...seen.facts, storedRecords: storedSince, reportedRecords: seen.reported(storedSince) })
  }
  await decide(context, record, verdict, seen)
  if (verdict.kind === 'wait') await changeTurn(context, writer.row(number))
}

interface Seen {
  readonly side: TrialSubject
  readonly facts: TrialFacts
  readonly p99Ms: number | null
  readonly dropped: number
  /** Records clients say they sent, or read, held against what brokers took. */
  reported(storedRecords: number | null): number
}

function factsOf(context: Context, record: DecisionRecord, active: ActiveId): Seen {
  const { writer, times } = context
  const { number, work: row } = record
  const trial = record.trial!
  const side = trialSubjectOf(context, active, record)
  // A window may have begun just before the trial did.
  const windows = side.since(trial.startedAtMs - times.telemetryMs)
  const named = new Set(trial.instances)
  const mine = windows.where((one) => one.trial === number)
  // Nobody but the named may be on trial: whoever else says so is no witness.
  const onTrial = mine.where((one) => named.has(one.instance))
  const rest = windows.where(
    (one) =>
      one.trial === null &&
      one.windowStartMs >= trial.startedAtMs &&
      (trial.design === 'windows' ? named.has(one.instance) : !named.has(one.instance)),
  )
  const before = pastOf(row)
  const endToEndLimitMs = (): number => active.spec.intent.latencyP99Ms
  const slowest = side.compared(onTrial, rest, endToEndLimitMs)
  const settled = onTrial.samples.filter((one) => one.atMs >= trial.startedAtMs + times.settleMs)
  const held = side.guardrails({
    onTrial: onTrial.samples,
    rest: trial.design === 'windows' ? [] : rest.samples,
    before: before.filter((one) => named.has(one.instance)),
    endToEndLimitMs,
    reports: windows.where((one) => named.has(one.instance)).samples,
    instances: trial.instances,
    beganAtMs: Math.max(trial.startedAtMs, context.upSinceMs),
  })
  const reported = (stored: number | null): number =>
    side.reported(windows, row.stored?.atMs ?? trial.startedAtMs, stored)
  return {
    side,
    reported,
    p99Ms: side.p99Ms(onTrial),
    dropped: onTrial.dropped + rest.dropped + (mine.size - onTrial.size),
    facts: {
      goal: row.repair === null ? 'cost' : 'latency',
      subject: side.subject,
      design: trial.design,
      onTrial: settled,
      rest: rest.samples,
      before,
      instances: trial.instances,
      startedAtMs: trial.startedAtMs,
      nowMs: writer.nowMs,
      analyses: row.looks,
      p99LimitMs: slowest.limitMs,
      guardrails: held,
      predictedRatio: row.predictedRatio,
      reportedRecords: reported(null),
      storedRecords: null,
      bytes: null,
      onTrialP99Ms: slowest.p99Ms,
      restP99Ms: slowest.restP99Ms,
      times,
    },
  }
}

async function decide(context: Context, record: DecisionRecord, verdict: Verdict, seen: Seen): Promise<void> {
  const { writer } = context
  const { number } = record
  const { facts, side } = seen
  const measured = side.outcome(facts.onTrial, seen.p99Ms, record.work.recordsPerSecond)
  const sought = verdict.comparisons[0]
  const status = verdictText(verdict.reason)
  const found = (row: DecisionRecord): DecisionRecord => ({
    ...row,
    status,
    guardrails: [...facts.guardrails],
    trialComparisons: verdict.comparisons.length > 0 ? verdict.comparisons : row.trialComparisons,
    measured,
    predictionError: errorOf(row, measured.usdPerMillionRecords),
    trial: { ...row.trial!, dropped: seen.dropped },
    work: { ...row.work, trialChange: sought?.changeShare ?? row.work.trialChange },
  })
  switch (verdict.kind) {
    case 'wait':
      if (verdict.analysed) {
        await writer.update(number, (row) => ({
          ...found(row),
          work: { ...found(row).work, looks: row.work.looks + 1 },
        }))
      } else writer.setStatus(number, found)
      return
    case 'pass':
      await writer.transition(number, { event: 'trial-passed', note: status, actor: MQ }, (row) => ({
        ...found(row),
        trial: { ...row.trial!, dropped: seen.dropped, endedAtMs: writer.nowMs },
      }))
      return
    case 'lose':
      await writer.transition(number, { event: 'trial-lost', note: status, actor: MQ }, (row) =>
        markedForRollback(found(row), writer.nowMs, 'undone', status),
      )
  }
}

/** One instance alone: the other side's turn. */
async function changeTurn(context: Context, record: DecisionRecord): Promise<void> {
  const { writer, times } = context
  const { turn } = record.work
  const active = activeOf(context, record.mqId)
  if (turn === null || active === undefined || writer.nowMs - turn.sinceMs < times.turnMs) return
  const isOnTrial = !turn.isOnTrial
  const side = trialSubjectOf(context, active, record)
  await writer.publish(
    record.number,
    'trial',
    `decision ${record.number}: the turn of the ${isOnTrial ? 'new' : 'old'} settings`,
    ({ spec }) => ({ ...spec, trial: isOnTrial ? side.trialOf(spec, record.trial!.instances) : null }),
    undefined,
    (row) => ({ ...row, work: { ...row.work, turn: { isOnTrial, sinceMs: writer.nowMs } } }),
  )
}
