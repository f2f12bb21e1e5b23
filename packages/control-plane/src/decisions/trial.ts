/**
 * The trial: the new settings on a few instances, against the rest.
 *
 * R1. Before anything is touched the time before is written down: a trial is compared with it also after a restart.
 * R2. Only the trial's own settings in the binding tell who is on trial; what clients report names the decision they were on.
 * R3. A verdict in favour asks the brokers how much they really took before it counts.
 */
import { isUnderWay } from '@mq/contract'
import { changesToday } from '../loops/readiness.ts'
import type { ActiveId } from '../registry/records.ts'
import { howTried, noteOf } from './how-tried.ts'
import { errorOf } from './measured.ts'
import { type DecisionRecord, MAX_BASELINE } from './record.ts'
import { thinned } from './samples.ts'
import { type Side, sideOf } from './sides.ts'
import { judgeTrial, type TrialFacts, type Verdict } from './verdict.ts'
import { activeOf, endToEndP99Of, lagOf, otherUnderWay, overtakenBy, stands, storedRecords, type Work } from './work.ts'

const MQ = 'mq'
/** Over all mQ IDs: a model that is wrong is wrong in many places at once. */
const MOST_UNDER_WAY = 200

/** From `approved` on: begins the trial, or what needs none, as soon as it may. */
export async function start(work: Work, record: DecisionRecord): Promise<void> {
  const { desk, policies, times, ledger, traffic } = work
  const { number, mqId } = record
  const gone = overtakenBy(work, record)
  const active = activeOf(work, mqId)
  if (gone !== undefined || active === undefined || !stands(active, record, 'before')) {
    const note = gone ?? 'the settings it was made for do not stand any more'
    await desk.go(number, { event: 'supersede', note, actor: MQ })
    return
  }
  const wait = (status: string): void => {
    if (record.status !== status) desk.show(number, (row) => ({ ...row, status }))
  }
  if (!policies.autopilot.on) return wait('waits: the autopilot is off')
  const other = otherUnderWay(work, record)
  if (other !== undefined) return wait(`waits for decision ${other.number}, which is ${other.state}`)
  if (active.pending !== null || ledger.handingOver(mqId) !== undefined) return wait('waits for another change of it')
  const underWay = work.book.live().filter(({ state }) => isUnderWay(state)).length
  if (underWay >= MOST_UNDER_WAY) return wait(`waits: ${underWay} decisions are under way`)
  const policy = policies.effective(mqId, active.spec.intent.owner?.team)
  const spent = changesToday(work.book.of(mqId), desk.nowMs)
  if (record.approvedBy === null && spent >= policy.maxChangesPerDay) {
    return wait(`waits: ${spent} of ${policy.maxChangesPerDay} changes of the day are made`)
  }
  const how = howTried(work, record)
  if (how.kind === 'wait') return wait(how.why)
  if (how.kind === 'not') {
    await desk.go(number, { event: 'supersede', note: how.why, actor: MQ })
    return
  }
  const side = sideOf(work, active, record, how.kind === 'trial' ? how.subject : 'producers')
  const sinceMs = desk.nowMs - Math.max(times.observeMs, times.longestTrialMs)
  const windows = side.since(sinceMs).where(({ trial }) => trial === null)
  const { samples } = windows
  const profile = traffic.profile(mqId)
  const begun = {
    baseline: [...thinned(samples, MAX_BASELINE)],
    baselineP99Ms: side.p99Ms(windows),
    lagBefore: lagOf(profile),
    recordsPerSecond: profile?.recordsPerSecond ?? record.work.recordsPerSecond,
  }
  const told = side.outcome(samples, begun.baselineP99Ms, begun.recordsPerSecond)
  const measuredBefore = { ...told, endToEndP99Ms: told.endToEndP99Ms ?? endToEndP99Of(profile) }
  if (how.kind === 'for-all') {
    await desk.go(number, { event: 'apply-began', note: how.why, actor: MQ }, (row) => ({
      ...row,
      measuredBefore,
      work: { ...row.work, ...begun },
    }))
    return
  }
  if (!side.isPriced) return wait(`waits: nothing is known about the prices of its cluster`)
  const recentMs = desk.nowMs - Math.max(3 * times.telemetryMs, times.settleMs)
  const canary = side.canary(samples.filter((one) => one.atMs + one.activeMs >= recentMs))
  if (canary === undefined) return wait(`waits: no instance ${how.subject === 'readers' ? 'reads' : 'sends'} now`)
  const held = await storedRecords(work, active)
  const startedAtMs = desk.nowMs
  const note = noteOf(canary, how.subject)
  await desk.publish(
    number,
    'trial',
    `decision ${number}: ${record.title}; ${note}`,
    (now) =>
      stands(now, record, 'before') ? { ...now.spec, trial: side.trialOf(now.spec, canary.instances) } : undefined,
    { event: 'trial-began', note, actor: MQ },
    (row) => ({
      ...row,
      measuredBefore,
      trial: { ...canary, startedAtMs, endedAtMs: null, dropped: 0 },
      work: {
        ...row.work,
        ...begun,
        looks: 0,
        turn: canary.design === 'windows' ? { isOnTrial: true, sinceMs: startedAtMs } : null,
        stored: held === null ? null : { atMs: startedAtMs, records: String(held) },
      },
    }),
  )
}

/** From `trial` on: looks, changes turns, and ends it when it is decided. */
export async function look(work: Work, record: DecisionRecord): Promise<void> {
  const { desk, policies } = work
  const { number } = record
  const gone = overtakenBy(work, record)
  const active = activeOf(work, record.mqId)
  if (gone !== undefined || active === undefined) {
    await desk.go(number, { event: 'supersede', note: gone ?? 'it was deleted', actor: MQ }, (row) =>
      ended(row, desk.nowMs, 'superseded', gone ?? ''),
    )
    return
  }
  if (!policies.autopilot.on) {
    const note = 'the autopilot was turned off'
    await desk.go(number, { event: 'undo', note, actor: MQ }, (row) => ended(row, desk.nowMs, 'undone', note))
    return
  }
  const seen = factsOf(work, record, active)
  let verdict = judgeTrial(seen.facts)
  if (verdict.kind === 'pass') {
    // R3.
    const held = await storedRecords(work, active)
    const stored = record.work.stored
    const storedSince = held === null || stored === null ? null : Number(held - BigInt(stored.records))
    verdict = judgeTrial({ ...seen.facts, storedRecords: storedSince, reportedRecords: seen.reported(storedSince) })
  }
  await decide(work, record, verdict, seen)
  if (verdict.kind === 'wait') await changeTurn(work, desk.row(number))
}

interface Seen {
  readonly side: Side
  readonly facts: TrialFacts
  readonly p99Ms: number | null
  readonly dropped: number
  /** Records clients say they sent, or read, held against what brokers took. */
  reported(storedRecords: number | null): number
}

function factsOf(work: Work, record: DecisionRecord, active: ActiveId): Seen {
  const { desk, times } = work
  const { number, work: row } = record
  const trial = record.trial!
  const side = sideOf(work, active, record)
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
  const settled = onTrial.samples.filter((one) => one.atMs >= trial.startedAtMs + times.settleMs)
  const held = side.guardrails({
    onTrial: onTrial.samples,
    rest: trial.design === 'windows' ? [] : rest.samples,
    before: row.baseline.filter((one) => named.has(one.instance)),
    endToEndLimitMs: active.spec.intent.latencyP99Ms,
    reports: windows.where((one) => named.has(one.instance)).samples,
    instances: trial.instances,
    beganAtMs: trial.startedAtMs,
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
      before: row.baseline,
      instances: trial.instances,
      startedAtMs: trial.startedAtMs,
      nowMs: desk.nowMs,
      looks: row.looks,
      p99LimitMs: side.p99LimitMs,
      guardrails: held,
      predictedRatio: row.predictedRatio,
      reportedRecords: reported(null),
      storedRecords: null,
      bytes: null,
      ...side.compared(onTrial, rest),
      times,
    },
  }
}

async function decide(work: Work, record: DecisionRecord, verdict: Verdict, seen: Seen): Promise<void> {
  const { desk } = work
  const { number } = record
  const { facts, side } = seen
  const measured = side.outcome(facts.onTrial, seen.p99Ms, record.work.recordsPerSecond)
  const sought = verdict.comparisons[0]
  const found = (row: DecisionRecord): DecisionRecord => ({
    ...row,
    status: verdict.status,
    guardrails: [...facts.guardrails],
    trialComparisons: verdict.comparisons.length > 0 ? verdict.comparisons : row.trialComparisons,
    measured,
    predictionError: errorOf(row, measured.usdPerMillionRecords),
    trial: { ...row.trial!, dropped: seen.dropped },
    work: { ...row.work, trialChange: sought?.changeShare ?? row.work.trialChange },
  })
  switch (verdict.kind) {
    case 'wait':
      if (verdict.looked) {
        await desk.note(number, (row) => ({ ...found(row), work: { ...found(row).work, looks: row.work.looks + 1 } }))
      } else desk.show(number, found)
      return
    case 'pass':
      await desk.go(number, { event: 'trial-passed', note: verdict.status, actor: MQ }, (row) => ({
        ...found(row),
        trial: { ...row.trial!, dropped: seen.dropped, endedAtMs: desk.nowMs },
      }))
      return
    case 'lose':
      await desk.go(number, { event: 'trial-lost', note: verdict.status, actor: MQ }, (row) =>
        ended(found(row), desk.nowMs, 'undone', verdict.status),
      )
  }
}

/** One instance alone: the other side's turn. */
async function changeTurn(work: Work, record: DecisionRecord): Promise<void> {
  const { desk, times } = work
  const { turn } = record.work
  const active = activeOf(work, record.mqId)
  if (turn === null || active === undefined || desk.nowMs - turn.sinceMs < times.turnMs) return
  const isOnTrial = !turn.isOnTrial
  const side = sideOf(work, active, record)
  await desk.publish(
    record.number,
    'trial',
    `decision ${record.number}: the turn of the ${isOnTrial ? 'new' : 'old'} settings`,
    ({ spec }) => ({ ...spec, trial: isOnTrial ? side.trialOf(spec, record.trial!.instances) : null }),
    undefined,
    (row) => ({ ...row, work: { ...row.work, turn: { isOnTrial, sinceMs: desk.nowMs } } }),
  )
}

export function ended(
  record: DecisionRecord,
  nowMs: number,
  outcome: 'undone' | 'failed' | 'superseded',
  reason: string,
  actor = MQ,
): DecisionRecord {
  return {
    ...record,
    trial: record.trial === null ? null : { ...record.trial, endedAtMs: record.trial.endedAtMs ?? nowMs },
    work: { ...record.work, undo: record.work.undo ?? { outcome, reason, actor } },
  }
}
