/**
 * Constants of the models that were measured on clusters, kept in the store.
 *
 * B1. Of each cluster the last KEPT calibrations count, each constant by its median: one bad measurement moves nothing.
 * B2. A cluster that was never measured has none, and the defaults stand.
 */
import { calibrated, DEFAULT_CONSTANTS, type ModelConstants } from '@mq/economics'
import type { Deps } from '@mq/kafka'
import type { Store } from '../store/store.ts'
import type { Calibration } from './calibrate.ts'
import { median } from './quantile.ts'

const KEPT = 5

export class Calibrations {
  readonly #store: Store
  readonly #deps: Deps
  readonly #byCluster = new Map<string, readonly Calibration[]>()

  private constructor(store: Store, deps: Deps) {
    this.#store = store
    this.#deps = deps
  }

  static async load(store: Store, deps: Deps): Promise<Calibrations> {
    const calibrations = new Calibrations(store, deps)
    for (const row of await store.db.selectFrom('calibrations').selectAll().execute()) {
      calibrations.#byCluster.set(row.cluster, JSON.parse(row.data) as Calibration[])
    }
    return calibrations
  }

  /** Undefined for a cluster that was never measured (B2). */
  constants(cluster: string): ModelConstants | undefined {
    const all = this.#byCluster.get(cluster)
    return all === undefined ? undefined : calibrated(DEFAULT_CONSTANTS, merged(all))
  }

  async add(cluster: string, calibration: Calibration): Promise<void> {
    if (Object.keys(calibration).length === 0) return
    const all = [...(this.#byCluster.get(cluster) ?? []), calibration].slice(-KEPT)
    const row = { data: JSON.stringify(all), updated_at_ms: this.#deps.clock.nowMs() }
    await this.#store.write('a calibration', async (tx) => {
      await tx
        .insertInto('calibrations')
        .values({ cluster, ...row })
        .onConflict((conflict) => conflict.column('cluster').doUpdateSet(row))
        .execute()
    })
    this.#byCluster.set(cluster, all)
  }
}

/** B1. What is no number (how broker CPU is counted) is that of the latest. */
export function merged(all: readonly Calibration[]): Calibration {
  const names = new Set(all.flatMap((one) => Object.keys(one))) as Set<keyof Calibration>
  return Object.fromEntries(
    [...names].map((name) => {
      const values = all.flatMap((one) => one[name] ?? [])
      const numbers = values.filter((value) => typeof value === 'number')
      return [name, numbers.length === values.length ? median(numbers) : values.at(-1)]
    }),
  ) as Calibration
}
