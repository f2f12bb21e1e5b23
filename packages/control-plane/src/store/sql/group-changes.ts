/** Changes of positions as rows of a SQL database. */
import { GroupChange } from '@mq/contract'
import type { Kysely } from 'kysely'
import { type GroupChangeRow, isChangeOver } from '../../groups/change-row.ts'
import type { GroupChangeRepository } from '../ports/group-changes.ts'
import type { Sequences } from '../ports/sequences.ts'
import type { Changed } from './changed.ts'
import type { Tables } from './tables.ts'

export class SqlGroupChanges implements GroupChangeRepository {
  readonly #db: Kysely<Tables>
  readonly #sequences: Sequences
  readonly #changed: Changed

  constructor(db: Kysely<Tables>, sequences: Sequences, changed: Changed) {
    this.#db = db
    this.#sequences = sequences
    this.#changed = changed
  }

  async find(number: number): Promise<GroupChangeRow | undefined> {
    const row = await this.#db.selectFrom('group_changes').selectAll().where('number', '=', number).executeTakeFirst()
    return row === undefined ? undefined : readRow(row)
  }

  async open(): Promise<GroupChangeRow[]> {
    const rows = await this.#db
      .selectFrom('group_changes')
      .selectAll()
      .where('over', '=', 0)
      .orderBy('number')
      .execute()
    return rows.map(readRow)
  }

  async add(row: Omit<GroupChangeRow, 'number'>): Promise<GroupChangeRow> {
    const number = await this.#sequences.next('group_changes')
    const numbered = { ...row, number, view: { ...row.view, number } }
    await this.#db
      .insertInto('group_changes')
      .values({ number, mq_id: row.view.mqId, created_at_ms: row.view.createdAtMs, ...columnsOf(numbered) })
      .execute()
    this.#changed({ of: 'group-change', row: numbered })
    return numbered
  }

  async save(row: GroupChangeRow): Promise<void> {
    await this.#db.updateTable('group_changes').set(columnsOf(row)).where('number', '=', row.number).execute()
    this.#changed({ of: 'group-change', row })
  }
}

function columnsOf(row: GroupChangeRow): { over: number; data: string } {
  return { over: isChangeOver(row) ? 1 : 0, data: JSON.stringify(row) }
}

function readRow({ data }: { readonly data: string }): GroupChangeRow {
  const row = JSON.parse(data) as GroupChangeRow
  return { ...row, view: GroupChange.parse(row.view) }
}
