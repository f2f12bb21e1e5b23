/**
 * The one inbox of what client processes report.
 *
 * I1. Every subscriber gets every report, in the order in which they subscribed, one after the other.
 * I2. A subscriber that fails keeps no other from its report; whoever sent it is told of the first failure once all had it.
 */
import type { TelemetryReport } from '@mq/contract'

export type TakeReport = (report: TelemetryReport) => void | Promise<void>

export class ClientReports {
  readonly #subscribers: TakeReport[] = []

  subscribe(...subscribers: readonly TakeReport[]): void {
    this.#subscribers.push(...subscribers)
  }

  async accept(report: TelemetryReport): Promise<void> {
    const failures: unknown[] = []
    for (const take of this.#subscribers) {
      try {
        await take(report)
      } catch (error) {
        failures.push(error)
      }
    }
    if (failures.length > 0) throw failures[0]
  }
}
