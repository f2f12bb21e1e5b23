/**
 * Tells that a cluster slows this client down for a quota: once for a cluster and direction, not with every answer.
 *
 * Q1. It is said when a second of slowing down has come together, and again at most every 5 minutes while it goes on; a pause
 *     of a few milliseconds now and then is no line in the log.
 */
import type { Clock } from '@mq/kafka'
import type { Logger } from '../base/logger.ts'

const WORTH_SAYING_MS = 1_000
const AGAIN_MS = 300_000

export type Direction = 'reads' | 'writes'

interface Slowed {
  throttledMs: number
  saidMs: number
}

export class QuotaNotice {
  readonly #clock: Clock
  readonly #logger: Logger
  readonly #slowed = new Map<string, Slowed>()

  constructor(clock: Clock, logger: Logger) {
    this.#clock = clock
    this.#logger = logger
  }

  throttled(cluster: string, direction: Direction, throttleMs: number): void {
    const key = `${direction} ${cluster}`
    const slowed = this.#slowed.get(key) ?? { throttledMs: 0, saidMs: Number.NEGATIVE_INFINITY }
    this.#slowed.set(key, slowed)
    slowed.throttledMs += throttleMs
    const nowMs = this.#clock.monotonicMs()
    if (slowed.throttledMs < WORTH_SAYING_MS || nowMs - slowed.saidMs < AGAIN_MS) return
    const isAgain = slowed.saidMs !== Number.NEGATIVE_INFINITY
    const message = isAgain
      ? `Cluster ${cluster} throttled ${direction} of this client for ${Math.round(slowed.throttledMs)} ms since it was last said: quota`
      : `Cluster ${cluster} throttles ${direction} of this client for ${Math.round(throttleMs)} ms: quota`
    this.#logger.warn(message, { code: 'MQ_KAFKA_THROTTLED', cluster, direction, throttledMs: slowed.throttledMs })
    slowed.throttledMs = 0
    slowed.saidMs = nowMs
  }
}
