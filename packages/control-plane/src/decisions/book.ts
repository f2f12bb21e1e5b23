/**
 * The book of decisions, in the store and, as far as they are not over, in memory.
 *
 * K1. A row is written in the transaction of the change it belongs to; memory follows once that is through.
 * K2. Numbers rise by one and are never reused; no row is ever removed.
 * K3. Once closed, nothing is written any more: what a dying process still believes must not reach the store.
 */
import { type DecisionState, isDecided, MqError } from '@mq/contract'
import type { Transaction } from 'kysely'
import type { Store } from '../store/store.ts'
import type { DecisionRowsTable, Tables } from '../store/tables.ts'
import { DecisionRecord } from './record.ts'

/** Decisions over for this long still count for budgets and repeats. */
export const REMEMBER_MS = 8 * 86_400_000
const MOST_REMEMBERED = 50_000

export class Book {
  readonly #store: Store
  readonly #live = new Map<number, DecisionRecord>()
  /** By mQ ID, oldest first. */
  readonly #byId = new Map<string, DecisionRecord[]>()
  #closed = false

  private constructor(store: Store) {
    this.#store = store
  }

  static async load(store: Store, nowMs: number): Promise<Book> {
    const book = new Book(store)
    const rows = await store.db
      .selectFrom('decision_rows')
      .selectAll()
      .where((where) => where.or([where('over', '=', 0), where('updated_at_ms', '>=', nowMs - REMEMBER_MS)]))
      .orderBy('number', 'desc')
      .limit(MOST_REMEMBERED)
      .execute()
    for (const row of rows.reverse()) book.took(readRow(row))
    return book
  }

  /** Those that have something left to do, and those that are kept and still stand, oldest first. */
  live(): DecisionRecord[] {
    return [...this.#live.values()].sort((a, b) => a.number - b.number)
  }

  current(number: number): DecisionRecord | undefined {
    return this.#live.get(number)
  }

  /** Of one mQ ID, oldest first, as far back as decisions are remembered. */
  of(mqId: string): readonly DecisionRecord[] {
    return this.#byId.get(mqId) ?? []
  }

  async find(number: number): Promise<DecisionRecord> {
    const live = this.#live.get(number)
    if (live !== undefined) return live
    const row = await this.#store.db
      .selectFrom('decision_rows')
      .selectAll()
      .where('number', '=', number)
      .executeTakeFirst()
    if (row !== undefined) return readRow(row)
    throw new MqError('MQ_DECISION_UNKNOWN', `there is no decision ${number}`, { details: { number } })
  }

  /** Newest first. */
  async list(filter: { mqId?: string; state?: DecisionState; limit: number }): Promise<DecisionRecord[]> {
    let query = this.#store.db.selectFrom('decision_rows').selectAll().orderBy('number', 'desc').limit(filter.limit)
    if (filter.mqId !== undefined) query = query.where('mq_id', '=', filter.mqId)
    if (filter.state !== undefined) query = query.where('state', '=', filter.state)
    return (await query.execute()).map(readRow)
  }

  /** Inside `tx`; call `took` once it is through (K1, K2). */
  async insert(tx: Transaction<Tables>, record: Omit<DecisionRecord, 'number'>): Promise<DecisionRecord> {
    const last = await tx
      .selectFrom('decision_rows')
      .select((select) => select.fn.max('number').as('number'))
      .executeTakeFirst()
    const numbered: DecisionRecord = { ...record, number: Number(last?.number ?? 0) + 1 }
    await this.save(tx, numbered)
    return numbered
  }

  /** Inside `tx`; call `took` once it is through (K1). */
  async save(tx: Transaction<Tables>, record: DecisionRecord): Promise<void> {
    if (this.#closed) throw new MqError('MQ_CLOSED', 'the control plane is closing')
    const row = {
      mq_id: record.mqId,
      kind: record.kind,
      state: record.state,
      over: isDecided(record.state) && record.state !== 'kept' ? 1 : 0,
      data: JSON.stringify(record),
      created_at_ms: record.createdAtMs,
      updated_at_ms: record.updatedAtMs,
    }
    await tx
      .insertInto('decision_rows')
      .values({ number: record.number, ...row })
      .onConflict((conflict) => conflict.column('number').doUpdateSet(row))
      .execute()
  }

  took(record: DecisionRecord): void {
    const list = this.#byId.get(record.mqId) ?? []
    const index = list.findIndex((one) => one.number === record.number)
    if (index >= 0) list[index] = record
    else list.push(record)
    this.#byId.set(record.mqId, list)
    if (isDecided(record.state) && record.state !== 'kept') this.#live.delete(record.number)
    else this.#live.set(record.number, record)
  }

  /** Lets go of what no budget and no repeat needs any more. */
  forget(nowMs: number): void {
    for (const [mqId, list] of this.#byId) {
      const kept = list.filter((one) => this.#live.has(one.number) || one.updatedAtMs >= nowMs - REMEMBER_MS)
      if (kept.length === 0) this.#byId.delete(mqId)
      else this.#byId.set(mqId, kept)
    }
  }

  close(): void {
    this.#closed = true
  }
}

function readRow(row: DecisionRowsTable): DecisionRecord {
  return DecisionRecord.parse(JSON.parse(row.data))
}
