/**
 * Decisions as rows of the store.
 *
 * D1. Numbers rise by one and are never reused; no row is ever removed.
 */

import type { DecisionRecord } from '@mq/autopilot'
import type { DecisionState } from '@mq/contract'

export interface DecisionReader {
  find(number: number): Promise<DecisionRecord | undefined>
  /** Newest first, of those numbered below `below`. */
  list(filter: {
    readonly mqId?: string
    readonly state?: DecisionState
    readonly limit: number
    readonly below?: number | undefined
  }): Promise<DecisionRecord[]>
  /** Those that are live and those that were written since, oldest first; the newest when there are more than `limit`. */
  recent(sinceMs: number, limit: number): Promise<DecisionRecord[]>
}

export interface DecisionRepository extends DecisionReader {
  /** Gives it a number (D1). */
  add(record: Omit<DecisionRecord, 'number'>): Promise<DecisionRecord>
  save(record: DecisionRecord): Promise<void>
}
