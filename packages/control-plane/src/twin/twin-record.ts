/**
 * A workload twin as it is kept.
 */
import type { Twin, TwinState } from '@mq/contract'
import type { WorkloadMark } from './drift.ts'

export interface TwinRecord {
  readonly twin: Twin
  /** What the traffic was like; null until it was looked at. */
  readonly mark: WorkloadMark | null
}

export function isTwinOver(state: TwinState): boolean {
  return state === 'done' || state === 'failed' || state === 'cancelled'
}
