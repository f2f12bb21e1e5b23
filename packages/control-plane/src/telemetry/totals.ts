/**
 * Counts of what clients reported since this process began, for metrics: they only rise.
 *
 * O1. Memory is bounded: mQ IDs are those that are known, groups at most MAX_TOTALS altogether; more are not counted.
 */
import type { ConsumerTelemetry, ProducerTelemetry } from '@mq/contract'

const MAX_TOTALS = 20_000

export interface SentTotals {
  readonly mqId: string
  records: number
  errors: number
}

export interface HandledTotals {
  readonly mqId: string
  readonly group: string
  records: number
}

export class Totals {
  readonly #sent = new Map<string, SentTotals>()
  readonly #handled = new Map<string, HandledTotals>()

  sent({ mqId, records, errors }: ProducerTelemetry): void {
    let totals = this.#sent.get(mqId)
    if (totals === undefined) {
      totals = { mqId, records: 0, errors: 0 }
      this.#sent.set(mqId, totals)
    }
    totals.records += records
    totals.errors += errors
  }

  handled({ mqId, group, records }: ConsumerTelemetry): void {
    const key = `${group}@${mqId}`
    let totals = this.#handled.get(key)
    if (totals === undefined) {
      if (this.#handled.size >= MAX_TOTALS) return
      totals = { mqId, group, records: 0 }
      this.#handled.set(key, totals)
    }
    totals.records += records
  }

  allSent(): SentTotals[] {
    return [...this.#sent.values()]
  }

  allHandled(): HandledTotals[] {
    return [...this.#handled.values()]
  }

  forget(isKnown: (mqId: string) => boolean): void {
    for (const mqId of this.#sent.keys()) if (!isKnown(mqId)) this.#sent.delete(mqId)
    for (const [key, { mqId }] of this.#handled) if (!isKnown(mqId)) this.#handled.delete(key)
  }
}
