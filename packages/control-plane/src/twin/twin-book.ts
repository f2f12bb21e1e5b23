/**
 * Workload twins in the store: one row each, with what was asked, how far it is and what came of it.
 *
 * K1. Numbers rise by one and are given out in the transaction that makes the row.
 * K2. A twin that was under way when the process ended is marked failed at the next start: it cannot be carried on, only asked for again.
 */
import { MqError, Twin, type TwinState } from '@mq/contract'
import type { Deps } from '@mq/kafka'
import type { Store } from '../store/store.ts'
import type { WorkloadMark } from './drift.ts'

export interface TwinRecord {
  readonly twin: Twin
  /** What the traffic was like; null until it was looked at. */
  readonly mark: WorkloadMark | null
}

const TAG = 'twin_tag'

export function isTwinOver(state: TwinState): boolean {
  return state === 'done' || state === 'failed' || state === 'cancelled'
}

export class TwinBook {
  readonly #store: Store
  /** In every name of a topic of this store's twins, so that another mQ on the same cluster leaves them alone. */
  readonly tag: string

  private constructor(store: Store, tag: string) {
    this.#store = store
    this.tag = tag
  }

  static async load(store: Store, deps: Deps): Promise<TwinBook> {
    const known = await store.db.selectFrom('meta').select('value').where('key', '=', TAG).executeTakeFirst()
    const tag =
      known?.value ??
      Math.floor(deps.random() * 36 ** 8)
        .toString(36)
        .padStart(8, '0')
    if (known === undefined) {
      await store.write('naming the twins', (tx) =>
        tx.sql.insertInto('meta').values({ key: TAG, value: tag }).execute(),
      )
    }
    const book = new TwinBook(store, tag)
    for (const record of await book.#rows('open')) {
      const endedAtMs = deps.clock.nowMs()
      const problem = 'the control plane ended while it ran'
      await book.save({ ...record, twin: { ...record.twin, state: 'failed', problem, endedAtMs } })
    }
    return book
  }

  async add(draft: Omit<Twin, 'number'>): Promise<TwinRecord> {
    return await this.#store.write(`a twin of ${draft.mqId}`, async (tx) => {
      const number = await tx.sequences.next('twins')
      const record: TwinRecord = { twin: { ...draft, number }, mark: null }
      await tx.sql
        .insertInto('twins')
        .values({ number: record.twin.number, mq_id: draft.mqId, ...rowOf(record) })
        .execute()
      return record
    })
  }

  async save(record: TwinRecord): Promise<void> {
    await this.#store.write(`twin ${record.twin.number}`, async (tx) => {
      await tx.sql.updateTable('twins').set(rowOf(record)).where('number', '=', record.twin.number).execute()
    })
  }

  async find(number: number): Promise<TwinRecord> {
    const row = await this.#store.db.selectFrom('twins').selectAll().where('number', '=', number).executeTakeFirst()
    if (row === undefined) {
      throw new MqError('MQ_TWIN_UNKNOWN', `there is no workload twin ${number}`, { details: { number } })
    }
    return read(row)
  }

  /** Newest first. */
  async list(filter: { readonly mqId?: string | undefined; readonly limit: number }): Promise<TwinRecord[]> {
    let query = this.#store.db.selectFrom('twins').selectAll().orderBy('number', 'desc').limit(filter.limit)
    if (filter.mqId !== undefined) query = query.where('mq_id', '=', filter.mqId)
    return (await query.execute()).map(read)
  }

  async #rows(which: 'open'): Promise<TwinRecord[]> {
    const rows = await this.#store.db
      .selectFrom('twins')
      .selectAll()
      .where('over', '=', which === 'open' ? 0 : 1)
      .execute()
    return rows.map(read)
  }
}

function rowOf({ twin, mark }: TwinRecord) {
  return {
    state: twin.state,
    over: isTwinOver(twin.state) ? 1 : 0,
    data: JSON.stringify({ twin, mark }),
    started_at_ms: twin.startedAtMs,
    ended_at_ms: twin.endedAtMs,
  }
}

function read(row: { readonly data: string }): TwinRecord {
  const stored = JSON.parse(row.data) as { twin: unknown; mark: WorkloadMark | null }
  return { twin: Twin.parse(stored.twin), mark: stored.mark }
}
