/**
 * Whether a trial goes on, is over, and what it proved. Pure.
 *
 * V1. Guardrails come first and need no statistics: one breach ends the trial.
 * V2. A change passes only when it is cheaper by a stated test, by a share worth having, within the latency the intent allows,
 *     and in believable agreement with the prediction. Everything else, doubt included, loses.
 *     A repair passes when it is faster by the same test instead of cheaper, at a cost that is believable.
 * V3. There are two analyses at most, an interim one as soon as there is enough and the last, with the error shared out: analysing again
 *     and again until the test says yes would let chance decide.
 * V4. No single process carries a verdict where there are several: instances are weighed one by one, and what brokers hold has to
 *     agree with what clients say they sent.
 * V5. Readers are levelled: each counts by what it does of its own past, so that groups with much to do and with little make one test.
 */
import type { Comparison, Guardrail } from '@mq/contract'
import type { LoopTimes } from './loop-times.ts'
import { byInstance, type Goal, type Sample, type Subject, sum, valuesOf } from './samples.ts'
import { mannWhitneyLess, median, medianChange } from './statistics.ts'
import { type Doubt, type Gain, type Missing, P99, type VerdictReason } from './verdict-reason.ts'

/** Of 5 % that chance may decide, the interim analysis gets one and the last four (V3). */
export const ALPHA_FIRST = 0.01
export const ALPHA_LAST = 0.04
/** A change of less than this is not worth having, however sure. */
export const LEAST_GAIN = 0.02
/** A repair has to bring more than that. */
export const LEAST_FASTER = 0.05
/** Measured over predicted cost: a repair that is dearer than said by so much was not agreed to. */
export const DEARER = 2
/** Measured over predicted cost: under this a client or the model is wrong, and neither is built on. Ratios of a codec nobody measured yet are off by half. */
export const BELIEVABLE = 0.25
/** Records reported over records the brokers took. */
export const AGREEMENT = { low: 0.7, high: 1.3 } as const
const LEAST_TO_COMPARE = 500
export const AS_SLOW = 1.1
/** A log may hold this much more than was reported; what is deleted meanwhile only makes it hold less. */
const MORE_HELD = 1.5
const SLACK_BYTES = 65_536
/** Shares of records of one instance on two settings, for it to be weighed by itself. */
const LEAST_OF_INSTANCE = 3

export interface TrialFacts {
  readonly goal: Goal
  readonly subject: Subject
  readonly design: 'instances' | 'windows'
  readonly onTrial: readonly Sample[]
  readonly rest: readonly Sample[]
  /** Of all instances, before the trial began. */
  readonly before: readonly Sample[]
  readonly instances: readonly string[]
  readonly startedAtMs: number
  readonly nowMs: number
  /** Interim analyses that were made already. */
  readonly analyses: number
  /** Of a send, or end to end for readers. */
  readonly p99LimitMs: number
  readonly guardrails: readonly Guardrail[]
  /** Predicted cost of the change over that of what stands. */
  readonly predictedRatio: number | null
  /** Records clients said they sent, or read, and those the brokers took, since the trial began; null when it cannot be known. */
  readonly reportedRecords: number
  readonly storedRecords: number | null
  /** Bytes clients say they sent, and by how much the log grew, between two looks at it; null without two looks. */
  readonly bytes: { readonly reported: number; readonly held: number } | null
  readonly onTrialP99Ms: number | null
  /** Of what it is compared with, over the same time where that is possible. */
  readonly restP99Ms: number | null
  readonly times: Pick<LoopTimes, 'leastTrialMs' | 'longestTrialMs' | 'leastWindows' | 'leastRecords'>
}

export type Verdict =
  | {
      readonly kind: 'wait'
      readonly reason: VerdictReason
      /** Whether an interim analysis was made. */
      readonly analysed: boolean
      readonly comparisons: Comparison[]
    }
  | { readonly kind: 'pass' | 'lose'; readonly reason: VerdictReason; readonly comparisons: Comparison[] }

export function judgeTrial(facts: TrialFacts): Verdict {
  const { times, analyses, startedAtMs, nowMs } = facts
  const broken = brokenOf(facts.guardrails)
  if (broken !== undefined) return { kind: 'lose', reason: broken, comparisons: [] }
  const elapsedMs = nowMs - startedAtMs
  const isLast = elapsedMs >= times.longestTrialMs
  const { goal, subject } = facts
  const [after, rest] = comparedOf(facts)
  const missing = missingFor(facts, after, rest)
  if (missing !== undefined) {
    return isLast
      ? { kind: 'lose', reason: { code: 'proved-nothing', facts: { afterMs: elapsedMs, missing } }, comparisons: [] }
      : { kind: 'wait', reason: { code: 'collecting', facts: { missing } }, analysed: false, comparisons: [] }
  }
  if (analyses > 0 && !isLast) {
    const reason = { code: 'between-analyses', facts: { lastAfterMs: times.longestTrialMs } } as const
    return { kind: 'wait', reason, analysed: false, comparisons: [] }
  }
  const alpha = isLast ? ALPHA_LAST : ALPHA_FIRST
  const sought = compare(metricOf(goal, subject), facts.onTrial, facts.rest, after, rest)
  const other = compareOther(facts)
  const comparisons = other === undefined ? [sought] : [sought, other]
  const doubt = doubtOf(facts, goal === 'cost' ? sought : other)
  if (doubt !== undefined) return { kind: 'lose', reason: doubt, comparisons }
  const least = leastGain(goal)
  const gain = gainOf(goal, sought)
  const isBetter = sought.pValue < alpha && sought.changeShare <= -least
  if (isBetter) return { kind: 'pass', reason: { code: 'better', facts: { gain, alpha } }, comparisons }
  if (!isLast)
    return { kind: 'wait', reason: { code: 'not-sure', facts: { gain, alpha } }, analysed: true, comparisons }
  if (sought.changeShare <= 0) {
    return { kind: 'lose', reason: { code: 'no-proof', facts: { gain, alpha, least } }, comparisons }
  }
  const share = sought.changeShare
  return goal === 'cost'
    ? { kind: 'lose', reason: { code: 'dearer', facts: { share } }, comparisons }
    : { kind: 'lose', reason: { code: 'slower', facts: { subject, share } }, comparisons }
}

export function brokenOf(guardrails: readonly Guardrail[]): VerdictReason | undefined {
  const broken = guardrails.find((one) => !one.held)
  if (broken === undefined) return undefined
  const { name, seen, limit } = broken
  return { code: 'guardrail', facts: { name, seen, limit } }
}

export const gainOf = (goal: Goal, { changeShare, pValue }: Comparison): Gain => ({ goal, share: -changeShare, pValue })

export function metricOf(goal: Goal, subject: Subject): string {
  return goal === 'cost' ? 'cost per million records' : `${P99[subject]} (ms), median of windows`
}
export const leastGain = (goal: Goal): number => (goal === 'cost' ? LEAST_GAIN : LEAST_FASTER)

/** What is compared, on trial and of the rest. */
function comparedOf(facts: TrialFacts, goal = facts.goal): [after: number[], rest: number[]] {
  const { subject, onTrial, rest, before } = facts
  if (subject === 'readers') return [levelled(goal, onTrial, before), levelled(goal, rest, before)]
  return [goal === facts.goal ? evened(facts) : valuesOf(goal, onTrial), valuesOf(goal, rest)]
}

/** Each value as the usual reader would have it, by what its own reader, or else its group, had before; without a past it is left out (V5). */
function levelled(goal: Goal, samples: readonly Sample[], before: readonly Sample[]): number[] {
  const usual = valuesOf(goal, before)
  if (usual.length < LEAST_OF_INSTANCE) return valuesOf(goal, samples)
  const all = median(usual)
  const own = new Map([...byInstance(before)].map(([who, past]) => [who, valuesOf(goal, past)]))
  const groups = Map.groupBy(before, ({ group }) => group)
  return [...byInstance(samples)].flatMap(([who, theirs]) => {
    const alone = own.get(who) ?? []
    const past = alone.length >= LEAST_OF_INSTANCE ? alone : valuesOf(goal, groups.get(theirs[0]!.group) ?? [])
    return past.length < LEAST_OF_INSTANCE ? [] : valuesOf(goal, theirs).map((value) => (value * all) / median(past))
  })
}

/**
 * Prices, or latencies, of the windows on trial, with what these instances differed in before taken out: an instance that always had fuller
 * batches than the rest must not pass for a better setting.
 */
function evened({ goal, design, onTrial, before, instances }: TrialFacts): number[] {
  const values = valuesOf(goal, onTrial)
  if (design === 'windows') return values
  const named = new Set(instances)
  const [ours, others] = [
    valuesOf(
      goal,
      before.filter((one) => named.has(one.instance)),
    ),
    valuesOf(
      goal,
      before.filter((one) => !named.has(one.instance)),
    ),
  ]
  if (ours.length < LEAST_OF_INSTANCE || others.length < LEAST_OF_INSTANCE) return values
  const factor = median(others) / median(ours)
  return values.map((value) => value * factor)
}

function missingFor(
  { onTrial, rest, times, startedAtMs, nowMs }: TrialFacts,
  after: number[],
  before: number[],
): Missing | undefined {
  const [have, side] =
    after.length <= before.length ? ([after.length, 'on trial'] as const) : ([before.length, 'of the rest'] as const)
  if (have < times.leastWindows) return { what: 'windows', have, needed: times.leastWindows, side }
  const records = Math.min(
    sum(onTrial, (one) => one.records),
    sum(rest, (one) => one.records),
  )
  if (records < times.leastRecords) return { what: 'records', have: records, needed: times.leastRecords }
  if (nowMs - startedAtMs < times.leastTrialMs)
    return { what: 'time', haveMs: nowMs - startedAtMs, neededMs: times.leastTrialMs }
  return undefined
}

/** Why the figures decide nothing, or undefined (V2, V4). */
export function doubtOf(facts: TrialFacts, cost: Comparison | undefined): Doubt | undefined {
  const { goal, subject, predictedRatio, reportedRecords, storedRecords, bytes, onTrialP99Ms, restP99Ms, p99LimitMs } =
    facts
  // What is slow on both sides is no fault of the change.
  if (onTrialP99Ms !== null && onTrialP99Ms > Math.max(p99LimitMs, (restP99Ms ?? 0) * AS_SLOW)) {
    return { code: 'too-slow', facts: { subject, p99Ms: onTrialP99Ms, limitMs: p99LimitMs } }
  }
  if (storedRecords !== null && Math.max(storedRecords, reportedRecords) >= LEAST_TO_COMPARE) {
    const ratio = reportedRecords / Math.max(1, storedRecords)
    if (ratio < AGREEMENT.low || ratio > AGREEMENT.high) {
      return { code: 'counts-disagree', facts: { subject, reported: reportedRecords, stored: storedRecords } }
    }
  }
  if (bytes !== null && bytes.held > bytes.reported * MORE_HELD + SLACK_BYTES) {
    return { code: 'bytes-disagree', facts: bytes }
  }
  if (cost !== undefined && predictedRatio !== null && predictedRatio > 0) {
    const share = { measured: 1 + cost.changeShare, predicted: predictedRatio }
    const off = share.measured / predictedRatio
    if (off < BELIEVABLE) return { code: 'implausibly-cheap', facts: share }
    if (goal === 'latency' && off > DEARER && cost.changeShare > 0) {
      return { code: 'dearer-than-predicted', facts: share }
    }
  }
  const weighed = weigh(facts)
  if (weighed.against > 0 && weighed.against >= weighed.of / 2) {
    return { code: 'few-instances', facts: { goal, better: weighed.of - weighed.against, of: weighed.of } }
  }
  return undefined
}

/** How many instances on trial do not get better themselves, against their own past (V4). */
function weigh({ goal, onTrial, before, rest, design }: TrialFacts): { readonly of: number; readonly against: number } {
  const past = byInstance(design === 'windows' ? rest : before)
  let [of, against] = [0, 0]
  for (const [instance, samples] of byInstance(onTrial)) {
    const [now, then] = [valuesOf(goal, samples), valuesOf(goal, past.get(instance) ?? [])]
    if (now.length < LEAST_OF_INSTANCE || then.length < LEAST_OF_INSTANCE) continue
    of++
    if (median(now) >= median(then)) against++
  }
  return { of, against }
}

export function compare(
  metric: string,
  afterSamples: readonly Sample[],
  beforeSamples: readonly Sample[],
  after: readonly number[],
  before: readonly number[],
): Comparison {
  return {
    test: 'Mann-Whitney U, one-sided; 95 % interval by bootstrap of medians',
    metric,
    before: { median: median([...before]), windows: before.length, records: sum(beforeSamples, (one) => one.records) },
    after: { median: median([...after]), windows: after.length, records: sum(afterSamples, (one) => one.records) },
    pValue: mannWhitneyLess(after, before),
    ...medianChange(after, before),
  }
}

/** What it was not made for, shown beside what it was. */
function compareOther(facts: TrialFacts): Comparison | undefined {
  const { goal, subject, onTrial, rest } = facts
  const other = goal === 'cost' ? 'latency' : 'cost'
  const [after, before] = comparedOf(facts, other)
  if (after.length === 0 || before.length === 0) return undefined
  return compare(metricOf(other, subject), onTrial, rest, after, before)
}
