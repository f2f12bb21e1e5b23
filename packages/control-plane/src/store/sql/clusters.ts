/** Clusters as rows of a SQL database. What is read is checked: a row that does not fit is an error, never a guess. */
import { ClusterAddress, ClusterEconomics, ClusterSite } from '@mq/contract'
import type { Kysely } from 'kysely'
import { type ClusterRecord, UNKNOWN_SITE } from '../../registry/records.ts'
import type { ClusterRepository } from '../ports/clusters.ts'
import type { Changed } from './changed.ts'
import type { Tables } from './tables.ts'

export class SqlClusters implements ClusterRepository {
  readonly #db: Kysely<Tables>
  readonly #changed: Changed

  constructor(db: Kysely<Tables>, changed: Changed) {
    this.#db = db
    this.#changed = changed
  }

  async all(): Promise<ClusterRecord[]> {
    const rows = await this.#db.selectFrom('clusters').selectAll().execute()
    return rows.map((row) => ({
      address: ClusterAddress.parse(JSON.parse(row.address)),
      kafkaId: row.kafka_id,
      economics: row.economics === null ? null : ClusterEconomics.parse(JSON.parse(row.economics)),
      site: row.site === null ? UNKNOWN_SITE : ClusterSite.parse(JSON.parse(row.site)),
      createdAtMs: Number(row.created_at_ms),
      updatedAtMs: Number(row.updated_at_ms),
    }))
  }

  async save(record: ClusterRecord): Promise<void> {
    const row = {
      address: JSON.stringify(record.address),
      kafka_id: record.kafkaId,
      economics: record.economics === null ? null : JSON.stringify(record.economics),
      site: JSON.stringify(record.site),
      created_at_ms: record.createdAtMs,
      updated_at_ms: record.updatedAtMs,
    }
    await this.#db
      .insertInto('clusters')
      .values({ name: record.address.name, ...row })
      .onConflict((conflict) => conflict.column('name').doUpdateSet(row))
      .execute()
    this.#changed({ of: 'cluster', name: record.address.name, record })
  }

  async remove(name: string): Promise<void> {
    await this.#db.deleteFrom('clusters').where('name', '=', name).execute()
    this.#changed({ of: 'cluster', name, record: null })
  }
}
