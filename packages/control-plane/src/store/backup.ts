/**
 * Copies of a store that are whole: taken while a control plane works on it, and put back.
 *
 * K1. A backup is one file that holds everything up to one moment, made through SQLite itself: a copied file lacks what is
 *     still in the write-ahead log.
 * K2. A backup or a restore that fails leaves what was there; a backup never replaces a file.
 * K3. A restored store is marked as another life (store.ts, S2), whatever its revision: clients may know a later state of it.
 * K4. What a restore replaces is set aside in the folder and not deleted.
 */
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { backup, DatabaseSync } from 'node:sqlite'
import { MqError } from '@mq/contract'
import { migrations } from './sql/schema-migrations.ts'
import { storeError } from './sqlite/database.ts'
import { lockFolder } from './sqlite/folder-lock.ts'
import { MARK_FILE, STORE_FILE } from './store.ts'

export interface BackupFacts {
  readonly incarnation: number
  readonly revision: number
  readonly mqIds: number
}

export interface RestoreFacts extends BackupFacts {
  /** Where the files are that were there before; null when there were none. */
  readonly setAside: string | null
}

/** Copies the store of a folder, also while a control plane works on it (K1). */
export async function backupStore(dataDir: string, file: string): Promise<BackupFacts> {
  const source = join(dataDir, STORE_FILE)
  if (!existsSync(source)) {
    throw new MqError('MQ_OPTION_INVALID', `there is no ${STORE_FILE} in ${dataDir}, so it is no data folder of mQ`)
  }
  if (existsSync(file))
    throw new MqError('MQ_OPTION_INVALID', `${file} is there already, and a backup replaces nothing`)
  const growing = `${file}.part`
  try {
    const database = new DatabaseSync(source, { readOnly: true, timeout: 10_000 })
    try {
      await backup(database, growing)
    } finally {
      database.close()
    }
    chmodSync(growing, 0o600)
    const facts = checkStore(growing)
    renameSync(growing, file)
    return facts
  } catch (error) {
    throw storeError(error, `copying ${source} to ${file}`)
  } finally {
    for (const end of ['', '-wal', '-shm', '-journal']) rmSync(`${growing}${end}`, { force: true })
  }
}

/** Puts a backup in place of the store of a folder that no control plane works on. */
export function restoreStore(dataDir: string, file: string, nowMs: number): RestoreFacts {
  if (!existsSync(file)) throw new MqError('MQ_OPTION_INVALID', `there is no file ${file}`)
  try {
    mkdirSync(dataDir, { recursive: true, mode: 0o700 })
  } catch (error) {
    throw storeError(error, `making the folder ${dataDir}`)
  }
  const lock = lockFolder(dataDir)
  const arriving = join(dataDir, `${STORE_FILE}.restoring`)
  try {
    copyFileSync(file, arriving)
    chmodSync(arriving, 0o600)
    const facts = checkStore(arriving)
    const setAside = putAside(dataDir, nowMs)
    // The mark first: a crash between the two is an empty folder that knows better, and is refused.
    const known = knownIncarnation(setAside)
    const mark = {
      run: `restored-${nowMs.toString(36)}`,
      revision: facts.revision,
      incarnation: Math.max(known, facts.incarnation),
    }
    writeFileSync(join(dataDir, MARK_FILE), `${JSON.stringify(mark)}\n`, { mode: 0o600 })
    renameSync(arriving, join(dataDir, STORE_FILE))
    return { ...facts, setAside }
  } catch (error) {
    throw storeError(error, `restoring ${file} into ${dataDir}`)
  } finally {
    for (const end of ['', '-wal', '-shm', '-journal']) rmSync(`${arriving}${end}`, { force: true })
    lock.release()
  }
}

/** Whole, of mQ, and not of a later version. @throws MQ_STORE_DAMAGED, MQ_STORE_INCOMPLETE, MQ_STORE_NEWER */
function checkStore(file: string): BackupFacts {
  const database = new DatabaseSync(file)
  try {
    const problems = database.prepare('PRAGMA integrity_check').all() as { integrity_check: string }[]
    if (problems[0]?.integrity_check !== 'ok') {
      throw new MqError('MQ_STORE_DAMAGED', `${file} is damaged: ${problems[0]?.integrity_check ?? 'no answer'}`)
    }
    const tables = new Set(
      (database.prepare("SELECT name FROM sqlite_master WHERE type = 'table'").all() as { name: string }[]).map(
        ({ name }) => name,
      ),
    )
    if (!tables.has('meta') || !tables.has('kysely_migration')) {
      throw new MqError('MQ_STORE_INCOMPLETE', `${file} holds no tables of mQ`)
    }
    const applied = database.prepare('SELECT name FROM kysely_migration').all() as { name: string }[]
    const later = applied.find(({ name }) => !Object.hasOwn(migrations, name))
    if (later !== undefined) throw new MqError('MQ_STORE_NEWER', `${file} was written by a newer mQ (${later.name})`)
    const meta = database.prepare("SELECT key, value FROM meta WHERE key IN ('incarnation', 'revision')").all() as {
      key: string
      value: string
    }[]
    const { count } = database.prepare("SELECT count(*) AS count FROM mq_ids WHERE state = 'active'").get() as {
      count: number
    }
    const number = (key: string): number => Number(meta.find((row) => row.key === key)?.value ?? 0)
    return { incarnation: number('incarnation'), revision: number('revision'), mqIds: count }
  } finally {
    database.close()
  }
}

/** K4 */
function putAside(dataDir: string, nowMs: number): string | null {
  const files = [STORE_FILE, `${STORE_FILE}-wal`, `${STORE_FILE}-shm`, MARK_FILE].filter((name) =>
    existsSync(join(dataDir, name)),
  )
  if (files.length === 0) return null
  const folder = join(dataDir, `before-restore-${new Date(nowMs).toISOString().replaceAll(/[:.]/g, '-')}`)
  mkdirSync(folder, { mode: 0o700 })
  // Copied, so that a crash on the way leaves the old store usable; the mark is written over, the store replaced.
  for (const name of files) copyFileSync(join(dataDir, name), join(folder, name))
  for (const name of files) if (name !== MARK_FILE) rmSync(join(dataDir, name))
  return folder
}

function knownIncarnation(folder: string | null): number {
  if (folder === null) return 0
  try {
    const { incarnation } = JSON.parse(readFileSync(join(folder, MARK_FILE), 'utf8')) as { incarnation?: unknown }
    return typeof incarnation === 'number' && Number.isSafeInteger(incarnation) ? incarnation : 0
  } catch {
    return 0
  }
}
