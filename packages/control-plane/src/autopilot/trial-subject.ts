/**
 * Whom a change of settings concerns, and all that follows from it: whose windows are compared, by which price and which p99, who tries,
 * and what stops it. The steps and the tests are the same for those that send and those that read.
 *
 * D1. A window that claims a trial on other settings than those of the trial is no witness.
 * D2. Readers of different groups differ by their own work: a p99 of theirs is compared within a group, or, where all of it is on trial,
 *     with the time before. The group counts that is farthest over what it may take.
 * D3. What readers say they read is held against what brokers took, group by group, where every member of the group reports.
 */

import type { DecisionRecord } from '@mq/autopilot'
import {
  type Canary,
  type ComparedP99,
  chooseCanary,
  chooseReaders,
  type EndToEndLimit,
  type GroupP99,
  type GuardrailInput,
  guardrails,
  isPlausible,
  isPlausibleReading,
  lag,
  measuredOutcome,
  oddClocks,
  readerGuardrails,
  readingOf,
  type Sample,
  type Subject,
  sampleOf,
  slowestOf,
  untried,
  type WindowKind,
  type Windows,
  windowsOf,
  worstGroupOf,
} from '@mq/autopilot'
import type { Guardrail, Outcome, Trial } from '@mq/contract'
import type { ActiveId, IdSpec } from '../registry/records.ts'
import { mergedP99Ms } from '../telemetry/merged-latency.ts'
import type { InstanceWindow } from '../telemetry/profile.ts'
import type { ReaderWindow } from '../telemetry/reader-window.ts'
import { activeConsumers } from './active-consumers.ts'
import type { Context } from './context.ts'
import { lagOf } from './latency-facts.ts'
import { kindOf } from './standing.ts'

/** What guardrails look at, for either side. */
export interface Held {
  readonly onTrial: readonly Sample[]
  readonly rest: readonly Sample[]
  readonly before: readonly Sample[]
  readonly reports: readonly Sample[]
  readonly instances: readonly string[]
  readonly beganAtMs: number
  readonly endToEndLimitMs: EndToEndLimit
}

export interface TrialSubject {
  readonly subject: Subject
  readonly isPriced: boolean
  since(sinceMs: number): Windows
  /** Who of those that report now tries it, or why nobody can just now. */
  canary(sinceMs: number): Canary | string
  p99Ms(windows: Windows): number | null
  /** Of each group; none of those that send. */
  groupP99s(windows: Windows): GroupP99[]
  /** P99 of what was changed, what it may be, and that of what it is compared with: the rest, or else the time before (D2). */
  compared(changed: Windows, rest: Windows | null, limitOf: EndToEndLimit): ComparedP99
  /** Records clients report since then; of several groups the one that is farthest from what brokers took (D3). */
  reported(windows: Windows, sinceMs: number, stored: number | null): number
  guardrails(held: Held): Guardrail[]
  outcome(samples: readonly Sample[], p99Ms: number | null, recordsPerSecond: number): Outcome
  /** What a binding says to those on trial. */
  trialOf(spec: IdSpec, instances: readonly string[]): Trial
}

/** Whose windows tell whether it pays. What was made for all without a trial is told by those that send. */
function subjectOf(context: Context, record: DecisionRecord): Subject {
  return record.trial === null ? 'producers' : (kindOf(context, record).subject ?? 'producers')
}

export function trialSubjectOf(
  context: Context,
  active: ActiveId,
  record: DecisionRecord,
  subject = subjectOf(context, record),
): TrialSubject {
  return subject === 'readers' ? readers(context, active, record) : producers(context, active, record)
}

function producers(context: Context, active: ActiveId, record: DecisionRecord): TrialSubject {
  const { traffic, times, writer } = context
  const { mqId, work: row } = record
  const price = context.pricer(active)
  const kind: WindowKind<InstanceWindow> = {
    isPlausible,
    sampleOf: (window) => sampleOf(window, price ?? (() => null)),
    latencyOf: ({ sendLatency }) => sendLatency,
    mergedP99Ms: (windows) => mergedP99Ms(windows, ({ sendLatency }) => sendLatency),
  }
  const since = (sinceMs: number): Windows => windowsOf(traffic.instanceWindows(mqId, sinceMs), kind)
  return {
    subject: 'producers',
    isPriced: price !== undefined,
    since,
    canary: (sinceMs) => chooseCanary(onNoTrial(since(sinceMs)).parts) ?? 'no instance sends now',
    p99Ms: ({ p99Ms }) => p99Ms,
    groupP99s: () => [],
    compared: ({ p99Ms }, rest) => ({
      p99Ms,
      limitMs: row.sendP99LimitMs,
      restP99Ms: rest === null ? row.baselineP99Ms : rest.p99Ms,
    }),
    reported: (windows, sinceMs) => windows.recordsSince(sinceMs, times.telemetryMs),
    guardrails: (held) =>
      guardrails({ ...held, ...lagging(context, record), ...limits(row), nowMs: writer.nowMs, times }),
    outcome: (samples, p99Ms, rate) => measuredOutcome(samples, p99Ms, rate, null),
    trialOf: (spec, instances) => trialOf(context, record, spec, instances),
  }
}

const onNoTrial = (windows: Windows): Windows => windows.where(({ trial }) => trial === null)

const limits = ({ sendP99LimitMs }: DecisionRecord['work']): Pick<GuardrailInput, 'sendP99LimitMs'> => ({
  sendP99LimitMs,
})

function lagging(
  { traffic }: Context,
  { mqId, work: row }: DecisionRecord,
): Pick<GuardrailInput, 'lagBefore' | 'lagNow' | 'recordsPerSecond'> {
  const { lagBefore, recordsPerSecond } = row
  return { lagBefore, lagNow: lagOf(traffic.profile(mqId)), recordsPerSecond }
}

function readers(context: Context, active: ActiveId, record: DecisionRecord): TrialSubject {
  const { traffic, times, writer } = context
  const { mqId, number, work: row } = record
  const onTrial = trialOf(context, record, active.spec, [])
  const price = context.readingPricer(active, row.usualFetches)
  const kind: WindowKind<ReaderWindow> = {
    // D1
    isPlausible: (window) => isPlausibleReading(window) && (window.trial !== number || runsOn(onTrial, window)),
    sampleOf: (window) => readingOf(window, price ?? (() => null)),
    latencyOf: ({ endToEnd }) => endToEnd,
    mergedP99Ms: (windows) => mergedP99Ms(windows, ({ endToEnd }) => endToEnd),
  }
  const since = (sinceMs: number): Windows => windowsOf(traffic.readerWindows(mqId, sinceMs), kind)
  const groupP99s = (windows: Windows): GroupP99[] =>
    windows.groups.flatMap((group) => {
      const { p99Ms } = windows.where((one) => one.group === group)
      return p99Ms === null ? [] : [{ group, p99Ms }]
    })
  return {
    subject: 'readers',
    isPriced: price !== undefined,
    since,
    canary: (sinceMs) => {
      const recent = onNoTrial(since(sinceMs)).parts
      const canary = chooseReaders(recent, oddClocks(recent))
      if (canary === undefined) return 'no instance reads now'
      const groups = activeConsumers(context, mqId).map(({ group }) => group)
      const [without] = untried(groups, recent, canary.instances)
      return without === undefined ? canary : `nobody of group '${without}' can try it now`
    },
    p99Ms: (windows) => slowestOf(groupP99s(windows)),
    groupP99s,
    compared: (changed, rest, limitOf) => {
      const then = new Map(row.groupP99s?.map((one) => [one.group, one.p99Ms]))
      const others = new Map(rest === null ? [] : groupP99s(rest).map((one) => [one.group, one.p99Ms]))
      const old = row.groupP99s === null ? row.baselineP99Ms : null
      return worstGroupOf(groupP99s(changed), (group) => others.get(group) ?? then.get(group) ?? old, limitOf)
    },
    reported: (windows, sinceMs, stored) => {
      const whole = activeConsumers(context, mqId).filter(({ members, reporting }) => reporting >= members)
      const counts = whole.map(({ group }) =>
        windows.where((one) => one.group === group).recordsSince(sinceMs, times.telemetryMs),
      )
      const off = (count: number): number => Math.abs(Math.log(Math.max(1, count) / Math.max(1, stored ?? count)))
      return counts.sort((a, b) => off(b) - off(a))[0] ?? stored ?? 0
    },
    guardrails: (held) => [
      ...readerGuardrails({ ...held, nowMs: writer.nowMs, times }),
      // Clients that report no windows are in here, too.
      lag(lagging(context, record)),
    ],
    outcome: (samples, p99Ms, rate) => {
      const sendP99Ms = traffic.profile(mqId)?.sendLatency.quantileMs(0.99) ?? null
      return measuredOutcome(samples, sendP99Ms, rate, p99Ms)
    },
    trialOf: (spec, instances) => trialOf(context, record, spec, instances),
  }
}

/** Of a kind without a canary there are no instances to tell anything. */
function trialOf(context: Context, record: DecisionRecord, spec: IdSpec, instances: readonly string[]): Trial {
  const settings = kindOf(context, record).canarySettings?.(spec, record) ?? { producer: spec.producer }
  return { decision: record.number, instances: [...instances], ...settings }
}

function runsOn({ consumer }: Pick<Trial, 'consumer'>, { settings }: ReaderWindow): boolean {
  return (
    consumer !== undefined &&
    settings.fetchMinBytes === consumer.fetchMinBytes &&
    settings.fetchMaxWaitMs === consumer.fetchMaxWaitMs
  )
}
