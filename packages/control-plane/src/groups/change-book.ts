/**
 * Changes of positions in the store: one row each, with what was asked, what is to be set, and what came of it.
 *
 * K1. Numbers rise by one and are given out in the transaction that makes the row.
 * K2. Rows that are not over are in memory, too; nothing else reads them from the store.
 */
import { GroupChange, MqError } from '@mq/contract'
import type { StandingPosition } from '../provision/group-admin.ts'
import type { WriteTransaction } from '../store/ports/repositories.ts'
import type { Store } from '../store/store.ts'

/** A position to set, as it is stored: offsets as text. */
export interface StoredTarget {
  readonly epoch: number
  readonly partition: number
  readonly before: string | null
  readonly after: {
    readonly offset: string
    readonly finished: readonly string[]
    readonly leaderEpoch: number | null
    /** Offset, attempts, when it failed first. */
    readonly failing: readonly (readonly [string, number, number])[]
  }
}

export interface GroupChangeRow {
  readonly number: number
  readonly view: GroupChange
  readonly groupId: string
  /** Live epochs when it was asked for. */
  readonly epochs: readonly number[]
  /** What is to be set; null until it is known. */
  readonly targets: readonly StoredTarget[] | null
  /** Since when the members are asked to leave; null while they are not. */
  readonly heldAtMs: number | null
  readonly attempt: number
}

export class ChangeBook {
  readonly #store: Store
  readonly #live = new Map<number, GroupChangeRow>()

  private constructor(store: Store) {
    this.#store = store
  }

  static async load(store: Store): Promise<ChangeBook> {
    const book = new ChangeBook(store)
    const rows = await store.db.selectFrom('group_changes').selectAll().where('over', '=', 0).execute()
    for (const row of rows) book.#live.set(Number(row.number), read(row))
    return book
  }

  /** Those that are not over. */
  live(): GroupChangeRow[] {
    return [...this.#live.values()]
  }

  async add(row: Omit<GroupChangeRow, 'number'>): Promise<GroupChangeRow> {
    const added = await this.#store.write(`a change of positions of ${row.view.group}`, async (tx) => {
      const number = await tx.sequences.next('group_changes')
      const numbered = { ...row, number, view: { ...row.view, number } }
      await tx.sql
        .insertInto('group_changes')
        .values({ number, mq_id: row.view.mqId, created_at_ms: row.view.createdAtMs, ...valuesOf(numbered) })
        .execute()
      return numbered
    })
    this.took(added)
    return added
  }

  async save(row: GroupChangeRow): Promise<void> {
    await this.#store.write(`change of positions ${row.number}`, (tx) => this.saveIn(tx, row))
    this.took(row)
  }

  /** As part of a larger write; `took` once that is through. */
  async saveIn(tx: WriteTransaction, row: GroupChangeRow): Promise<void> {
    await tx.sql.updateTable('group_changes').set(valuesOf(row)).where('number', '=', row.number).execute()
  }

  took(row: GroupChangeRow): void {
    if (isOver(row)) this.#live.delete(row.number)
    else this.#live.set(row.number, row)
  }

  /** @throws MqError MQ_GROUP_CHANGE_UNKNOWN */
  async find(number: number): Promise<GroupChangeRow> {
    const live = this.#live.get(number)
    if (live !== undefined) return live
    const row = await this.#store.db
      .selectFrom('group_changes')
      .selectAll()
      .where('number', '=', number)
      .executeTakeFirst()
    if (row === undefined) {
      throw new MqError('MQ_GROUP_CHANGE_UNKNOWN', `there is no change of positions ${number}`, { details: { number } })
    }
    return read(row)
  }
}

export function storedPosition(position: StandingPosition): StoredTarget['after'] {
  const { offset, finished, leaderEpoch, failing = [] } = position
  return {
    offset: String(offset),
    finished: finished.map(({ first, end }) => `${first}-${end}`),
    leaderEpoch: leaderEpoch ?? null,
    failing: failing.map(
      ({ offset: at, attempts, firstFailedAtMs }) => [String(at), attempts, firstFailedAtMs] as const,
    ),
  }
}

export function positionOf({ offset, finished, leaderEpoch, failing }: StoredTarget['after']): StandingPosition {
  return {
    offset: BigInt(offset),
    finished: finished.map((range) => {
      const [first, end] = range.split('-')
      return { first: BigInt(first!), end: BigInt(end!) }
    }),
    leaderEpoch: leaderEpoch ?? undefined,
    failing: failing.map(([at, attempts, firstFailedAtMs]) => ({ offset: BigInt(at), attempts, firstFailedAtMs })),
  }
}

function isOver({ view: { state } }: GroupChangeRow): boolean {
  return state === 'done' || state === 'failed'
}

function valuesOf(row: GroupChangeRow): { over: number; data: string } {
  return { over: isOver(row) ? 1 : 0, data: JSON.stringify(row) }
}

function read({ data }: { readonly data: string }): GroupChangeRow {
  const row = JSON.parse(data) as GroupChangeRow
  return { ...row, view: GroupChange.parse(row.view) }
}
