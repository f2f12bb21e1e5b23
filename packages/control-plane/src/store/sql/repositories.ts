/**
 * The repositories of a SQL database, upon one connection or one transaction of it.
 *
 * They speak the SQL that SQLite and PostgreSQL share (tables.ts): an engine brings the connection.
 */
import type { Kysely } from 'kysely'
import type { Change } from '../ports/change-feed.ts'
import type { EngineTransaction } from '../ports/engine.ts'
import { SqlBudgets } from './budgets.ts'
import { SqlCalibrations } from './calibrations.ts'
import type { Changed } from './changed.ts'
import { SqlClusters } from './clusters.ts'
import { SqlCostHistory } from './cost-history.ts'
import { SqlDecisionWorlds } from './decision-worlds.ts'
import { SqlDecisions } from './decisions.ts'
import { SqlFacts } from './facts.ts'
import { SqlGroupChanges } from './group-changes.ts'
import { SqlJournal } from './journal.ts'
import { SqlLagHistories } from './lag-histories.ts'
import { SqlLease } from './lease.ts'
import { SqlMigrations } from './migrations.ts'
import { SqlMqIds } from './mq-ids.ts'
import { SqlPolicies } from './policies.ts'
import { SqlSequences } from './sequences.ts'
import { SqlSettings } from './settings.ts'
import type { Tables } from './tables.ts'
import { SqlTraffic } from './traffic.ts'
import { SqlTwins } from './twins.ts'

export function repositoriesOf(db: Kysely<Tables>): EngineTransaction {
  const sequences = new SqlSequences(db)
  const changes: Change[] = []
  const changed: Changed = (change) => {
    changes.push(change)
  }
  return {
    changes,
    lease: new SqlLease(db),
    sequences,
    budgets: new SqlBudgets(db, changed),
    calibrations: new SqlCalibrations(db, changed),
    clusters: new SqlClusters(db, changed),
    costHistory: new SqlCostHistory(db),
    decisions: new SqlDecisions(db, sequences, changed),
    decisionWorlds: new SqlDecisionWorlds(db),
    facts: new SqlFacts(db),
    groupChanges: new SqlGroupChanges(db, sequences, changed),
    journal: new SqlJournal(db, sequences, changed),
    lagHistories: new SqlLagHistories(db),
    migrations: new SqlMigrations(db, sequences, changed),
    mqIds: new SqlMqIds(db, changed),
    policies: new SqlPolicies(db, changed),
    settings: new SqlSettings(db, changed),
    traffic: new SqlTraffic(db),
    twins: new SqlTwins(db, sequences, changed),
  }
}
