/**
 * Everything the store keeps, as ports: an engine implements them (sqlite/ today), and nobody outside store/ writes a query.
 *
 * The ports are asynchronous although SQLite is not: another engine waits for a network, and callers must not change for it. What that costs
 * with SQLite is a few microtasks a query, next to a commit that waits for the disk.
 */
import type { Transaction as SqlTransaction } from 'kysely'
import type { Tables } from '../tables.ts'
import type { DecisionReader, DecisionRepository } from './decisions.ts'
import type { JournalReader, JournalRepository } from './journal.ts'
import type { MigrationReader, MigrationRepository } from './migrations.ts'
import type { Sequences } from './sequences.ts'

/** Reads outside of any transaction: each sees what was committed before it. */
export interface Readers {
  readonly journal: JournalReader
  readonly decisions: DecisionReader
  readonly migrations: MigrationReader
}

/** One transaction: what is written through it happens whole or not at all. */
export interface WriteTransaction extends Readers {
  readonly journal: JournalRepository
  readonly decisions: DecisionRepository
  readonly migrations: MigrationRepository
  readonly sequences: Sequences
  readonly sql: SqlTransaction<Tables>
}
