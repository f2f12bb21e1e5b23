/**
 * When batches of each epoch came to one group member: from that, the gap a reader saw between two epochs.
 *
 * A1. A gap is told once for each epoch, and only by a member that was reading the epoch before when it heard of its end:
 *     where nothing was sent, the time between two batches says nothing about a migration.
 */
import type { Binding } from '@mq/contract'
import type { Clock } from '@mq/kafka'

/** A batch of the old epoch this recently makes a reader one that was reading. */
const READING_MS = 5_000

export interface EpochGap {
  readonly fromEpoch: number
  readonly toEpoch: number
  readonly gapMs: number
}

interface Arrived {
  lastMs: number
  /** When it was heard that the epoch ends. */
  endsMs: number | undefined
}

export class Arrivals {
  readonly #clock: Clock
  readonly #onGap: (gap: EpochGap) => void
  readonly #epochs = new Map<number, Arrived>()

  constructor(clock: Clock, onGap: (gap: EpochGap) => void) {
    this.#clock = clock
    this.#onGap = onGap
  }

  /** Hears which epochs end, and forgets those that are gone. */
  apply({ epochs }: Binding): void {
    const nowMs = this.#clock.monotonicMs()
    for (const [number, arrived] of this.#epochs) {
      const epoch = epochs.find((one) => one.epoch === number)
      if (epoch === undefined) this.#epochs.delete(number)
      else if (epoch.state === 'open') arrived.endsMs = undefined
      else arrived.endsMs ??= nowMs
    }
  }

  arrived(epoch: number): void {
    const nowMs = this.#clock.monotonicMs()
    const known = this.#epochs.get(epoch)
    if (known !== undefined) {
      known.lastMs = nowMs
      return
    }
    this.#epochs.set(epoch, { lastMs: nowMs, endsMs: undefined })
    const before = Math.max(...[...this.#epochs.keys()].filter((number) => number < epoch))
    const from = this.#epochs.get(before)
    if (from?.endsMs === undefined || from.lastMs < from.endsMs - READING_MS) return
    this.#onGap({ fromEpoch: before, toEpoch: epoch, gapMs: Math.max(0, nowMs - from.lastMs) })
  }
}
