/**
 * The trial: the new settings on a few instances, against the rest.
 *
 * R1. Before anything is touched the time before is written down: a trial is compared with it also after a restart.
 * R2. Only the trial's own settings in the binding tell who is on trial; what clients report names the decision they were on.
 * R3. A verdict in favour asks the brokers how much they really took before it counts.
 */
import { isUnderWay, type Trial } from '@mq/contract'
import { changesToday } from '../loops/readiness.ts'
import type { ActiveId } from '../registry/records.ts'
import type { InstanceWindow } from '../telemetry/profile.ts'
import { chooseCanary } from './canary.ts'
import { guardrails } from './guardrails.ts'
import { type DecisionRecord, MAX_BASELINE } from './record.ts'
import { isPlausible, mergedP99Ms, samplesOf, thinned } from './samples.ts'
import { judgeTrial, outcomeOf, type TrialFacts, type Verdict } from './verdict.ts'
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
  const price = work.pricer(active)
  const sinceMs = desk.nowMs - Math.max(times.observeMs, times.longestTrialMs)
  const windows = traffic.instanceWindows(mqId, sinceMs).filter(({ trial }) => trial === null)
  const { samples } = samplesOf(windows, price ?? (() => null))
  const profile = traffic.profile(mqId)
  const baseline = [...thinned(samples, MAX_BASELINE)]
  const begun = {
    baseline,
    baselineP99Ms: mergedP99Ms(windows.filter(isPlausible)),
    lagBefore: lagOf(profile),
    recordsPerSecond: profile?.recordsPerSecond ?? record.work.recordsPerSecond,
  }
  const measuredBefore = outcomeOf(samples, begun.baselineP99Ms, begun.recordsPerSecond, endToEndP99Of(profile))
  if (record.kind !== 'producer-settings' || record.change.kind !== 'producer-settings') {
    const note = 'it concerns the whole topic or its readers, so it is made for all and watched'
    await desk.go(number, { event: 'apply-began', note, actor: MQ }, (row) => ({
      ...row,
      measuredBefore,
      work: { ...row.work, ...begun },
    }))
    return
  }
  if (price === undefined) return wait(`waits: nothing is known about the prices of its cluster`)
  const recentMs = desk.nowMs - Math.max(3 * times.telemetryMs, times.settleMs)
  const canary = chooseCanary(samples.filter((one) => one.atMs + one.activeMs >= recentMs))
  if (canary === undefined) return wait('waits: no instance sends now')
  const held = await storedRecords(work, active)
  const { after } = record.change
  const trial: Trial = { decision: number, instances: canary.instances, producer: after }
  const startedAtMs = desk.nowMs
  const note =
    canary.design === 'instances'
      ? `on trial with ${canary.instances.length} of ${canary.ofInstances} instances`
      : 'one instance sends: it takes turns between the old settings and the new ones'
  await desk.publish(
    number,
    'trial',
    `decision ${number}: ${record.title}; ${note}`,
    (now) => (stands(now, record, 'before') ? { ...now.spec, trial } : undefined),
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
    verdict = judgeTrial({ ...seen.facts, storedRecords: storedSince })
  }
  await decide(work, record, verdict, seen)
  if (verdict.kind === 'wait') await changeTurn(work, desk.row(number))
}

interface Seen {
  readonly facts: TrialFacts
  readonly onTrial: readonly InstanceWindow[]
  readonly dropped: number
}

function factsOf(work: Work, record: DecisionRecord, active: ActiveId): Seen {
  const { desk, traffic, times, pricer } = work
  const { number, mqId } = record
  const trial = record.trial!
  const price = pricer(active) ?? (() => null)
  // A window may have begun just before the trial did.
  const sinceMs = trial.startedAtMs - times.telemetryMs
  const windows = traffic.instanceWindows(mqId, sinceMs)
  const named = new Set(trial.instances)
  const mine = windows.filter((one) => one.trial === number)
  // Nobody but the named may be on trial: whoever else says so is no witness.
  const onTrial = mine.filter((one) => named.has(one.instance))
  const rest = windows.filter(
    (one) =>
      one.trial === null &&
      one.windowStartMs >= trial.startedAtMs &&
      (trial.design === 'windows' ? named.has(one.instance) : !named.has(one.instance)),
  )
  const all = { onTrial: samplesOf(onTrial, price), rest: samplesOf(rest, price) }
  const settled = all.onTrial.samples.filter((one) => one.atMs >= trial.startedAtMs + times.settleMs)
  const reports = samplesOf(
    windows.filter((one) => named.has(one.instance)),
    price,
  ).samples
  const { work: row } = record
  const reported = reportedSince(windows, row.stored?.atMs ?? trial.startedAtMs, times.telemetryMs)
  const held = guardrails({
    onTrial: all.onTrial.samples,
    rest: trial.design === 'windows' ? [] : all.rest.samples,
    before: row.baseline.filter((one) => named.has(one.instance)),
    sendP99LimitMs: row.sendP99LimitMs,
    lagBefore: row.lagBefore,
    lagNow: lagOf(traffic.profile(mqId)),
    recordsPerSecond: row.recordsPerSecond,
    reports,
    instances: trial.instances,
    beganAtMs: trial.startedAtMs,
    nowMs: desk.nowMs,
    times,
  })
  return {
    onTrial: onTrial.filter(isPlausible),
    dropped: all.onTrial.dropped + all.rest.dropped + (mine.length - onTrial.length),
    facts: {
      goal: row.repair === null ? 'cost' : 'latency',
      design: trial.design,
      onTrial: settled,
      rest: all.rest.samples,
      before: row.baseline,
      instances: trial.instances,
      startedAtMs: trial.startedAtMs,
      nowMs: desk.nowMs,
      looks: row.looks,
      sendP99LimitMs: row.sendP99LimitMs,
      guardrails: held,
      predictedRatio: row.predictedRatio,
      reportedRecords: reported,
      storedRecords: null,
      bytes: null,
      onTrialP99Ms: mergedP99Ms(onTrial.filter(isPlausible)),
      restP99Ms: mergedP99Ms(rest.filter(isPlausible)),
      times,
    },
  }
}

/** Records clients say they sent since; a window that straddles the moment counts when most of it lies after. */
export function reportedSince(windows: readonly InstanceWindow[], sinceMs: number, telemetryMs: number): number {
  return windows
    .filter((one) => one.windowStartMs >= sinceMs - telemetryMs / 2)
    .reduce((total, one) => total + one.records, 0)
}

async function decide(work: Work, record: DecisionRecord, verdict: Verdict, seen: Seen): Promise<void> {
  const { desk } = work
  const { number } = record
  const { facts } = seen
  const measured = outcomeOf(facts.onTrial, facts.onTrialP99Ms, record.work.recordsPerSecond, null)
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
  if (turn === null || desk.nowMs - turn.sinceMs < times.turnMs || record.change.kind !== 'producer-settings') return
  const isOnTrial = !turn.isOnTrial
  const { after } = record.change
  const trial: Trial = { decision: record.number, instances: record.trial!.instances, producer: after }
  await desk.publish(
    record.number,
    'trial',
    `decision ${record.number}: the turn of the ${isOnTrial ? 'new' : 'old'} settings`,
    (now) => ({ ...now.spec, trial: isOnTrial ? trial : null }),
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

/** Measured over predicted, less one. */
export function errorOf({ predicted }: DecisionRecord, measured: number | null): number | null {
  if (measured === null || predicted.usdPerMillionRecords === null || predicted.usdPerMillionRecords <= 0) return null
  return measured / predicted.usdPerMillionRecords - 1
}
