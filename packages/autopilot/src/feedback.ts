/**
 * What past decisions say about the model: its errors on this very workload, fed back into the next proposal. Pure.
 *
 * F1. A model that was too quick on latency gets less room: the limit is lowered by as much as it was wrong, never raised.
 * F2. A model that promised too much is believed less: the saving asked for rises accordingly, never falls below the rule.
 */
import type { PastDecision } from './past-decision.ts'

/** Newer decisions count more. */
const WEIGHT = 0.5
const MOST_LATENCY = 4
const LEAST_TRUST = 0.25

export interface Feedback {
  /** Measured over predicted p99 of a send, at least 1. */
  readonly latencyFactor: number
  /** Realised over promised saving, at most 1. */
  readonly trust: number
  readonly decisions: number
}

export function feedbackOf(decisions: readonly PastDecision[]): Feedback {
  let [latency, trust, seen] = [1, 1, 0]
  for (const { predicted, before, measured, measuredBefore, kind } of decisions) {
    if (kind !== 'producer-settings' || measured === null) continue
    seen++
    if (measured.sendP99Ms !== null && predicted.sendP99Ms !== null && predicted.sendP99Ms > 0) {
      const ratio = Math.min(MOST_LATENCY, Math.max(1, measured.sendP99Ms / predicted.sendP99Ms))
      latency += (ratio - latency) * WEIGHT
    }
    const promised = shareSaved(before.usdPerMillionRecords, predicted.usdPerMillionRecords)
    const realised = shareSaved(measuredBefore?.usdPerMillionRecords, measured.usdPerMillionRecords)
    if (promised !== undefined && realised !== undefined && promised > 0) {
      trust += (Math.min(1, Math.max(LEAST_TRUST, realised / promised)) - trust) * WEIGHT
    }
  }
  return { latencyFactor: latency, trust, decisions: seen }
}

function shareSaved(before: number | null | undefined, after: number | null): number | undefined {
  return before == null || after === null || before <= 0 ? undefined : 1 - after / before
}
