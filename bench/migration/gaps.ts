/**
 * The longest silence of one process around each migration.
 *
 * S1. A silence is the time between two events of one name (acknowledgements of a producer, handled messages of a member).
 *     It belongs to every migration whose window it touches, with its whole length.
 * S2. The usual gap is the median of all silences of the name over the whole run. Events within ANSWER_US of each other came
 *     with one answer of a broker and are one.
 */
import { percentile } from '../statistics.ts'

/** From the request of a migration to some time after it opened. */
export interface Window {
  readonly fromUs: number
  readonly toUs: number
}

const ANSWER_US = 100
const KEPT_GAPS = 200_000

export class Silences {
  readonly #windows: readonly Window[]
  readonly #longestUs: Float64Array
  readonly #gaps: number[] = []
  #lastUs: number | undefined
  /** The first window that may still be touched. */
  #next = 0

  constructor(windows: readonly Window[]) {
    this.#windows = windows
    this.#longestUs = new Float64Array(windows.length)
  }

  /** In the order of time. */
  add(tUs: number): void {
    const lastUs = this.#lastUs
    this.#lastUs = tUs
    if (lastUs === undefined) return
    const gapUs = tUs - lastUs
    if (gapUs >= ANSWER_US && this.#gaps.length < KEPT_GAPS) this.#gaps.push(gapUs)
    while (this.#next < this.#windows.length && this.#windows[this.#next]!.toUs <= lastUs) this.#next++
    for (let at = this.#next; at < this.#windows.length && this.#windows[at]!.fromUs < tUs; at++) {
      if (gapUs > this.#longestUs[at]!) this.#longestUs[at] = gapUs
    }
  }

  get usualMs(): number {
    return this.#gaps.length === 0 ? 0 : percentile(Float64Array.from(this.#gaps).sort(), 50) / 1_000
  }

  /** By move. */
  longestMs(): number[] {
    return [...this.#longestUs].map((us) => us / 1_000)
  }
}

/** The longest time from the call of send to its acknowledgement around each migration, of one producer. */
export class SlowestSends {
  readonly #windows: readonly Window[]
  readonly #longestUs: Float64Array
  readonly #sentUs: number[] = []

  constructor(windows: readonly Window[]) {
    this.#windows = windows
    this.#longestUs = new Float64Array(windows.length)
  }

  sent(n: number, tUs: number): void {
    this.#sentUs[n] = tUs
  }

  acked(n: number, tUs: number): void {
    const sentUs = this.#sentUs[n]!
    for (let at = this.#windows.length - 1; at >= 0; at--) {
      const window = this.#windows[at]!
      if (window.toUs <= sentUs) return
      if (window.fromUs < tUs) this.#longestUs[at] = Math.max(this.#longestUs[at]!, tUs - sentUs)
    }
  }

  longestMs(): number[] {
    return [...this.#longestUs].map((us) => us / 1_000)
  }
}
