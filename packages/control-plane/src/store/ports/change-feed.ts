/**
 * What was committed, in the order in which it was committed: the order of the journal.
 *
 * F1. Every commit has a position; positions rise by one, across terms and restarts.
 * F2. A commit reaches all subscribers before the write that made it returns, and before the next one: who reads a mirror after a write
 *     finds it there.
 * F3. A transaction that failed is not in the feed.
 * F4. Mirrors hear of a commit before those who are told of it, who may ask the mirrors then.
 *
 * Rows that nobody mirrors (roll-ups, lag histories, hours of costs) are not in it: they are read when somebody asks.
 */
import type { DecisionRecord } from '@mq/autopilot'
import type { PolicyRule } from '@mq/contract'
import type { GroupChangeRow } from '../../groups/change-row.ts'
import type { MigrationRecord } from '../../migration/record.ts'
import type { ClusterRecord, IdRecord } from '../../registry/records.ts'
import type { TwinRecord } from '../../twin/twin-record.ts'
import type { BudgetRecord } from './budgets.ts'
import type { KeptCalibration } from './calibrations.ts'
import type { Entry } from './journal.ts'
import type { SettingName } from './settings.ts'

/** A row as it is now; null where it is gone. */
export type Change =
  | { readonly of: 'budget'; readonly scope: string; readonly record: BudgetRecord | null }
  | { readonly of: 'calibration'; readonly cluster: string; readonly kept: readonly KeptCalibration[] }
  | { readonly of: 'cluster'; readonly name: string; readonly record: ClusterRecord | null }
  | { readonly of: 'decision'; readonly record: DecisionRecord }
  | { readonly of: 'group-change'; readonly row: GroupChangeRow }
  | { readonly of: 'journal'; readonly entry: Entry }
  | { readonly of: 'migration'; readonly record: MigrationRecord }
  | { readonly of: 'mq-id'; readonly id: string; readonly record: IdRecord | null }
  | { readonly of: 'policy'; readonly scope: string; readonly rule: PolicyRule | null }
  | { readonly of: 'setting'; readonly name: SettingName; readonly value: string }
  | { readonly of: 'twin'; readonly record: TwinRecord }

export interface Commit {
  /** F1 */
  readonly position: number
  /** Of the leader that wrote it. */
  readonly term: number
  readonly changes: readonly Change[]
}

export interface ChangeFeed {
  /** Of the last commit. */
  readonly position: number
  /** For what keeps a copy in memory (F4). @returns how to end it */
  mirror(listener: (commit: Commit) => void): () => void
  /** For whoever is to be told. @returns how to end it */
  subscribe(listener: (commit: Commit) => void): () => void
}
