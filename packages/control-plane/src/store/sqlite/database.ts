/**
 * `node:sqlite` in the shape kysely's SQLite dialect asks for.
 *
 * Q1. Every failure of the database leaves as MQ_STORE_FAILED, or MQ_STORE_DAMAGED, with SQLite's own words; a broken constraint is a defect
 *     of mQ and leaves as MQ_INTERNAL. No bound value is ever part of a message.
 * Q2. A transaction that SQLite rolled back by itself (full disk) can be rolled back again: kysely asks for it, and
 *     the first error must stay the one that is seen.
 * Q3. A commit that returned is on the disk: WAL with `synchronous = FULL`.
 */
import { DatabaseSync, type SQLInputValue, type StatementSync } from 'node:sqlite'
import { MqError } from '@mq/contract'
import type { SqliteDatabase, SqliteStatement } from 'kysely'

const BUSY_TIMEOUT_MS = 5_000
const MAX_CACHED_STATEMENTS = 200
const SQLITE_CONSTRAINT = 19
/** SQLITE_CORRUPT and SQLITE_NOTADB: more disk space helps nobody. */
const DAMAGED: ReadonlySet<number> = new Set([11, 26])

/** What SQLite threw, as an error of the catalogue (Q1). */
export function storeError(error: unknown, doing: string): MqError {
  if (error instanceof MqError) return error
  const errcode = (error as { errcode?: number }).errcode
  const text = error instanceof Error ? error.message : 'unknown failure'
  if (typeof errcode === 'number' && (errcode & 0xff) === SQLITE_CONSTRAINT) {
    return new MqError('MQ_INTERNAL', `the store refused ${doing}: ${text}`, { cause: error })
  }
  const isDamaged = typeof errcode === 'number' && DAMAGED.has(errcode & 0xff)
  return new MqError(isDamaged ? 'MQ_STORE_DAMAGED' : 'MQ_STORE_FAILED', `the store failed at ${doing}: ${text}`, {
    cause: error,
    ...(typeof errcode === 'number' ? { details: { sqliteCode: errcode } } : {}),
  })
}

/** Opens a database file for one writer (Q3). */
export function openSqlite(file: string): DatabaseSync {
  try {
    const database = new DatabaseSync(file, { timeout: BUSY_TIMEOUT_MS })
    try {
      // Rows of a kilobyte or two fill large pages; the size of a page is that of a new file, and stays.
      database.exec(
        'PRAGMA page_size = 8192; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON',
      )
    } catch (error) {
      database.close()
      throw error
    }
    return database
  } catch (error) {
    throw storeError(error, `opening ${file}`)
  }
}

/** The handle kysely works on. */
export function kyselyDatabase(database: DatabaseSync): SqliteDatabase {
  const cache = new Map<string, SqliteStatement>()
  return {
    close: () => {
      cache.clear()
      if (database.isOpen) database.close()
    },
    prepare: (sql) => {
      if (sql === 'rollback' && !database.isTransaction) return nothing
      const cached = cache.get(sql)
      if (cached !== undefined) return cached
      const statement = prepare(database, sql)
      if (cache.size >= MAX_CACHED_STATEMENTS) cache.delete(cache.keys().next().value!)
      cache.set(sql, statement)
      return statement
    },
  }
}

const nothing: SqliteStatement = {
  reader: false,
  all: () => [],
  run: () => ({ changes: 0, lastInsertRowid: 0 }),
  iterate: () => [][Symbol.iterator](),
}

function prepare(database: DatabaseSync, sql: string): SqliteStatement {
  const doing = `'${sql.split(/\s+/, 3).join(' ')} ...'`
  const guard = <T>(action: () => T): T => {
    try {
      return action()
    } catch (error) {
      throw storeError(error, doing)
    }
  }
  const statement: StatementSync = guard(() => database.prepare(sql))
  const bound = (parameters: readonly unknown[]): SQLInputValue[] => parameters as SQLInputValue[]
  return {
    reader: statement.columns().length > 0,
    all: (parameters) => guard(() => statement.all(...bound(parameters))),
    run: (parameters) => guard(() => statement.run(...bound(parameters))),
    iterate: (parameters) => guard(() => statement.iterate(...bound(parameters))),
  }
}
