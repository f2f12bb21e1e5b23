/**
 * A lock on a folder that one process holds.
 *
 * K1. The kernel holds it (through SQLite's file lock), so it ends with the process however that dies: there are no stale locks.
 * K2. Two holders inside one process exclude each other as well.
 */
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'

export interface FolderLock {
  release(): void
}

/** @returns undefined when somebody else holds it */
export function tryLockFolder(folder: string, name = 'lock.sqlite'): FolderLock | undefined {
  mkdirSync(folder, { recursive: true })
  const database = new DatabaseSync(join(folder, name))
  try {
    database.exec('PRAGMA busy_timeout = 0; BEGIN EXCLUSIVE')
  } catch (error) {
    database.close()
    if (/database is locked/.test(String(error))) return undefined
    throw error
  }
  return { release: () => database.close() }
}
