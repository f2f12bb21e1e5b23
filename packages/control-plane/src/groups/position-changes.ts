/**
 * The changes of positions that are not over, in memory; others are read from the store.
 *
 * K1. Memory follows the change feed.
 */
import { MqError } from '@mq/contract'
import type { WriteTransaction } from '../store/ports/repositories.ts'
import type { Store } from '../store/store.ts'
import { type GroupChangeRow, isChangeOver } from './change-row.ts'

export class PositionChanges {
  readonly #store: Store
  readonly #live = new Map<number, GroupChangeRow>()

  private constructor(store: Store) {
    this.#store = store
  }

  static async load(store: Store): Promise<PositionChanges> {
    const changes = new PositionChanges(store)
    for (const row of await store.read.groupChanges.open()) changes.#live.set(row.number, row)
    store.feed.mirror((commit) => {
      for (const change of commit.changes) if (change.of === 'group-change') changes.commitToMemory(change.row)
    })
    return changes
  }

  /** Those that are not over. */
  live(): GroupChangeRow[] {
    return [...this.#live.values()]
  }

  async add(row: Omit<GroupChangeRow, 'number'>): Promise<GroupChangeRow> {
    return this.#store.write(`a change of positions of ${row.view.group}`, (tx) => tx.groupChanges.add(row))
  }

  async save(row: GroupChangeRow): Promise<void> {
    await this.#store.write(`change of positions ${row.number}`, (tx) => this.saveIn(tx, row))
  }

  /** As part of a larger write. */
  async saveIn(tx: WriteTransaction, row: GroupChangeRow): Promise<void> {
    await tx.groupChanges.save(row)
  }

  commitToMemory(row: GroupChangeRow): void {
    if (isChangeOver(row)) this.#live.delete(row.number)
    else this.#live.set(row.number, row)
  }

  /** @throws MqError MQ_GROUP_CHANGE_UNKNOWN */
  async find(number: number): Promise<GroupChangeRow> {
    const row = this.#live.get(number) ?? (await this.#store.read.groupChanges.find(number))
    if (row !== undefined) return row
    throw new MqError('MQ_GROUP_CHANGE_UNKNOWN', `there is no change of positions ${number}`, { details: { number } })
  }
}
