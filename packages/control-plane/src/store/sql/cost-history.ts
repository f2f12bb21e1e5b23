/** The history of costs as rows of a SQL database; amounts as text, which keeps every digit, lines packed. */
import { zstdCompressSync, zstdDecompressSync } from 'node:zlib'
import { MqError } from '@mq/contract'
import type { Kysely } from 'kysely'
import type { CostHour, RecordedLine } from '../../cost/cost-hour.ts'
import type { CostHistoryRepository } from '../ports/cost-history.ts'
import type { CostHoursTable, Tables } from './tables.ts'

const MOST_LINES_BYTES = 256 * 1_048_576

export class SqlCostHistory implements CostHistoryRepository {
  readonly #db: Kysely<Tables>

  constructor(db: Kysely<Tables>) {
    this.#db = db
  }

  async between(afterMs: number, beforeMs: number): Promise<CostHour[]> {
    const rows = await this.#db
      .selectFrom('cost_hours')
      .selectAll()
      .where('start_ms', '>', afterMs)
      .where('start_ms', '<', beforeMs)
      .orderBy('start_ms')
      .execute()
    return rows.map(hourOf)
  }

  async before(resolutionMs: number, beforeMs: number): Promise<CostHour[]> {
    const rows = await this.#db
      .selectFrom('cost_hours')
      .selectAll()
      .where('resolution_ms', '=', resolutionMs)
      .where('start_ms', '<', beforeMs)
      .execute()
    return rows.map(hourOf)
  }

  async oldestMs(): Promise<number | null> {
    const row = await this.#db
      .selectFrom('cost_hours')
      .select('start_ms')
      .orderBy('start_ms')
      .limit(1)
      .executeTakeFirst()
    return row === undefined ? null : Number(row.start_ms)
  }

  async add(hour: CostHour): Promise<void> {
    await this.#db.insertInto('cost_hours').values(rowOf(hour)).execute()
  }

  async save(hour: CostHour): Promise<void> {
    const row = rowOf(hour)
    const { watched_ms, modelled_usd, billed_usd, lines } = row
    await this.#db
      .insertInto('cost_hours')
      .values(row)
      .onConflict((conflict) =>
        conflict
          .columns(['cluster', 'resolution_ms', 'start_ms', 'price_book', 'price_version'])
          .doUpdateSet({ watched_ms, modelled_usd, billed_usd, lines }),
      )
      .execute()
  }

  async remove(beforeMs: number, resolutionMs?: number): Promise<void> {
    let query = this.#db.deleteFrom('cost_hours').where('start_ms', '<', beforeMs)
    if (resolutionMs !== undefined) query = query.where('resolution_ms', '=', resolutionMs)
    await query.execute()
  }
}

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
