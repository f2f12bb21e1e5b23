/**
 * The decisions that are live or remembered, in memory; older ones are read from the store.
 *
 * K1. Memory follows the change feed.
 */

import { type DecisionRecord, isLive } from '@mq/autopilot'
import { type DecisionState, MqError } from '@mq/contract'
import type { ChangeFeed } from '../store/ports/change-feed.ts'
import type { DecisionReader } from '../store/ports/decisions.ts'

/** Decisions over for this long still count for budgets and repeats. */
export const REMEMBER_MS = 8 * 86_400_000
const MOST_REMEMBERED = 50_000

export class Decisions {
  readonly #rows: DecisionReader
  readonly #live = new Map<number, DecisionRecord>()
  /** By mQ ID, oldest first. */
  readonly #byId = new Map<string, DecisionRecord[]>()

  private constructor(rows: DecisionReader) {
    this.#rows = rows
  }

  static async load(rows: DecisionReader, feed: ChangeFeed, nowMs: number): Promise<Decisions> {
    const decisions = new Decisions(rows)
    for (const record of await rows.recent(nowMs - REMEMBER_MS, MOST_REMEMBERED)) decisions.commitToMemory(record)
    feed.mirror(({ changes }) => {
      for (const change of changes) if (change.of === 'decision') decisions.commitToMemory(change.record)
    })
    return decisions
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
    const record = this.#live.get(number) ?? (await this.#rows.find(number))
    if (record !== undefined) return record
    throw new MqError('MQ_DECISION_UNKNOWN', `there is no decision ${number}`, { details: { number } })
  }

  /** Newest first. */
  async list(filter: {
    mqId?: string
    state?: DecisionState
    limit: number
    below?: number | undefined
  }): Promise<DecisionRecord[]> {
    return this.#rows.list(filter)
  }

  /** K1 */
  commitToMemory(record: DecisionRecord): void {
    const list = this.#byId.get(record.mqId) ?? []
    const index = list.findIndex((one) => one.number === record.number)
    if (index >= 0) list[index] = record
    else list.push(record)
    this.#byId.set(record.mqId, list)
    if (isLive(record)) this.#live.set(record.number, record)
    else this.#live.delete(record.number)
  }

  /** Lets go of what no budget and no repeat needs any more. */
  forget(nowMs: number): void {
    for (const [mqId, list] of this.#byId) {
      const kept = list.filter((one) => this.#live.has(one.number) || one.updatedAtMs >= nowMs - REMEMBER_MS)
      if (kept.length === 0) this.#byId.delete(mqId)
      else this.#byId.set(mqId, kept)
    }
  }
}
