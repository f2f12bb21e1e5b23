/**
 * Whether a change that was made for all stays. Pure.
 *
 * V6. What a trial showed has to show again for all, against the time before: a trial can be lucky.
 * V7. What is cheaper by its nature (retention, another place) needs no proof by traffic, and none by clients that cannot give it.
 */
import type { Comparison, Guardrail } from '@mq/contract'
import type { LoopTimes } from './loop-times.ts'
import { percent } from './proposal.ts'
import { type Goal, pricesOf, type Sample, type Subject, valuesOf } from './samples.ts'
import {
  BETTER,
  compare,
  doubtOf,
  LEAST_FASTER,
  LEAST_GAIN,
  leastGain,
  metricOf,
  seconds,
  type TrialFacts,
  type Verdict,
} from './verdict.ts'

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
  const broken = facts.guardrails.find((one) => !one.held)
  if (broken !== undefined) {
    return { kind: 'lose', status: `guardrail ${broken.name}: ${broken.seen}; ${broken.limit}`, comparisons: [] }
  }
  // What readers report is of the minute before: in less of it is left of what stood.
  const [watchMs, longestMs] =
    facts.readers === null
      ? [times.watchMs, times.longestWatchMs]
      : [Math.max(times.watchMs, READERS_MS), Math.max(times.longestWatchMs, 2 * READERS_MS)]
  const isLast = sinceMs >= longestMs
  const [after, before] = [valuesOf(goal, facts.after), valuesOf(goal, facts.before)]
  if (sinceMs < watchMs) {
    return {
      kind: 'wait',
      status: `for all, watched for ${seconds(sinceMs)} of ${seconds(watchMs)}`,
      looked: false,
      comparisons: [],
    }
  }
  const readers = facts.readers === null ? undefined : readersOf(facts.readers)
  if (readers !== undefined && (facts.isStructural || !readers.held)) {
    if (readers.held) return { kind: 'pass', status: readers.shown, comparisons: [] }
    return isLast
      ? { kind: 'lose', status: `it did not help: ${readers.shown}`, comparisons: [] }
      : { kind: 'wait', status: `not sure yet for all: ${readers.shown}`, looked: true, comparisons: [] }
  }
  if (Math.min(after.length, before.length) < times.leastWindows) {
    if (!isLast)
      return {
        kind: 'wait',
        status: `${after.length} of ${times.leastWindows} windows so far`,
        looked: false,
        comparisons: [],
      }
    // A change that is cheaper by its nature needs no proof by traffic that does not come.
    return facts.isStructural
      ? { kind: 'pass', status: 'too little traffic to measure, nothing speaks against it', comparisons: [] }
      : { kind: 'lose', status: `could not be measured for all in ${seconds(sinceMs)}`, comparisons: [] }
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
      looks: 0,
      times: { ...times, leastTrialMs: 0, longestTrialMs: 0, leastRecords: 0 },
    },
    goal === 'cost' ? sought : other,
  )
  if (doubt !== undefined) return { kind: 'lose', status: doubt, comparisons }
  const shown = `${percent(-sought.changeShare)} ${BETTER[goal]} for all than before (p = ${sought.pValue.toPrecision(2)})${readers === undefined ? '' : `; ${readers.shown}`}`
  if (sought.changeShare <= -leastGain(goal) && sought.pValue < 0.05)
    return { kind: 'pass', status: shown, comparisons }
  if (goal === 'cost' && facts.isStructural && sought.changeShare < LEAST_GAIN)
    return { kind: 'pass', status: shown, comparisons }
  if (!isLast) return { kind: 'wait', status: `not sure yet for all: ${shown}`, looked: true, comparisons }
  return { kind: 'lose', status: `what the trial promised did not hold for all: ${shown}`, comparisons }
}

/** What a repair costs, shown beside what it brings. */
function costBeside({ subject, after, before }: WatchFacts): Comparison | undefined {
  const [now, then] = [pricesOf(after), pricesOf(before)]
  if (now.length === 0 || then.length === 0) return undefined
  return compare(metricOf('cost', subject), after, before, now, then)
}

const READERS_MS = 60_000 + 30_000

function readersOf({ seenMs, nowMs }: NonNullable<WatchFacts['readers']>): {
  readonly held: boolean
  readonly shown: string
} {
  if (nowMs === null) return { held: false, shown: 'no reader reports' }
  const change = nowMs / seenMs - 1
  const text = `the end-to-end p99 of the last minute is ${Math.round(nowMs)} ms where ${Math.round(seenMs)} ms were seen`
  return { held: change <= -LEAST_FASTER, shown: text }
}
