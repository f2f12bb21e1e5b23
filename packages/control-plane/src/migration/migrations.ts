/**
 * The migrations that are not over, in memory; others are read from the store.
 *
 * L1. Memory follows the change feed.
 * L2. After `close` nothing is written: whoever still works on a migration is not the one who owns it any more.
 */
import { MqError } from '@mq/contract'
import type { ChangeFeed } from '../store/ports/change-feed.ts'
import type { MigrationReader } from '../store/ports/migrations.ts'
import type { WriteTransaction } from '../store/ports/repositories.ts'
import { isHandingOver } from './machine.ts'
import { isOver, type MigrationRecord } from './record.ts'

export class Migrations {
  readonly #rows: MigrationReader
  readonly #active = new Map<number, MigrationRecord>()
  #closed = false

  private constructor(rows: MigrationReader) {
    this.#rows = rows
  }

  static async load(rows: MigrationReader, feed: ChangeFeed): Promise<Migrations> {
    const migrations = new Migrations(rows)
    for (const record of await rows.active()) migrations.#active.set(record.number, record)
    feed.mirror(({ changes }) => {
      for (const change of changes) if (change.of === 'migration') migrations.commitToMemory(change.record)
    })
    return migrations
  }

  /** Those with something left to do. */
  active(): MigrationRecord[] {
    return [...this.#active.values()].sort((a, b) => a.number - b.number)
  }

  /** Those of one mQ ID with something left to do. */
  of(mqId: string): MigrationRecord[] {
    return this.active().filter((record) => record.mqId === mqId)
  }

  current(number: number): MigrationRecord | undefined {
    return this.#active.get(number)
  }

  /** The migration the mQ ID is in the middle of, if it is. */
  handingOver(mqId: string): MigrationRecord | undefined {
    return this.active().find((record) => record.mqId === mqId && isHandingOver(record.state))
  }

  /** Migrations that still need the cluster. */
  on(cluster: string): MigrationRecord[] {
    return this.active().filter((record) => record.from.cluster === cluster || record.to.cluster === cluster)
  }

  async find(number: number): Promise<MigrationRecord> {
    const record = await this.#rows.find(number)
    if (record !== undefined) return record
    throw new MqError('MQ_MIGRATION_UNKNOWN', `there is no migration ${number}`, { details: { number } })
  }

  /** Newest first. */
  async list(filter: { mqId?: string; limit: number; below?: number | undefined }): Promise<MigrationRecord[]> {
    return this.#rows.list(filter)
  }

  async add(tx: WriteTransaction, record: Omit<MigrationRecord, 'number'>): Promise<MigrationRecord> {
    this.#checkOpen()
    return tx.migrations.add(record)
  }

  async save(tx: WriteTransaction, record: MigrationRecord): Promise<void> {
    this.#checkOpen()
    await tx.migrations.save(record, this.#active.get(record.number))
  }

  commitToMemory(record: MigrationRecord): void {
    if (isOver(record)) this.#active.delete(record.number)
    else this.#active.set(record.number, record)
  }

  close(): void {
    this.#closed = true
  }

  /** L2 */
  #checkOpen(): void {
    if (this.#closed) throw new MqError('MQ_CLOSED', 'the control plane is closing')
  }
}
