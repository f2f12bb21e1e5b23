/** Workload twins as rows of a SQL database. */
import { Twin } from '@mq/contract'
import type { Kysely } from 'kysely'
import type { WorkloadMark } from '../../twin/drift.ts'
import { isTwinOver, type TwinRecord } from '../../twin/twin-record.ts'
import type { Sequences } from '../ports/sequences.ts'
import type { TwinRepository } from '../ports/twins.ts'
import type { Changed } from './changed.ts'
import type { Tables, TwinsTable } from './tables.ts'

export class SqlTwins implements TwinRepository {
  readonly #db: Kysely<Tables>
  readonly #sequences: Sequences
  readonly #changed: Changed

  constructor(db: Kysely<Tables>, sequences: Sequences, changed: Changed) {
    this.#db = db
    this.#sequences = sequences
    this.#changed = changed
  }

  async find(number: number): Promise<TwinRecord | undefined> {
    const row = await this.#db.selectFrom('twins').selectAll().where('number', '=', number).executeTakeFirst()
    return row === undefined ? undefined : readRow(row)
  }

  async list(filter: {
    readonly mqId?: string | undefined
    readonly limit: number
    readonly below?: number | undefined
  }): Promise<TwinRecord[]> {
    let query = this.#db.selectFrom('twins').selectAll().orderBy('number', 'desc').limit(filter.limit)
    if (filter.below !== undefined) query = query.where('number', '<', filter.below)
    if (filter.mqId !== undefined) query = query.where('mq_id', '=', filter.mqId)
    return (await query.execute()).map(readRow)
  }

  async open(): Promise<TwinRecord[]> {
    return (await this.#db.selectFrom('twins').selectAll().where('over', '=', 0).execute()).map(readRow)
  }

  async add(draft: Omit<Twin, 'number'>): Promise<TwinRecord> {
    const record: TwinRecord = { twin: { ...draft, number: await this.#sequences.next('twins') }, mark: null }
    await this.#db
      .insertInto('twins')
      .values({ number: record.twin.number, mq_id: draft.mqId, ...columnsOf(record) })
      .execute()
    this.#changed({ of: 'twin', record })
    return record
  }

  async save(record: TwinRecord): Promise<void> {
    await this.#db.updateTable('twins').set(columnsOf(record)).where('number', '=', record.twin.number).execute()
    this.#changed({ of: 'twin', record })
  }
}

function columnsOf({ twin, mark }: TwinRecord): Omit<TwinsTable, 'number' | 'mq_id'> {
  return {
    state: twin.state,
    over: isTwinOver(twin.state) ? 1 : 0,
    data: JSON.stringify({ twin, mark }),
    started_at_ms: twin.startedAtMs,
    ended_at_ms: twin.endedAtMs,
  }
}

function readRow({ data }: TwinsTable): TwinRecord {
  const stored = JSON.parse(data) as { twin: unknown; mark: WorkloadMark | null }
  return { twin: Twin.parse(stored.twin), mark: stored.mark }
}
