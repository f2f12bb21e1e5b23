/**
 * What loops may know of earlier decisions about an mQ ID. Pure.
 *
 * A1. No windows and no proofs, so that a World stays small enough to be kept with each decision.
 */
import type { DecisionRecord } from './decision-record.ts'

export interface PastDecision
  extends Pick<
    DecisionRecord,
    | 'number'
    | 'kind'
    | 'loop'
    | 'state'
    | 'status'
    | 'change'
    | 'before'
    | 'predicted'
    | 'measured'
    | 'measuredBefore'
    | 'createdAtMs'
    | 'updatedAtMs'
    | 'endedAtMs'
  > {
  readonly steps: readonly Pick<DecisionRecord['steps'][number], 'atMs' | 'event'>[]
  readonly work: Pick<DecisionRecord['work'], 'intent' | 'epoch' | 'repair' | 'appliedAtMs'>
}

export function pastDecisionOf(record: DecisionRecord): PastDecision {
  const { number, kind, loop, state, status, change, before, predicted, measured, measuredBefore } = record
  const { createdAtMs, updatedAtMs, endedAtMs, steps, work } = record
  const { intent, epoch, repair, appliedAtMs } = work
  return {
    ...{ number, kind, loop, state, status, change, before, predicted, measured, measuredBefore },
    ...{ createdAtMs, updatedAtMs, endedAtMs },
    steps: steps.map(({ atMs, event }) => ({ atMs, event })),
    work: { intent, epoch, repair, appliedAtMs },
  }
}
