/**
 * Everything the store keeps, as ports: an engine implements them (sqlite/ today), and nobody outside store/ writes a query.
 *
 * The ports are asynchronous although SQLite is not: another engine waits for a network, and callers must not change for it. What that costs
 * with SQLite is a few microtasks a query, next to a commit that waits for the disk.
 */
import type { BudgetReader, BudgetRepository } from './budgets.ts'
import type { CalibrationReader, CalibrationRepository } from './calibrations.ts'
import type { ClusterReader, ClusterRepository } from './clusters.ts'
import type { CostHistoryReader, CostHistoryRepository } from './cost-history.ts'
import type { DecisionWorldReader, DecisionWorldRepository } from './decision-worlds.ts'
import type { DecisionReader, DecisionRepository } from './decisions.ts'
import type { GroupChangeReader, GroupChangeRepository } from './group-changes.ts'
import type { JournalReader, JournalRepository } from './journal.ts'
import type { LagHistoryReader, LagHistoryRepository } from './lag-histories.ts'
import type { MigrationReader, MigrationRepository } from './migrations.ts'
import type { MqIdReader, MqIdRepository } from './mq-ids.ts'
import type { PolicyReader, PolicyRepository } from './policies.ts'
import type { Sequences } from './sequences.ts'
import type { SettingsReader, SettingsRepository } from './settings.ts'
import type { TrafficReader, TrafficRepository } from './traffic.ts'
import type { TwinReader, TwinRepository } from './twins.ts'

/** Reads outside of any transaction: each sees what was committed before it. */
export interface Readers {
  readonly budgets: BudgetReader
  readonly calibrations: CalibrationReader
  readonly clusters: ClusterReader
  readonly costHistory: CostHistoryReader
  readonly decisions: DecisionReader
  readonly decisionWorlds: DecisionWorldReader
  readonly groupChanges: GroupChangeReader
  readonly journal: JournalReader
  readonly lagHistories: LagHistoryReader
  readonly migrations: MigrationReader
  readonly mqIds: MqIdReader
  readonly policies: PolicyReader
  readonly settings: SettingsReader
  readonly traffic: TrafficReader
  readonly twins: TwinReader
}

/** Everything that can be written. */
export interface Repositories extends Readers {
  readonly budgets: BudgetRepository
  readonly calibrations: CalibrationRepository
  readonly clusters: ClusterRepository
  readonly costHistory: CostHistoryRepository
  readonly decisions: DecisionRepository
  readonly decisionWorlds: DecisionWorldRepository
  readonly groupChanges: GroupChangeRepository
  readonly journal: JournalRepository
  readonly lagHistories: LagHistoryRepository
  readonly migrations: MigrationRepository
  readonly mqIds: MqIdRepository
  readonly policies: PolicyRepository
  readonly settings: SettingsRepository
  readonly traffic: TrafficRepository
  readonly twins: TwinRepository
  readonly sequences: Sequences
}

/** One transaction: what is written through it happens whole or not at all. */
export interface WriteTransaction extends Repositories {
  readonly revision: {
    /** The store's revision from this transaction on (store.ts, S3). */
    raise(revision: number): Promise<void>
  }
}
