/**
 * Whether a trial goes on, is over, and what it proved. Pure.
 *
 * V1. Guardrails come first and need no statistics: one breach ends the trial.
 * V2. A change passes only when it is cheaper by a stated test, by a share worth having, within the latency the intent allows,
 *     and in believable agreement with the prediction. Everything else, doubt included, loses.
 *     A repair passes when it is faster by the same test instead of cheaper, at a cost that is believable.
 * V3. The test is looked at twice at most, the first time as soon as there is enough, with the error shared out: looking again and
 *     again until it says yes would let chance decide.
 * V4. No single process carries a verdict where there are several: instances are weighed one by one, and what brokers hold has to
 *     agree with what clients say they sent.
 * V5. Readers are levelled: each counts by what it does of its own past, so that groups with much to do and with little make one test.
 */
import type { Comparison, Guardrail } from '@mq/contract'
import type { LoopTimes } from './loop-times.ts'
import { percent } from './proposal.ts'
import { byInstance, type Goal, type Sample, type Subject, sum, valuesOf } from './samples.ts'
import { mannWhitneyLess, median, medianChange } from './statistics.ts'

/** Of 5 % that chance may decide, the first look gets one and the last look four (V3). */
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
  /** Looks at the test that were taken already. */
  readonly looks: number
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
  | { readonly kind: 'wait'; readonly status: string; readonly looked: boolean; readonly comparisons: Comparison[] }
  | { readonly kind: 'pass'; readonly status: string; readonly comparisons: Comparison[] }
  | { readonly kind: 'lose'; readonly status: string; readonly comparisons: Comparison[] }

export function judgeTrial(facts: TrialFacts): Verdict {
  const { times, looks, startedAtMs, nowMs } = facts
  const broken = facts.guardrails.find((one) => !one.held)
  if (broken !== undefined) {
    return { kind: 'lose', status: `guardrail ${broken.name}: ${broken.seen}; ${broken.limit}`, comparisons: [] }
  }
  const elapsedMs = nowMs - startedAtMs
  const isLast = elapsedMs >= times.longestTrialMs
  const { goal, subject } = facts
  const [after, rest] = comparedOf(facts)
  const missing = missingFor(facts, after, rest)
  if (missing !== undefined) {
    return isLast
      ? { kind: 'lose', status: `proved nothing in ${seconds(elapsedMs)}: ${missing}`, comparisons: [] }
      : { kind: 'wait', status: missing, looked: false, comparisons: [] }
  }
  if (looks > 0 && !isLast) {
    const status = `the first look did not decide; the last one is after ${seconds(times.longestTrialMs)}`
    return { kind: 'wait', status, looked: false, comparisons: [] }
  }
  const alpha = isLast ? ALPHA_LAST : ALPHA_FIRST
  const sought = compare(metricOf(goal, subject), facts.onTrial, facts.rest, after, rest)
  const other = compareOther(facts)
  const comparisons = other === undefined ? [sought] : [sought, other]
  const doubt = doubtOf(facts, goal === 'cost' ? sought : other)
  if (doubt !== undefined) return { kind: 'lose', status: doubt, comparisons }
  const least = leastGain(goal)
  const isBetter = sought.pValue < alpha && sought.changeShare <= -least
  const shown = `${percent(-sought.changeShare)} ${BETTER[goal]} (p = ${sought.pValue.toPrecision(2)}, needed under ${alpha})`
  if (isBetter) return { kind: 'pass', status: `the trial is ${shown}`, comparisons }
  if (!isLast) return { kind: 'wait', status: `not sure yet: ${shown}`, looked: true, comparisons }
  const status =
    sought.changeShare > 0
      ? goal === 'cost'
        ? `it costs ${percent(sought.changeShare)} more than what stands`
        : `its ${subject === 'readers' ? 'records' : 'sends'} take ${percent(sought.changeShare)} longer than with what stands`
      : `no proof that it is ${BETTER[goal]}: ${shown}, and at least ${percent(least)} is asked for`
  return { kind: 'lose', status, comparisons }
}

const P99: Readonly<Record<Subject, string>> = { producers: 'p99 of a send', readers: 'end-to-end p99' }

export function metricOf(goal: Goal, subject: Subject): string {
  return goal === 'cost' ? 'cost per million records' : `${P99[subject]} (ms), median of windows`
}
export const BETTER: Readonly<Record<Goal, string>> = { cost: 'cheaper', latency: 'faster' }
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
): string | undefined {
  const [few, other] = [
    Math.min(after.length, before.length),
    after.length <= before.length ? 'on trial' : 'of the rest',
  ]
  if (few < times.leastWindows) return `${few} of ${times.leastWindows} windows ${other} so far`
  const records = Math.min(
    sum(onTrial, (one) => one.records),
    sum(rest, (one) => one.records),
  )
  if (records < times.leastRecords) return `${Math.round(records)} of ${times.leastRecords} records so far`
  if (nowMs - startedAtMs < times.leastTrialMs)
    return `${seconds(nowMs - startedAtMs)} of at least ${seconds(times.leastTrialMs)}`
  return undefined
}

/** Why the numbers cannot be built on, or undefined (V2, V4). */
export function doubtOf(facts: TrialFacts, cost: Comparison | undefined): string | undefined {
  const { goal, subject, predictedRatio, reportedRecords, storedRecords, bytes, onTrialP99Ms, restP99Ms, p99LimitMs } =
    facts
  // What is slow on both sides is no fault of the change.
  if (onTrialP99Ms !== null && onTrialP99Ms > Math.max(p99LimitMs, (restP99Ms ?? 0) * AS_SLOW)) {
    return `the ${P99[subject]} is ${Math.round(onTrialP99Ms)} ms on trial, and ${Math.round(p99LimitMs)} ms are allowed`
  }
  if (storedRecords !== null && Math.max(storedRecords, reportedRecords) >= LEAST_TO_COMPARE) {
    const ratio = reportedRecords / Math.max(1, storedRecords)
    if (ratio < AGREEMENT.low || ratio > AGREEMENT.high) {
      return `${subject === 'readers' ? 'a group reports' : 'clients report'} ${Math.round(reportedRecords)} records and the brokers took ${storedRecords}: such numbers decide nothing`
    }
  }
  if (bytes !== null && bytes.held > bytes.reported * MORE_HELD + SLACK_BYTES) {
    return `clients report ${Math.round(bytes.reported)} bytes and the log grew by ${Math.round(bytes.held)}: such numbers decide nothing`
  }
  if (cost !== undefined && predictedRatio !== null && predictedRatio > 0) {
    const off = (1 + cost.changeShare) / predictedRatio
    if (off < BELIEVABLE) {
      return `the trial reports a cost of ${percent(1 + cost.changeShare)} of before where ${percent(predictedRatio)} was predicted: too good to be built on`
    }
    if (goal === 'latency' && off > DEARER && cost.changeShare > 0) {
      return `it costs ${percent(cost.changeShare)} more where ${percent(Math.max(0, predictedRatio - 1))} more was said`
    }
  }
  const weighed = weigh(facts)
  if (weighed.against > 0 && weighed.against >= weighed.of / 2) {
    return `${BETTER[goal]} on ${weighed.of - weighed.against} of ${weighed.of} instances only`
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

export const seconds = (durationMs: number): string => `${Math.round(durationMs / 1_000)} s`
