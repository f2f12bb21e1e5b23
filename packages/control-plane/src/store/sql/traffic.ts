/** Roll-ups of traffic as rows of a SQL database: a table for each resolution, and one for what still grows. */
import type { Kysely } from 'kysely'
import type { TrafficChunk, TrafficRepository, TrafficResolution } from '../ports/traffic.ts'
import type { Tables } from './tables.ts'

const TABLES = {
  '10s': { table: 'traffic_10s', resolutionMs: 10_000 },
  '5min': { table: 'traffic_5min', resolutionMs: 300_000 },
  '1h': { table: 'traffic_1h', resolutionMs: 3_600_000 },
} as const

export class SqlTraffic implements TrafficRepository {
  readonly #db: Kysely<Tables>

  constructor(db: Kysely<Tables>) {
    this.#db = db
  }

  async finished(resolution: TrafficResolution, mqId: string, startMs: number): Promise<Uint8Array | undefined> {
    const row = await this.#db
      .selectFrom(TABLES[resolution].table)
      .select('data')
      .where('chunk_start_ms', '=', startMs)
      .where('mq_id', '=', mqId)
      .executeTakeFirst()
    return row?.data
  }

  async finishedAfter(resolution: TrafficResolution, mqId: string, afterMs: number): Promise<TrafficChunk[]> {
    const rows = await this.#db
      .selectFrom(TABLES[resolution].table)
      .select(['chunk_start_ms', 'data'])
      .where('chunk_start_ms', '>', afterMs)
      .where('mq_id', '=', mqId)
      .orderBy('chunk_start_ms')
      .execute()
    return rows.map(({ chunk_start_ms, data }) => ({ startMs: Number(chunk_start_ms), data }))
  }

  async growing(resolution: TrafficResolution, mqId: string): Promise<TrafficChunk | undefined> {
    const row = await this.#db
      .selectFrom('traffic_growing')
      .select(['chunk_start_ms', 'data'])
      .where('mq_id', '=', mqId)
      .where('resolution_ms', '=', TABLES[resolution].resolutionMs)
      .executeTakeFirst()
    return row === undefined ? undefined : { startMs: Number(row.chunk_start_ms), data: row.data }
  }

  async saveFinished(resolution: TrafficResolution, mqId: string, { startMs, data }: TrafficChunk): Promise<void> {
    await this.#db
      .insertInto(TABLES[resolution].table)
      .values({ mq_id: mqId, chunk_start_ms: startMs, data })
      .onConflict((conflict) => conflict.columns(['chunk_start_ms', 'mq_id']).doUpdateSet({ data }))
      .execute()
  }

  async saveGrowing(resolution: TrafficResolution, mqId: string, { startMs, data }: TrafficChunk): Promise<void> {
    const row = { chunk_start_ms: startMs, data }
    await this.#db
      .insertInto('traffic_growing')
      .values({ mq_id: mqId, resolution_ms: TABLES[resolution].resolutionMs, ...row })
      .onConflict((conflict) => conflict.columns(['mq_id', 'resolution_ms']).doUpdateSet(row))
      .execute()
  }

  async remove(resolution: TrafficResolution, untilMs: number): Promise<void> {
    await this.#db.deleteFrom(TABLES[resolution].table).where('chunk_start_ms', '<=', untilMs).execute()
    await this.#db
      .deleteFrom('traffic_growing')
      .where('resolution_ms', '=', TABLES[resolution].resolutionMs)
      .where('chunk_start_ms', '<=', untilMs)
      .execute()
  }
}
