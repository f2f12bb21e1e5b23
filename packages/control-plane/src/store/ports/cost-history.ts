/** What every hour, and later every day, of every cluster cost. */
import type { CostHour } from '../../cost/cost-hour.ts'

export interface CostHistoryReader {
  /** Hours and days that begin after `afterMs` and before `beforeMs`, oldest first. */
  between(afterMs: number, beforeMs: number): Promise<CostHour[]>
  /** Of that resolution, those that begin before. */
  before(resolutionMs: number, beforeMs: number): Promise<CostHour[]>
  /** When the oldest of all begins. */
  oldestMs(): Promise<number | null>
}

export interface CostHistoryRepository extends CostHistoryReader {
  /** One that is not there yet: a second of the same cluster, time and price is refused. */
  add(hour: CostHour): Promise<void>
  /** One row for each cluster, time and price: a second write replaces its amounts. */
  save(hour: CostHour): Promise<void>
  /** Of that resolution, or of all, those that begin before. */
  remove(beforeMs: number, resolutionMs?: number): Promise<void>
}
