/**
 * The store of one control plane: a SQLite file in a data folder.
 *
 * S1. One process owns the folder (folder-lock.ts).
 * S2. The incarnation names one life of the store. It rises when the store is new and when the file is not the one this
 *     folder last worked with (a restored copy): clients order bindings by (incarnation, revision), and a copy from
 *     yesterday would otherwise hand out revisions that clients have already seen with another content.
 * S3. The revision is one rising sequence for the whole store.
 * S4. A write happens whole or not at all.
 * S7. Every write confirms in its own transaction that this process still leads (ports/lease.ts); one that does not lead any more writes nothing.
 * S6. A database without tables beside a mark is not a new store: it was copied without its write-ahead log, or is gone. It is refused
 *     and left as it is.
 * S5. That a store was restored is remembered until `recovered`, also over restarts.
 */
import { chmodSync, existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { DatabaseSync } from 'node:sqlite'
import { MqError } from '@mq/contract'
import type { Deps } from '@mq/kafka'
import { Mutex } from '../mutex.ts'
import { LocalFeed } from './feed.ts'
import { Lease } from './lease.ts'
import type { Change, ChangeFeed } from './ports/change-feed.ts'
import type { EngineTransaction } from './ports/engine.ts'
import type { Readers, WriteTransaction } from './ports/repositories.ts'
import { storeError } from './sqlite/database.ts'
import { SqliteEngine } from './sqlite/engine.ts'
import { type FolderLock, lockFolder } from './sqlite/folder-lock.ts'

export const STORE_FILE = 'control-plane.sqlite'
export const MARK_FILE = 'store-mark.json'

interface Mark {
  readonly run: string
  readonly revision: number
  readonly incarnation: number
}

export class Store {
  readonly read: Readers
  readonly dataDir: string
  /** Hears how long every transaction took. */
  onWrite: ((ms: number, result: 'ok' | 'failed') => void) | undefined
  readonly #engine: SqliteEngine
  readonly #lock: FolderLock
  readonly #deps: Deps
  readonly #writes = new Mutex()
  readonly #feed = new LocalFeed()
  #lease: Lease | undefined
  #incarnation = 0
  #revision = 0
  #run = ''
  #plane = ''
  #recoveringFrom: number | undefined
  #lastFailure: MqError | undefined

  private constructor(dataDir: string, engine: SqliteEngine, lock: FolderLock, deps: Deps) {
    this.dataDir = dataDir
    this.#engine = engine
    this.#lock = lock
    this.#deps = deps
    this.read = engine.read
  }

  static async open(dataDir: string, deps: Deps): Promise<Store> {
    try {
      mkdirSync(dataDir, { recursive: true, mode: 0o700 })
    } catch (error) {
      throw storeError(error, `making the folder ${dataDir}`)
    }
    const lock = lockFolder(dataDir)
    let engine: SqliteEngine | undefined
    try {
      const file = join(dataDir, STORE_FILE)
      const wasThere = existsSync(file)
      const mark = readMark(dataDir)
      if (mark !== undefined && !wasThere) throw incomplete(dataDir, mark, `there is no ${STORE_FILE}`)
      engine = await SqliteEngine.open(file, (database) => {
        if (mark === undefined || hasTables(database)) return
        throw incomplete(
          dataDir,
          mark,
          `${STORE_FILE} holds no tables: it was copied without its write-ahead log (-wal)`,
        )
      })
      chmodSync(file, 0o600)
      const store = new Store(dataDir, engine, lock, deps)
      await store.#start()
      return store
    } catch (error) {
      await engine?.close()
      lock.release()
      throw storeError(error, `opening ${dataDir}`)
    }
  }

  get incarnation(): number {
    return this.#incarnation
  }

  get revision(): number {
    return this.#revision
  }

  /** Names this control plane for as long as its store and the copies of it live. */
  get plane(): string {
    return this.#plane
  }

  /**
   * The incarnation that the rows of a restored store belong to, until everything in it is settled; undefined for a store
   * that nobody restored (S5).
   */
  get recoveringFrom(): number | undefined {
    return this.#recoveringFrom
  }

  /** Why the last write failed, or undefined when it did not. */
  get lastFailure(): MqError | undefined {
    return this.#lastFailure
  }

  /** Held as long as nobody else took it (S7). */
  get lease(): Lease {
    if (this.#lease === undefined) throw new MqError('MQ_INTERNAL', 'the store was not started')
    return this.#lease
  }

  /** What is committed, for mirrors in memory and for those who are told of it. */
  get feed(): ChangeFeed {
    return this.#feed
  }

  /** The connection itself, for tests that fill the disk. */
  get sqlite(): DatabaseSync {
    return this.#engine.database
  }

  /**
   * Runs `work` in one transaction (S4), as the leader (S7). Inside, use only the transaction it is given: another write would wait for this
   * one. What it changed is in the feed before this returns.
   * @throws MqError MQ_NOT_LEADER, MQ_CLOSED
   */
  async write<T>(doing: string, work: (tx: WriteTransaction) => Promise<T>): Promise<T> {
    return this.#write(doing, work)
  }

  async #write<T>(doing: string, work: (tx: WriteTransaction & EngineTransaction) => Promise<T>): Promise<T> {
    return this.#timed(doing, () =>
      this.#writes.run(async () => {
        const { lease } = this
        lease.check(doing)
        let [position, raisedTo] = [0, 0]
        let changes: readonly Change[] = []
        const result = await this.#engine.transaction(async (tx) => {
          const confirmed = await tx.lease.confirm(lease.term)
          if (confirmed === undefined) {
            lease.lose()
            throw lease.refusal(doing)
          }
          const raise = async (revision: number): Promise<void> => {
            await tx.facts.set('revision', String(revision))
            raisedTo = Math.max(raisedTo, revision)
          }
          const outcome = await work({ ...tx, revision: { raise } })
          position = confirmed
          changes = tx.changes
          return outcome
        })
        this.#revision = Math.max(this.#revision, raisedTo)
        this.#feed.publish({ position, term: lease.term, changes })
        return result
      }),
    )
  }

  async #timed<T>(doing: string, work: () => Promise<T>): Promise<T> {
    const startedMs = this.#deps.clock.monotonicMs()
    const told = (result: 'ok' | 'failed'): void => this.onWrite?.(this.#deps.clock.monotonicMs() - startedMs, result)
    try {
      const result = await work()
      this.#lastFailure = undefined
      told('ok')
      return result
    } catch (error) {
      told('failed')
      const failure = storeError(error, doing)
      if (failure.code === 'MQ_STORE_FAILED' || failure.code === 'MQ_STORE_DAMAGED') this.#lastFailure = failure
      throw failure
    }
  }

  /** A life above `seen`, for a store that clients know a later state of (S2, S5). Returns the new incarnation. */
  async renew(seen: number): Promise<number> {
    const next = this.#above(Math.max(seen, this.#incarnation))
    const from = this.#recoveringFrom ?? this.#incarnation
    await this.#write('starting a new incarnation', async (tx) => {
      await tx.facts.set('incarnation', String(next))
      await tx.facts.set('recovering_from', String(from))
    })
    this.#incarnation = next
    this.#recoveringFrom = from
    this.#writeMark()
    return next
  }

  /** Everything in a restored store is settled (S5). */
  async recovered(): Promise<void> {
    await this.#write('ending the recovery', (tx) => tx.facts.remove('recovering_from'))
    this.#recoveringFrom = undefined
  }

  /** Whether the store takes writes now: tries one. */
  async check(): Promise<void> {
    await this.#write('a check', (tx) => tx.facts.set('checked_at_ms', String(this.#deps.clock.nowMs())))
  }

  async close(): Promise<void> {
    this.#lease?.giveUp()
    try {
      this.#writeMark()
    } finally {
      await this.#engine.close()
      this.#lock.release()
    }
  }

  async #start(): Promise<void> {
    const facts = await this.#engine.read.facts.all()
    const mark = readMark(this.dataDir)
    const known = Number(facts.get('incarnation') ?? 0)
    this.#revision = Number(facts.get('revision') ?? 0)
    const sameLife = known > 0 && mark !== undefined && mark.run === facts.get('run') && mark.revision <= this.#revision
    this.#incarnation = sameLife ? known : this.#above(Math.max(known, mark?.incarnation ?? 0))
    this.#run = this.#newName()
    this.#plane = facts.get('plane') ?? this.#newName()
    const from = facts.get('recovering_from') ?? (sameLife || known === 0 ? undefined : String(known))
    this.#recoveringFrom = from === undefined ? undefined : Number(from)
    await this.#timed('starting', () =>
      this.#engine.transaction(async (tx) => {
        this.#lease = new Lease(await tx.lease.acquire(this.#run, this.#deps.clock.nowMs()))
        await tx.facts.set('incarnation', String(this.#incarnation))
        await tx.facts.set('revision', String(this.#revision))
        // The mark follows: a crash between the two reads as a restored store and costs one new incarnation, no more.
        await tx.facts.set('run', this.#run)
        await tx.facts.set('plane', this.#plane)
        if (from !== undefined) await tx.facts.set('recovering_from', from)
      }),
    )
    this.#writeMark()
  }

  #newName(): string {
    return `${this.#deps.clock.nowMs().toString(36)}-${Math.floor(this.#deps.random() * 2 ** 48).toString(36)}`
  }

  /** Seconds since 1970 rise across folders and machines without anyone remembering the last one. */
  #above(seen: number): number {
    return Math.max(seen + 1, Math.floor(this.#deps.clock.nowMs() / 1_000))
  }

  #writeMark(): void {
    const mark: Mark = { run: this.#run, revision: this.#revision, incarnation: this.#incarnation }
    const file = join(this.dataDir, MARK_FILE)
    try {
      writeFileSync(`${file}.new`, `${JSON.stringify(mark)}\n`, { mode: 0o600 })
      renameSync(`${file}.new`, file)
    } catch (error) {
      throw storeError(error, `writing ${file}`)
    }
  }
}

function readMark(dataDir: string): Mark | undefined {
  try {
    const mark = JSON.parse(readFileSync(join(dataDir, MARK_FILE), 'utf8')) as Partial<Mark>
    if (typeof mark.run !== 'string' || !Number.isSafeInteger(mark.revision)) return undefined
    if (!Number.isSafeInteger(mark.incarnation)) return undefined
    return mark as Mark
  } catch {
    return undefined
  }
}

function hasTables(database: DatabaseSync): boolean {
  return database.prepare("SELECT name FROM sqlite_master WHERE type = 'table' AND name = 'meta'").get() !== undefined
}

/** S6 */
function incomplete(dataDir: string, mark: Mark, what: string): MqError {
  return new MqError(
    'MQ_STORE_INCOMPLETE',
    `${what}, and ${MARK_FILE} in ${dataDir} knows of a store at revision ${mark.revision}`,
    { details: { dataDir, revision: mark.revision, incarnation: mark.incarnation } },
  )
}
