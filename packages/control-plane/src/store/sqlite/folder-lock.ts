/**
 * One owner for a data folder.
 *
 * L1. The lock is a file lock the kernel holds for the process, taken through SQLite: it cannot be held by two, and it
 *     ends with its process however that ends, so there is no stale lock to judge.
 * L2. Beside it stands a note with the owner's pid. The note is for people: it never decides.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { MqError } from '@mq/contract'
import { storeError } from './database.ts'

const SQLITE_BUSY = 5

export interface FolderLock {
  release(): void
}

/** Takes the folder, or throws MQ_STORE_LOCKED with the owner's pid (L1). */
export function lockFolder(dataDir: string): FolderLock {
  const noteFile = join(dataDir, 'owner.json')
  let database: DatabaseSync | undefined
  try {
    database = new DatabaseSync(join(dataDir, 'owner.lock'), { timeout: 0 })
    database.exec('BEGIN EXCLUSIVE')
  } catch (error) {
    database?.close()
    if (((error as { errcode?: number }).errcode ?? 0) % 256 === SQLITE_BUSY) {
      const pid = notedPid(noteFile)
      throw new MqError(
        'MQ_STORE_LOCKED',
        `the data folder ${dataDir} is in use by ${pid === undefined ? 'another process' : `process ${pid}`}`,
        { details: { dataDir, ...(pid === undefined ? {} : { pid }) } },
      )
    }
    throw storeError(error, `locking ${dataDir}`)
  }
  const held = database
  try {
    writeFileSync(noteFile, `${JSON.stringify({ pid: process.pid })}\n`, { mode: 0o600 })
  } catch (error) {
    held.close()
    throw storeError(error, `writing ${noteFile}`)
  }
  return { release: () => held.close() }
}

function notedPid(noteFile: string): number | undefined {
  try {
    const note: unknown = JSON.parse(readFileSync(noteFile, 'utf8'))
    const pid = typeof note === 'object' && note !== null && 'pid' in note ? note.pid : undefined
    return typeof pid === 'number' && Number.isInteger(pid) ? pid : undefined
  } catch {
    return undefined
  }
}
