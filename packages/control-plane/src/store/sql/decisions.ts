/** Decisions as rows of a SQL database. */

import { DecisionRecord, isLive } from '@mq/autopilot'
import type { DecisionState } from '@mq/contract'
import type { Kysely } from 'kysely'
import type { DecisionRepository } from '../ports/decisions.ts'
import type { Sequences } from '../ports/sequences.ts'
import type { Changed } from './changed.ts'
import type { DecisionsTable, Tables } from './tables.ts'

export class SqlDecisions implements DecisionRepository {
  readonly #db: Kysely<Tables>
  readonly #sequences: Sequences
  readonly #changed: Changed

  constructor(db: Kysely<Tables>, sequences: Sequences, changed: Changed) {
    this.#db = db
    this.#sequences = sequences
    this.#changed = changed
  }

  async find(number: number): Promise<DecisionRecord | undefined> {
    const row = await this.#db.selectFrom('decisions').selectAll().where('number', '=', number).executeTakeFirst()
    return row === undefined ? undefined : readRow(row)
  }

  async list(filter: {
    readonly mqId?: string
    readonly state?: DecisionState
    readonly limit: number
    readonly below?: number | undefined
  }): Promise<DecisionRecord[]> {
    let query = this.#db.selectFrom('decisions').selectAll().orderBy('number', 'desc').limit(filter.limit)
    if (filter.below !== undefined) query = query.where('number', '<', filter.below)
    if (filter.mqId !== undefined) query = query.where('mq_id', '=', filter.mqId)
    if (filter.state !== undefined) query = query.where('state', '=', filter.state)
    return (await query.execute()).map(readRow)
  }

  async recent(sinceMs: number, limit: number): Promise<DecisionRecord[]> {
    const rows = await this.#db
      .selectFrom('decisions')
      .selectAll()
      .where((where) => where.or([where('over', '=', 0), where('updated_at_ms', '>=', sinceMs)]))
      .orderBy('number', 'desc')
      .limit(limit)
      .execute()
    return rows.reverse().map(readRow)
  }

  async add(record: Omit<DecisionRecord, 'number'>): Promise<DecisionRecord> {
    const numbered: DecisionRecord = { ...record, number: await this.#sequences.next('decisions') }
    await this.#db
      .insertInto('decisions')
      .values({ number: numbered.number, ...columnsOf(numbered) })
      .execute()
    this.#changed({ of: 'decision', record: numbered })
    return numbered
  }

  async save(record: DecisionRecord): Promise<void> {
    await this.#db.updateTable('decisions').set(columnsOf(record)).where('number', '=', record.number).execute()
    this.#changed({ of: 'decision', record })
  }
}

function columnsOf(record: DecisionRecord): Omit<DecisionsTable, 'number'> {
  return {
    mq_id: record.mqId,
    kind: record.kind,
    state: record.state,
    over: isLive(record) ? 0 : 1,
    data: JSON.stringify(record),
    created_at_ms: record.createdAtMs,
    updated_at_ms: record.updatedAtMs,
  }
}

function readRow(row: DecisionsTable): DecisionRecord {
  return DecisionRecord.parse(JSON.parse(row.data))
}
