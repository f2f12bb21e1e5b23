/**
 * The history of costs: what every hour of every cluster cost, by who caused it.
 *
 * G1. An hour that is over is never written again: it keeps the prices, the owners and the bill it was computed with.
 * G2. Another price book, or another version of it, begins a row of its own, also within an hour.
 * G3. Hours are kept for HOURS_KEPT_MS, then folded into days, lines and prices unchanged; days for DAYS_KEPT_MS.
 */
import type { Deps } from '@mq/kafka'
import { Mutex } from '../mutex.ts'
import type { Store } from '../store/store.ts'
import { type CostHour, DAY_MS, HOUR_MS, startOf } from './cost-hour.ts'
import { merged, type RecordedInterval } from './interval.ts'

export const HOURS_KEPT_MS = 3 * DAY_MS
export const DAYS_KEPT_MS = 400 * DAY_MS

export class CostHistory {
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

  static async load(store: Store, deps: Deps): Promise<CostHistory> {
    const history = new CostHistory(store, deps)
    const hourMs = startOf(deps.clock.nowMs(), HOUR_MS)
    for (const hour of await store.read.costHistory.between(hourMs - 1, hourMs + 1)) {
      if (hour.resolutionMs === HOUR_MS) history.#open.set(keyOf(hour), hour)
    }
    return history
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
    const hours = await this.#store.read.costHistory.between(fromMs - DAY_MS, toMs)
    return hours.filter(({ startMs, resolutionMs }) => startMs + resolutionMs > fromMs)
  }

  /** Since when there are records: the first look of all, or the oldest one that is still kept. */
  async sinceMs(): Promise<number | null> {
    const { costHistory, settings } = this.#store.read
    const oldestMs = await costHistory.oldestMs()
    return oldestMs === null ? null : Math.max(oldestMs, Number((await settings.get('costs_since_ms')) ?? 0))
  }

  /** G3 */
  async fold(): Promise<void> {
    await this.#writes.run(async () => {
      const nowMs = this.#deps.clock.nowMs()
      this.#foldedAtMs = nowMs
      const beforeMs = startOf(nowMs - HOURS_KEPT_MS, DAY_MS)
      const old = await this.#store.read.costHistory.before(HOUR_MS, beforeMs)
      const days = [...Map.groupBy(old, (hour) => keyOf({ ...hour, startMs: startOf(hour.startMs, DAY_MS) })).values()]
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
          await tx.costHistory.add(day)
        }
        await tx.costHistory.remove(beforeMs, HOUR_MS)
        await tx.costHistory.remove(nowMs - DAYS_KEPT_MS)
      })
    })
  }

  async #save(hour: CostHour, fromMs: number): Promise<void> {
    await this.#store.write('keeping costs', async (tx) => {
      await tx.costHistory.save(hour)
      await tx.settings.setFirst('costs_since_ms', String(fromMs))
    })
  }
}

function keyOf(hour: Pick<CostHour, 'cluster' | 'startMs' | 'priceBook' | 'priceVersion'>): string {
  return JSON.stringify([hour.cluster, hour.startMs, hour.priceBook, hour.priceVersion])
}
