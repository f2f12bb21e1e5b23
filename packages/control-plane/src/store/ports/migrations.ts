/**
 * Migrations as rows of the store.
 *
 * M1. Numbers rise by one and are never reused; no row is ever removed.
 */
import type { MigrationRecord } from '../../migration/record.ts'

export interface MigrationReader {
  find(number: number): Promise<MigrationRecord | undefined>
  /** Newest first, of those numbered below `below`. */
  list(filter: {
    readonly mqId?: string
    readonly limit: number
    readonly below?: number | undefined
  }): Promise<MigrationRecord[]>
  /** Those with something left to do. */
  active(): Promise<MigrationRecord[]>
}

export interface MigrationRepository extends MigrationReader {
  /** Gives it a number (M1). */
  add(record: Omit<MigrationRecord, 'number'>): Promise<MigrationRecord>
  /**
   * Writes it whether the store has it or not: a copy of another store may bring one back.
   * @param before as the store has it: steps that are the same are not written again
   */
  save(record: MigrationRecord, before?: MigrationRecord): Promise<void>
}
