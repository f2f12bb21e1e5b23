/**
 * The clocks of others, as far as this process knows them: those of the clusters it sends to, and that of the control plane.
 *
 * O1. A wrong clock of this process is said once for each cluster, and again only when it is wrong by something else.
 */
import { type Ahead, aheadOf, BrokerClock } from '@mq/kafka'
import type { Logger } from '../base/logger.ts'

/** Wrong by the same as before. */
const SAME_MS = 60_000

export class Clocks {
  readonly reference = new BrokerClock()
  readonly #logger: Logger
  readonly #brokers = new Map<string, BrokerClock>()
  readonly #said = new Map<string, number>()

  constructor(logger: Logger) {
    this.#logger = logger
  }

  of(cluster: string): { readonly brokers: BrokerClock; readonly reference: BrokerClock } {
    const known = this.#brokers.get(cluster)
    if (known !== undefined) return { brokers: known, reference: this.reference }
    const brokers = new BrokerClock()
    this.#brokers.set(cluster, brokers)
    return { brokers, reference: this.reference }
  }

  /** O1 */
  isWrong(cluster: string, { ms, boundMs }: Ahead): void {
    const said = this.#said.get(cluster)
    if (said !== undefined && Math.abs(ms - said) < SAME_MS) return
    this.#said.set(cluster, ms)
    this.#logger.warn(
      `The clock of this host is ${aheadOf(ms)} that of cluster ${cluster}, which refuses its times: messages without a time of their own carry that of the brokers, and none is lost`,
      { code: 'MQ_CLOCK_WRONG', cluster, clockAheadMs: Math.round(ms), boundMs: Math.ceil(boundMs) },
    )
  }
}
