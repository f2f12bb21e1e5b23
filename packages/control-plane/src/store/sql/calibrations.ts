/** Measured constants as rows of a SQL database. */
import type { Kysely } from 'kysely'
import type { Calibration } from '../../twin/calibrate.ts'
import type { CalibrationRepository, KeptCalibration } from '../ports/calibrations.ts'
import type { Changed } from './changed.ts'
import type { Tables } from './tables.ts'

export class SqlCalibrations implements CalibrationRepository {
  readonly #db: Kysely<Tables>
  readonly #changed: Changed

  constructor(db: Kysely<Tables>, changed: Changed) {
    this.#db = db
    this.#changed = changed
  }

  async all(): Promise<ReadonlyMap<string, readonly KeptCalibration[]>> {
    const rows = await this.#db.selectFrom('calibrations').selectAll().execute()
    return new Map(
      rows.map(({ cluster, data, updated_at_ms }) => {
        // Before moments were kept there were the constants alone.
        const kept = (JSON.parse(data) as (KeptCalibration | Calibration)[]).map((one) =>
          'constants' in one ? one : { atMs: Number(updated_at_ms), constants: one },
        )
        return [cluster, kept]
      }),
    )
  }

  async save(cluster: string, kept: readonly KeptCalibration[], atMs: number): Promise<void> {
    const row = { data: JSON.stringify(kept), updated_at_ms: atMs }
    await this.#db
      .insertInto('calibrations')
      .values({ cluster, ...row })
      .onConflict((conflict) => conflict.column('cluster').doUpdateSet(row))
      .execute()
    this.#changed({ of: 'calibration', cluster, kept })
  }
}
