/**
 * The history of costs: what every hour of every cluster cost, by who caused it.
 *
 * G1. An hour that is over is never written again: it keeps the prices, the owners and the bill it was computed with.
 * G2. Another price book, or another version of it, begins a row of its own, also within an hour.
 * G3. Hours are kept for HOURS_KEPT_MS, then folded into days, lines and prices unchanged; days for DAYS_KEPT_MS.
 */
import { zstdCompressSync, zstdDecompressSync } from 'node:zlib'
import { MqError } from '@mq/contract'
import type { Deps } from '@mq/kafka'
import { Mutex } from '../mutex.ts'
import type { Store } from '../store/store.ts'
import type { CostHoursTable } from '../store/tables.ts'
import { merged, type RecordedInterval, type RecordedLine } from './interval.ts'

export const HOUR_MS = 3_600_000
export const DAY_MS = 86_400_000
export const HOURS_KEPT_MS = 3 * DAY_MS
export const DAYS_KEPT_MS = 400 * DAY_MS
/** When the first record of all began. */
const SINCE = 'costs_since_ms'
const MOST_LINES_BYTES = 256 * 1_048_576

export interface CostHour {
  readonly cluster: string
  readonly startMs: number
  readonly resolutionMs: number
  readonly priceBook: string
  readonly priceVersion: string
  readonly watchedMs: number
  readonly modelledUsd: number
  readonly billedUsd: number
  readonly lines: readonly RecordedLine[]
}

export class CostLedger {
  readonly #store: Store
  readonly #deps: Deps
  readonly #writes = new Mutex()
  /** Rows of the hour under way, by cluster and price. */
  readonly #open = new Map<string, CostHour>()
  #foldedAtMs = 0

  private constructor(store: Store, deps: Deps) {
    this.#store = store
    this.#deps = deps
  }

  static async load(store: Store, deps: Deps): Promise<CostLedger> {
    const ledger = new CostLedger(store, deps)
    const hourMs = startOf(deps.clock.nowMs(), HOUR_MS)
    for (const row of await store.db.selectFrom('cost_hours').selectAll().where('start_ms', '=', hourMs).execute()) {
      const hour = hourOf(row)
      if (hour.resolutionMs === HOUR_MS) ledger.#open.set(keyOf(hour), hour)
    }
    return ledger
  }

  /** Adds what passed between two looks to its hour, and keeps it. An interval counts for the hour in which it ends. */
  async add(cluster: string, interval: RecordedInterval): Promise<void> {
    await this.#writes.run(async () => {
      const startMs = startOf(interval.toMs, HOUR_MS)
      for (const [key, hour] of this.#open) if (hour.startMs < startMs) this.#open.delete(key)
      const { priceBook, priceVersion } = interval
      const key = keyOf({ cluster, startMs, priceBook, priceVersion })
      const known = this.#open.get(key)
      const hour: CostHour = {
        cluster,
        startMs,
        resolutionMs: HOUR_MS,
        priceBook,
        priceVersion,
        watchedMs: (known?.watchedMs ?? 0) + interval.toMs - interval.fromMs,
        modelledUsd: (known?.modelledUsd ?? 0) + interval.modelledUsd,
        billedUsd: (known?.billedUsd ?? 0) + interval.billedUsd,
        lines: merged([...(known?.lines ?? []), ...interval.lines]),
      }
      await this.#save(hour, interval.fromMs)
      this.#open.set(key, hour)
    })
    if (this.#deps.clock.nowMs() - this.#foldedAtMs >= HOUR_MS) await this.fold()
  }

  /** Hours and days that touch the time, oldest first. */
  async between(fromMs: number, toMs: number): Promise<CostHour[]> {
    const rows = await this.#store.db
      .selectFrom('cost_hours')
      .selectAll()
      .where('start_ms', '>', fromMs - DAY_MS)
      .where('start_ms', '<', toMs)
      .orderBy('start_ms')
      .execute()
    return rows.map(hourOf).filter(({ startMs, resolutionMs }) => startMs + resolutionMs > fromMs)
  }

  /** Since when there are records: the first look of all, or the oldest one that is still kept. */
  async sinceMs(): Promise<number | null> {
    const { db } = this.#store
    const oldest = await db
      .selectFrom('cost_hours')
      .select(({ fn }) => fn.min('start_ms').as('since'))
      .executeTakeFirst()
    if (oldest?.since == null) return null
    const first = await db.selectFrom('meta').select('value').where('key', '=', SINCE).executeTakeFirst()
    return Math.max(Number(oldest.since), Number(first?.value ?? 0))
  }

  /** G3 */
  async fold(): Promise<void> {
    await this.#writes.run(async () => {
      const nowMs = this.#deps.clock.nowMs()
      this.#foldedAtMs = nowMs
      const beforeMs = startOf(nowMs - HOURS_KEPT_MS, DAY_MS)
      const rows = await this.#store.db
        .selectFrom('cost_hours')
        .selectAll()
        .where('resolution_ms', '=', HOUR_MS)
        .where('start_ms', '<', beforeMs)
        .execute()
      const days = [
        ...Map.groupBy(rows.map(hourOf), (hour) => keyOf({ ...hour, startMs: startOf(hour.startMs, DAY_MS) })).values(),
      ]
      await this.#store.write('folding costs into days', async (tx) => {
        for (const hours of days) {
          const [first] = hours
          const sum = (of: (hour: CostHour) => number): number => hours.reduce((total, hour) => total + of(hour), 0)
          const day: CostHour = {
            ...first!,
            startMs: startOf(first!.startMs, DAY_MS),
            resolutionMs: DAY_MS,
            watchedMs: sum((hour) => hour.watchedMs),
            modelledUsd: sum((hour) => hour.modelledUsd),
            billedUsd: sum((hour) => hour.billedUsd),
            lines: merged(hours.flatMap(({ lines }) => lines)),
          }
          await tx.sql.insertInto('cost_hours').values(rowOf(day)).execute()
        }
        await tx.sql
          .deleteFrom('cost_hours')
          .where('resolution_ms', '=', HOUR_MS)
          .where('start_ms', '<', beforeMs)
          .execute()
        await tx.sql
          .deleteFrom('cost_hours')
          .where('start_ms', '<', nowMs - DAYS_KEPT_MS)
          .execute()
      })
    })
  }

  async #save(hour: CostHour, fromMs: number): Promise<void> {
    const row = rowOf(hour)
    const { watched_ms, modelled_usd, billed_usd, lines } = row
    await this.#store.write('keeping costs', async (tx) => {
      await tx.sql
        .insertInto('cost_hours')
        .values(row)
        .onConflict((conflict) =>
          conflict
            .columns(['cluster', 'resolution_ms', 'start_ms', 'price_book', 'price_version'])
            .doUpdateSet({ watched_ms, modelled_usd, billed_usd, lines }),
        )
        .execute()
      await tx.sql
        .insertInto('meta')
        .values({ key: SINCE, value: String(fromMs) })
        .onConflict((conflict) => conflict.column('key').doNothing())
        .execute()
    })
  }
}

export function startOf(ms: number, resolutionMs: number): number {
  return Math.floor(ms / resolutionMs) * resolutionMs
}

function keyOf(hour: Pick<CostHour, 'cluster' | 'startMs' | 'priceBook' | 'priceVersion'>): string {
  return JSON.stringify([hour.cluster, hour.startMs, hour.priceBook, hour.priceVersion])
}

/** Amounts as text: SQLite and PostgreSQL keep every digit of it. */
function rowOf(hour: CostHour): CostHoursTable {
  const lines = hour.lines.map(({ id, team, service, meter, kind, usd }) => [id, team, service, meter, kind, usd])
  return {
    cluster: hour.cluster,
    resolution_ms: hour.resolutionMs,
    start_ms: hour.startMs,
    price_book: hour.priceBook,
    price_version: hour.priceVersion,
    watched_ms: Math.round(hour.watchedMs),
    modelled_usd: String(hour.modelledUsd),
    billed_usd: String(hour.billedUsd),
    lines: zstdCompressSync(JSON.stringify(lines)).toString('base64'),
  }
}

function hourOf(row: CostHoursTable): CostHour {
  const text = zstdDecompressSync(Buffer.from(row.lines, 'base64'), { maxOutputLength: MOST_LINES_BYTES }).toString()
  return {
    cluster: row.cluster,
    startMs: Number(row.start_ms),
    resolutionMs: Number(row.resolution_ms),
    priceBook: row.price_book,
    priceVersion: row.price_version,
    watchedMs: Number(row.watched_ms),
    modelledUsd: Number(row.modelled_usd),
    billedUsd: Number(row.billed_usd),
    lines: linesOf(text, row),
  }
}

/** Checked by hand: an hour of a large fleet has tens of thousands of lines. */
function linesOf(text: string, { cluster, start_ms }: CostHoursTable): RecordedLine[] {
  const lines: unknown = JSON.parse(text)
  const broken = (): MqError =>
    new MqError('MQ_STORE_DAMAGED', `the costs of cluster '${cluster}' from ${start_ms} on cannot be read`)
  if (!Array.isArray(lines)) throw broken()
  return lines.map((line: unknown): RecordedLine => {
    if (!Array.isArray(line) || line.length !== 6 || !Number.isFinite(line[5])) throw broken()
    const [id, team, service, meter, kind, usd] = line as [string, string, string, never, never, number]
    return { id, team, service, meter, kind, usd }
  })
}
