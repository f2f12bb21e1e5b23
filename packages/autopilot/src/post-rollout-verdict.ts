/**
 * Whether a change that was made for all stays. Pure.
 *
 * V6. What a trial showed has to show again for all, against the time before: a trial can be lucky.
 * V7. What is cheaper by its nature (retention, another place) needs no proof by traffic, and none by clients that cannot give it.
 */
import type { Comparison, Guardrail } from '@mq/contract'
import type { LoopTimes } from './loop-times.ts'
import { type Goal, pricesOf, type Sample, type Subject, valuesOf } from './samples.ts'
import {
  brokenOf,
  compare,
  doubtOf,
  gainOf,
  LEAST_FASTER,
  LEAST_GAIN,
  leastGain,
  metricOf,
  type TrialFacts,
  type Verdict,
} from './verdict.ts'
import type { ConsumerGain } from './verdict-reason.ts'

export interface WatchFacts {
  readonly goal: Goal
  readonly subject: Subject
  /** End to end, where that is what was missed: p99 of the slowest group when it was proposed, and over the last minute. */
  readonly readers: { readonly seenMs: number; readonly nowMs: number | null } | null
  readonly after: readonly Sample[]
  readonly before: readonly Sample[]
  /** Also what is kept of single instances, where that is more. */
  readonly past?: readonly Sample[]
  /** What the trial measured, as a share of what stood; null for what had no trial. */
  readonly trialChange: number | null
  readonly predictedRatio: number | null
  readonly guardrails: readonly Guardrail[]
  readonly afterP99Ms: number | null
  readonly beforeP99Ms: number | null
  readonly p99LimitMs: number
  readonly sinceMs: number
  readonly reportedRecords: number
  readonly storedRecords: number | null
  readonly bytes: TrialFacts['bytes']
  /** Whether what stands now costs less by itself, without clients to ask (retention, another cluster). */
  readonly isStructural: boolean
  readonly times: Pick<LoopTimes, 'watchMs' | 'longestWatchMs' | 'leastWindows'>
}

/** The second judgement, for all instances against the time before: a trial can be lucky. */
export function judgeWatch(facts: WatchFacts): Verdict {
  const { times, sinceMs, goal, subject } = facts
  const broken = brokenOf(facts.guardrails)
  if (broken !== undefined) return { kind: 'lose', reason: broken, comparisons: [] }
  // What readers report is of the minute before: in less of it is left of what stood.
  const [watchMs, longestMs] =
    facts.readers === null
      ? [times.watchMs, times.longestWatchMs]
      : [Math.max(times.watchMs, READERS_MS), Math.max(times.longestWatchMs, 2 * READERS_MS)]
  const isLast = sinceMs >= longestMs
  const [after, before] = [valuesOf(goal, facts.after), valuesOf(goal, facts.before)]
  if (sinceMs < watchMs) {
    const reason = { code: 'watching', facts: { forMs: sinceMs, neededMs: watchMs } } as const
    return { kind: 'wait', reason, analysed: false, comparisons: [] }
  }
  const consumers = facts.readers === null ? null : { nowMs: facts.readers.nowMs, seenMs: facts.readers.seenMs }
  if (consumers !== null && (facts.isStructural || !areFaster(consumers))) {
    if (areFaster(consumers)) {
      return { kind: 'pass', reason: { code: 'consumers-faster', facts: consumers }, comparisons: [] }
    }
    return isLast
      ? { kind: 'lose', reason: { code: 'did-not-help', facts: consumers }, comparisons: [] }
      : { kind: 'wait', reason: { code: 'consumers-not-sure', facts: consumers }, analysed: true, comparisons: [] }
  }
  if (Math.min(after.length, before.length) < times.leastWindows) {
    if (!isLast) {
      const reason = { code: 'collecting-for-all', facts: { have: after.length, needed: times.leastWindows } } as const
      return { kind: 'wait', reason, analysed: false, comparisons: [] }
    }
    // A change that is cheaper by its nature needs no proof by traffic that does not come.
    return facts.isStructural
      ? { kind: 'pass', reason: { code: 'too-little-traffic', facts: {} }, comparisons: [] }
      : { kind: 'lose', reason: { code: 'not-measured', facts: { afterMs: sinceMs } }, comparisons: [] }
  }
  const sought = compare(metricOf(goal, subject), facts.after, facts.before, after, before)
  const other = goal === 'cost' ? undefined : costBeside(facts)
  const comparisons = other === undefined ? [sought] : [sought, other]
  const doubt = doubtOf(
    {
      ...facts,
      // What is cheaper by its nature does not show in what instances do (V7).
      before: facts.isStructural ? [] : (facts.past ?? facts.before),
      design: 'instances',
      onTrial: facts.after,
      rest: [],
      instances: [],
      onTrialP99Ms: facts.afterP99Ms,
      restP99Ms: facts.beforeP99Ms,
      startedAtMs: 0,
      nowMs: 0,
      analyses: 0,
      times: { ...times, leastTrialMs: 0, longestTrialMs: 0, leastRecords: 0 },
    },
    goal === 'cost' ? sought : other,
  )
  if (doubt !== undefined) return { kind: 'lose', reason: doubt, comparisons }
  const gain = { gain: gainOf(goal, sought), consumers }
  const isBetter = sought.changeShare <= -leastGain(goal) && sought.pValue < 0.05
  const isNoDearer = goal === 'cost' && facts.isStructural && sought.changeShare < LEAST_GAIN
  if (isBetter || isNoDearer) return { kind: 'pass', reason: { code: 'better-for-all', facts: gain }, comparisons }
  if (!isLast) return { kind: 'wait', reason: { code: 'not-sure-for-all', facts: gain }, analysed: true, comparisons }
  return { kind: 'lose', reason: { code: 'did-not-hold', facts: gain }, comparisons }
}

/** What a repair costs, shown beside what it brings. */
function costBeside({ subject, after, before }: WatchFacts): Comparison | undefined {
  const [now, then] = [pricesOf(after), pricesOf(before)]
  if (now.length === 0 || then.length === 0) return undefined
  return compare(metricOf('cost', subject), after, before, now, then)
}

const READERS_MS = 60_000 + 30_000

const areFaster = ({ nowMs, seenMs }: ConsumerGain): boolean => nowMs !== null && nowMs / seenMs - 1 <= -LEAST_FASTER
