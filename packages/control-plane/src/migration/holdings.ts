/**
 * Which mQ IDs have sends that wait, from both sides: what clients told, and what migrations know.
 */
import type { TelemetryReport } from '@mq/contract'
import type { Deps } from '@mq/kafka'
import { type HeldReport, HeldReports } from '../telemetry/held-reports.ts'
import { type Holding, holdingOf, holdingText, holdingWith, WORTH_TELLING_MS } from './holding.ts'
import type { Migrations } from './migrations.ts'

export interface HoldingsOptions {
  readonly migrations: Pick<Migrations, 'active'>
  readonly deps: Deps
}

export interface HeldId {
  readonly id: string
  readonly seconds: number
  readonly told: HeldReport | null
}

export class Holdings {
  readonly #options: HoldingsOptions
  readonly #book: HeldReports

  constructor(options: HoldingsOptions) {
    this.#options = options
    this.#book = new HeldReports(options.deps)
  }

  get nowMs(): number {
    return this.#options.deps.clock.nowMs()
  }

  /** A report of a client. */
  take(report: TelemetryReport): void {
    this.#book.take(report)
  }

  /** For people; nothing of the moment that every migration takes. */
  warnings(id: string): string[] {
    const { nowMs } = this
    const holding = this.#of(id)
    if (holding === undefined || nowMs - holding.sinceMs < WORTH_TELLING_MS) return []
    return [`'${id}': ${holdingText(holding, nowMs)}`]
  }

  /** For metrics. */
  all(): HeldId[] {
    const { migrations } = this.#options
    const ids = new Set([...this.#book.ids(), ...migrations.active().map(({ mqId }) => mqId)])
    return [...ids].flatMap((id) => {
      const holding = this.#of(id)
      if (holding === undefined) return []
      return [{ id, seconds: Math.max(0, this.nowMs - holding.sinceMs) / 1_000, told: holding.facts.told }]
    })
  }

  #of(id: string): Holding | undefined {
    const { migrations } = this.#options
    const known = migrations.active().flatMap((record) => (record.mqId === id ? (holdingOf(record) ?? []) : []))[0]
    return holdingWith(known, this.#book.of(id))
  }
}
