/**
 * The repositories of a SQL database, upon one connection or one transaction of it.
 *
 * They speak the SQL that SQLite and PostgreSQL share (tables.ts): an engine brings the connection.
 */
import type { Kysely } from 'kysely'
import type { EngineTransaction } from '../ports/engine.ts'
import { SqlBudgets } from './budgets.ts'
import { SqlCalibrations } from './calibrations.ts'
import { SqlClusters } from './clusters.ts'
import { SqlCostHistory } from './cost-history.ts'
import { SqlDecisions } from './decisions.ts'
import { SqlFacts } from './facts.ts'
import { SqlGroupChanges } from './group-changes.ts'
import { SqlJournal } from './journal.ts'
import { SqlLagHistories } from './lag-histories.ts'
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
  return {
    sequences,
    budgets: new SqlBudgets(db),
    calibrations: new SqlCalibrations(db),
    clusters: new SqlClusters(db),
    costHistory: new SqlCostHistory(db),
    decisions: new SqlDecisions(db, sequences),
    facts: new SqlFacts(db),
    groupChanges: new SqlGroupChanges(db, sequences),
    journal: new SqlJournal(db, sequences),
    lagHistories: new SqlLagHistories(db),
    migrations: new SqlMigrations(db, sequences),
    mqIds: new SqlMqIds(db),
    policies: new SqlPolicies(db),
    settings: new SqlSettings(db),
    traffic: new SqlTraffic(db),
    twins: new SqlTwins(db, sequences),
  }
}
