/**
 * Whom a change of settings concerns, and all that follows from it: whose windows are compared, by which price and which p99, who tries,
 * and what stops it. The steps and the tests are the same for those that send and those that read.
 *
 * D1. A window that claims a trial on other settings than those of the trial is no witness.
 * D2. Readers of different groups differ by their own work: a p99 of theirs is compared within a group.
 * D3. What readers say they read is held against what brokers took, group by group, where every member of the group reports.
 */
import type { Guardrail, Outcome, Trial } from '@mq/contract'
import type { ActiveId, IdSpec } from '../registry/records.ts'
import { INSTANCE_AWAY_MS } from '../telemetry/id-traffic.ts'
import type { InstanceWindow } from '../telemetry/profile.ts'
import type { ReaderWindow } from '../telemetry/reader-window.ts'
import { type Canary, chooseCanary, chooseReaders } from './canary.ts'
import { type GuardrailInput, guardrails, lag } from './guardrails.ts'
import { outcomeOf } from './measured.ts'
import { readerGuardrails } from './reader-guardrails.ts'
import { type GroupReporting, isPlausibleReading, readingOf, reportingOf } from './readings.ts'
import type { DecisionRecord } from './record.ts'
import { isPlausible, type Sample, type Subject, sampleOf } from './samples.ts'
import { type WindowKind, type Windows, windowsOf } from './windows.ts'
import { lagOf, type Work } from './work.ts'

/** What guardrails look at, for either side. */
export interface Held {
  readonly onTrial: readonly Sample[]
  readonly rest: readonly Sample[]
  readonly before: readonly Sample[]
  readonly reports: readonly Sample[]
  readonly instances: readonly string[]
  readonly beganAtMs: number
  /** What records may take from send to handler. */
  readonly endToEndLimitMs: number
}

export interface Side {
  readonly subject: Subject
  /** Of a send, or end to end. */
  readonly p99LimitMs: number
  readonly isPriced: boolean
  since(sinceMs: number): Windows
  canary(recent: readonly Sample[]): Canary | undefined
  p99Ms(windows: Windows): number | null
  /** P99 on trial and of what it is compared with, where they can be (D2). */
  compared(onTrial: Windows, rest: Windows): { readonly onTrialP99Ms: number | null; readonly restP99Ms: number | null }
  /** Records clients report since then; of several groups the one that is farthest from what brokers took (D3). */
  reported(windows: Windows, sinceMs: number, stored: number | null): number
  guardrails(held: Held): Guardrail[]
  outcome(samples: readonly Sample[], p99Ms: number | null, recordsPerSecond: number): Outcome
  /** What a binding says to those on trial. */
  trialOf(spec: IdSpec, instances: readonly string[]): Trial
}

/** Whose windows tell whether it pays. What was made for all without a trial is told by those that send. */
export function subjectOf({ change, trial }: DecisionRecord): Subject {
  return change.kind === 'consumer-settings' && trial !== null ? 'readers' : 'producers'
}

export function sideOf(work: Work, active: ActiveId, record: DecisionRecord, subject = subjectOf(record)): Side {
  return subject === 'readers' ? readers(work, active, record) : producers(work, active, record)
}

/** Groups that read now, and how many of their members can be compared. */
export function readingNow(
  { traffic, deps, times }: Pick<Work, 'traffic' | 'deps' | 'times'>,
  mqId: string,
): GroupReporting[] {
  const sinceMs = deps.clock.nowMs() - Math.max(INSTANCE_AWAY_MS, 3 * times.telemetryMs)
  return reportingOf(traffic.profile(mqId)?.groups ?? [], traffic.readerWindows(mqId, sinceMs))
}

function producers(work: Work, active: ActiveId, record: DecisionRecord): Side {
  const { traffic, times, desk } = work
  const { mqId, number, change, work: row } = record
  const price = work.pricer(active)
  const kind: WindowKind<InstanceWindow> = {
    isPlausible,
    sampleOf: (window) => sampleOf(window, price ?? (() => null)),
    latencyOf: ({ sendLatency }) => sendLatency,
  }
  return {
    subject: 'producers',
    p99LimitMs: row.sendP99LimitMs,
    isPriced: price !== undefined,
    since: (sinceMs) => windowsOf(traffic.instanceWindows(mqId, sinceMs), kind),
    canary: chooseCanary,
    p99Ms: ({ p99Ms }) => p99Ms,
    compared: (onTrial, rest) => ({ onTrialP99Ms: onTrial.p99Ms, restP99Ms: rest.p99Ms }),
    reported: (windows, sinceMs) => windows.recordsSince(sinceMs, times.telemetryMs),
    guardrails: (held) => guardrails({ ...held, ...lagging(work, record), ...limits(row), nowMs: desk.nowMs, times }),
    outcome: (samples, p99Ms, rate) => outcomeOf(samples, p99Ms, rate, null),
    trialOf: ({ producer }, instances) => ({
      decision: number,
      instances: [...instances],
      producer: change.kind === 'producer-settings' ? change.after : producer,
    }),
  }
}

const limits = ({ sendP99LimitMs }: DecisionRecord['work']): Pick<GuardrailInput, 'sendP99LimitMs'> => ({
  sendP99LimitMs,
})

function lagging(
  { traffic }: Work,
  { mqId, work: row }: DecisionRecord,
): Pick<GuardrailInput, 'lagBefore' | 'lagNow' | 'recordsPerSecond'> {
  const { lagBefore, recordsPerSecond } = row
  return { lagBefore, lagNow: lagOf(traffic.profile(mqId)), recordsPerSecond }
}

function readers(work: Work, active: ActiveId, record: DecisionRecord): Side {
  const { traffic, times, desk } = work
  const { mqId, number, change } = record
  const price = work.readingPricer(active)
  const kind: WindowKind<ReaderWindow> = {
    // D1
    isPlausible: (window) => isPlausibleReading(window) && (window.trial !== number || runsOn(change, window)),
    sampleOf: (window) => readingOf(window, price ?? (() => null)),
    latencyOf: ({ endToEnd }) => endToEnd,
  }
  const byGroup = (windows: Windows): (readonly [group: string, p99Ms: number])[] =>
    windows.groups.flatMap((group) => {
      const { p99Ms } = windows.where((one) => one.group === group)
      return p99Ms === null ? [] : [[group, p99Ms] as const]
    })
  return {
    subject: 'readers',
    p99LimitMs: active.spec.intent.latencyP99Ms,
    isPriced: price !== undefined,
    since: (sinceMs) => windowsOf(traffic.readerWindows(mqId, sinceMs), kind),
    canary: chooseReaders,
    p99Ms: (windows) => slowest(byGroup(windows)),
    compared: (onTrial, rest) => {
      const others = new Map(byGroup(rest))
      const [worst] = byGroup(onTrial)
        .flatMap(([group, p99Ms]) => (others.has(group) ? [{ p99Ms, rest: others.get(group)! }] : []))
        .sort((a, b) => b.p99Ms / Math.max(1, b.rest) - a.p99Ms / Math.max(1, a.rest))
      return { onTrialP99Ms: worst?.p99Ms ?? null, restP99Ms: worst?.rest ?? null }
    },
    reported: (windows, sinceMs, stored) => {
      const whole = readingNow(work, mqId).filter(({ members, reporting }) => reporting >= members)
      const counts = whole.map(({ group }) =>
        windows.where((one) => one.group === group).recordsSince(sinceMs, times.telemetryMs),
      )
      const off = (count: number): number => Math.abs(Math.log(Math.max(1, count) / Math.max(1, stored ?? count)))
      return counts.sort((a, b) => off(b) - off(a))[0] ?? stored ?? 0
    },
    guardrails: (held) => [
      ...readerGuardrails({ ...held, nowMs: desk.nowMs, times }),
      // Clients that report no windows are in here, too.
      lag(lagging(work, record)),
    ],
    outcome: (samples, p99Ms, rate) => {
      const sendP99Ms = traffic.profile(mqId)?.sendLatency.quantileMs(0.99) ?? null
      return outcomeOf(samples, sendP99Ms, rate, p99Ms)
    },
    trialOf: ({ producer, consumer }, instances) => ({
      decision: number,
      instances: [...instances],
      producer,
      consumer: change.kind === 'consumer-settings' ? change.after : consumer,
    }),
  }
}

function runsOn(change: DecisionRecord['change'], { settings }: ReaderWindow): boolean {
  return (
    change.kind === 'consumer-settings' &&
    settings.fetchMinBytes === change.after.fetchMinBytes &&
    settings.fetchMaxWaitMs === change.after.fetchMaxWaitMs
  )
}

function slowest(groups: readonly (readonly [group: string, p99Ms: number])[]): number | null {
  return groups.length === 0 ? null : Math.max(...groups.map(([, p99Ms]) => p99Ms))
}
