/**
 * The repositories of a SQL database, upon one connection or one transaction of it.
 *
 * They speak the SQL that SQLite and PostgreSQL share (tables.ts): an engine brings the connection.
 */
import type { Kysely, Transaction } from 'kysely'
import type { Readers, WriteTransaction } from '../ports/repositories.ts'
import type { Tables } from '../tables.ts'
import { SqlDecisions } from './decisions.ts'
import { SqlJournal } from './journal.ts'
import { SqlMigrations } from './migrations.ts'
import { SqlSequences } from './sequences.ts'

export function readersOf(db: Kysely<Tables>): Readers {
  return repositoriesOf(db)
}

export function writersOf(tx: Transaction<Tables>): WriteTransaction {
  return { ...repositoriesOf(tx), sql: tx }
}

function repositoriesOf(db: Kysely<Tables>): Omit<WriteTransaction, 'sql'> {
  const sequences = new SqlSequences(db)
  return {
    sequences,
    journal: new SqlJournal(db, sequences),
    decisions: new SqlDecisions(db, sequences),
    migrations: new SqlMigrations(db, sequences),
  }
}
