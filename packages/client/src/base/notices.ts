/**
 * Says that something goes on, and not with every time that it happens.
 *
 * N1. Each kind is due at once, and then every 30 seconds while it comes back.
 */
import type { Clock } from '@mq/kafka'

const AGAIN_MS = 30_000

export class Notices {
  readonly #clock: Clock
  readonly #saidMs = new Map<string, number>()

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** Whether to say it now. @param kind of a handful: each is remembered */
  isDue(kind: string): boolean {
    const nowMs = this.#clock.monotonicMs()
    if (nowMs - (this.#saidMs.get(kind) ?? Number.NEGATIVE_INFINITY) < AGAIN_MS) return false
    this.#saidMs.set(kind, nowMs)
    return true
  }
}
