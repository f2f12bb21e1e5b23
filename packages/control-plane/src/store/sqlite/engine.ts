/**
 * SQLite as the engine of a store: one file, one connection, one writer.
 */
import type { DatabaseSync } from 'node:sqlite'
import { MqError } from '@mq/contract'
import { Kysely, SqliteDialect } from 'kysely'
import { Migrator } from 'kysely/migration'
import type { EngineTransaction, StoreEngine } from '../ports/engine.ts'
import { repositoriesOf } from '../sql/repositories.ts'
import { migrations } from '../sql/schema-migrations.ts'
import type { Tables } from '../sql/tables.ts'
import { kyselyDatabase, openSqlite, storeError } from './database.ts'

export class SqliteEngine implements StoreEngine {
  readonly read: EngineTransaction
  /** The connection itself, for tests that fill the disk. */
  readonly database: DatabaseSync
  readonly #db: Kysely<Tables>

  private constructor(database: DatabaseSync) {
    this.database = database
    this.#db = new Kysely<Tables>({ dialect: new SqliteDialect({ database: kyselyDatabase(database) }) })
    this.read = repositoriesOf(this.#db)
  }

  /**
   * Opens a file, or makes it; its tables are brought up to date.
   * @param check called before anything is written @throws MQ_STORE_NEWER for a file that a newer mQ wrote
   */
  static async open(file: string, check: (database: DatabaseSync) => void = () => {}): Promise<SqliteEngine> {
    const database = openSqlite(file)
    try {
      check(database)
      const engine = new SqliteEngine(database)
      await engine.#migrate(file)
      return engine
    } catch (error) {
      if (database.isOpen) database.close()
      throw error
    }
  }

  async transaction<T>(work: (tx: EngineTransaction) => Promise<T>): Promise<T> {
    return this.#db.transaction().execute((tx) => work(repositoriesOf(tx)))
  }

  async close(): Promise<void> {
    await this.#db.destroy()
    if (this.database.isOpen) this.database.close()
  }

  async #migrate(file: string): Promise<void> {
    const migrator = new Migrator({
      db: this.#db,
      provider: { getMigrations: async () => ({ ...migrations }) },
      // Versions were made side by side: 0005 came into stores before 0004 did.
      allowUnorderedMigrations: true,
    })
    const { error } = await migrator.migrateToLatest()
    if (error === undefined) return
    const text = error instanceof Error ? error.message : String(error)
    if (text.includes('corrupted migrations')) {
      throw new MqError('MQ_STORE_NEWER', `the store in ${file} was written by a newer mQ: ${text}`)
    }
    throw storeError(error, 'bringing its tables up to date')
  }
}
