/**
 * How a decision begins that was approved: as a trial, or at once for all.
 *
 * R1. Before anything is touched the time before is written down: a trial is compared with it also after a restart.
 * R7. Nothing waits for ever: what is approved and cannot begin gives way, as what nobody answers does. Where nobody is there to try it on
 *     it gives way sooner, for until then nothing else is begun for its mQ ID.
 */

import type { Canary, DecisionRecord } from '@mq/autopilot'
import { changesToday, kept, seconds } from '@mq/autopilot'
import { isUnderWay } from '@mq/contract'
import type { ActiveId } from '../registry/records.ts'
import { canaryNote } from './canary-note.ts'
import type { Context } from './context.ts'
import { endToEndP99Of, groupP99sOf, lagOf } from './latency-facts.ts'
import { activeOf, kindOf, otherUnderWay, overtakenBy, stands } from './standing.ts'
import { storedRecords } from './stored-records.ts'
import { type TrialSubject, trialSubjectOf } from './trial-subject.ts'
import { warmUpMs } from './warm-up.ts'

const MQ = 'mq'
/** Over all mQ IDs: a model that is wrong is wrong in many places at once. */
const MOST_UNDER_WAY = 200
/** Readers that are gone for so long are not waited for. */
const NOBODY_MS = 60_000

/** From `approved` on: begins the trial, or what needs none, as soon as it may. */
export async function start(context: Context, record: DecisionRecord): Promise<void> {
  const { writer, times } = context
  const { number, mqId } = record
  const gone = overtakenBy(context, record)
  const active = activeOf(context, mqId)
  if (gone !== undefined || active === undefined || !stands(context, active, record, 'before')) {
    const note = gone ?? 'the settings it was made for do not stand any more'
    await writer.transition(number, { event: 'supersede', note, actor: MQ })
    return
  }
  /** R7. */
  const wait = async (why: string, longestMs = times.expireMs): Promise<void> => {
    const status = `waits: ${why}`
    const approvedAtMs = record.steps.findLast(({ state }) => state === 'approved')?.atMs ?? record.createdAtMs
    if (writer.nowMs - approvedAtMs >= longestMs) {
      const note = `it could not begin in ${seconds(writer.nowMs - approvedAtMs)}: ${why}`
      await writer.transition(number, { event: 'supersede', note, actor: MQ })
    } else if (record.status !== status) writer.setStatus(number, (row) => ({ ...row, status }))
  }
  const busy = whyNotYet(context, record, active)
  if (busy !== undefined) return wait(busy)
  const how = kindOf(context, record).rolloutStrategy(context, record)
  if (how.kind === 'wait') return wait(how.why, NOBODY_MS)
  if (how.kind === 'not') {
    await writer.transition(number, { event: 'supersede', note: how.why, actor: MQ })
    return
  }
  const side = trialSubjectOf(context, active, record, how.kind === 'canary' ? how.subject : 'producers')
  if (how.kind === 'for-all') {
    const begun = begunWith(context, active, record, side, [])
    await writer.transition(number, { event: 'apply-began', note: how.why, actor: MQ }, begun)
    return
  }
  if (!side.isPriced) return wait('nothing is known about the prices of its cluster')
  const canary = side.canary(writer.nowMs - Math.max(3 * times.telemetryMs, times.settleMs))
  if (typeof canary === 'string') return wait(canary, how.subject === 'readers' ? NOBODY_MS : undefined)
  await begin(context, record, active, side, canary)
}

/** Why it has to wait for its turn. */
function whyNotYet(context: Context, record: DecisionRecord, active: ActiveId): string | undefined {
  const { writer, policies, decisions, migrations } = context
  const { mqId } = record
  if (!policies.autopilot.on) return 'the autopilot is off'
  const other = otherUnderWay(context, record)
  if (other !== undefined) return `for decision ${other.number}, which is ${other.state}`
  if (active.pending !== null || migrations.handingOver(mqId) !== undefined) return 'for another change of it'
  const underWay = decisions.live().filter(({ state }) => isUnderWay(state)).length
  if (underWay >= MOST_UNDER_WAY) return `${underWay} decisions are under way`
  const policy = policies.effective(mqId, active.spec.intent.owner?.team)
  const spent = changesToday(decisions.of(mqId), writer.nowMs)
  if (record.approvedBy === null && spent >= policy.maxChangesPerDay) {
    return `${spent} of ${policy.maxChangesPerDay} changes of the day are made`
  }
  // What is no matter of clients needs no reports of theirs.
  const isOfClients = kindOf(context, record).canarySettings !== undefined
  const leftMs = isOfClients ? warmUpMs(context) : 0
  return leftMs === 0 ? undefined : `reports of another ${seconds(leftMs)} are needed since the control plane began`
}

/** R1. @param instances those that try it; none where it is made for all at once */
function begunWith(
  context: Context,
  active: ActiveId,
  record: DecisionRecord,
  side: TrialSubject,
  instances: readonly string[],
): (row: DecisionRecord) => DecisionRecord {
  const { writer, times, traffic } = context
  const profile = traffic.profile(record.mqId)
  const sinceMs = writer.nowMs - Math.max(times.observeMs, times.longestTrialMs)
  const windows = side.since(sinceMs).where(({ trial }) => trial === null)
  const groupP99s = new Map(
    [...groupP99sOf(profile), ...side.groupP99s(windows)].map((one) => [one.group, one] as const),
  )
  const begun = {
    ...kept(windows, instances),
    baselineP99Ms: side.p99Ms(windows),
    groupP99s: [...groupP99s.values()],
    usualFetches: context.usualFetches(active),
    lagBefore: lagOf(profile),
    recordsPerSecond: profile?.recordsPerSecond ?? record.work.recordsPerSecond,
  }
  const told = side.outcome(windows.samples, begun.baselineP99Ms, begun.recordsPerSecond)
  const measuredBefore = { ...told, endToEndP99Ms: told.endToEndP99Ms ?? endToEndP99Of(profile) }
  return (row) => ({ ...row, measuredBefore, work: { ...row.work, ...begun } })
}

async function begin(
  context: Context,
  record: DecisionRecord,
  active: ActiveId,
  side: TrialSubject,
  canary: Canary,
): Promise<void> {
  const { writer } = context
  const { number } = record
  const begun = begunWith(context, active, record, side, canary.instances)
  const held = await storedRecords(context, active)
  const startedAtMs = writer.nowMs
  const note = canaryNote(canary, side.subject)
  await writer.publish(
    number,
    'trial',
    `decision ${number}: ${record.title}; ${note}`,
    (now) =>
      stands(context, now, record, 'before')
        ? { ...now.spec, trial: side.trialOf(now.spec, canary.instances) }
        : undefined,
    { event: 'trial-began', note, actor: MQ },
    (row) => ({
      ...begun(row),
      trial: { ...canary, startedAtMs, endedAtMs: null, dropped: 0 },
      work: {
        ...begun(row).work,
        looks: 0,
        turn: canary.design === 'windows' ? { isOnTrial: true, sinceMs: startedAtMs } : null,
        stored: held === null ? null : { atMs: startedAtMs, records: String(held) },
      },
    }),
  )
}
