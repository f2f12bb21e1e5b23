/**
 * Histograms of one window that merge: HDR with 2 significant digits, in the form telemetry carries.
 *
 * H1. What lies outside the range is counted at its edge, never lost.
 */
import { build, encodeIntoCompressedBase64 } from 'hdr-histogram-js'

/** Longer than any latency worth telling apart: one hour. */
const HIGHEST_US = 3_600_000_000

/** Whole numbers, from 1 up to a bound. */
export class CountHistogram {
  readonly #highest: number
  readonly #histogram

  constructor(highest: number) {
    this.#highest = highest
    this.#histogram = build({
      bitBucketSize: 32,
      lowestDiscernibleValue: 1,
      highestTrackableValue: highest,
      numberOfSignificantValueDigits: 2,
      autoResize: false,
      useWebAssembly: false,
    })
  }

  record(value: number, count = 1): void {
    const within = Math.min(this.#highest - 1, Math.max(1, Math.round(value)))
    if (count === 1) this.#histogram.recordValue(within)
    else this.#histogram.recordValueWithCount(within, count)
  }

  /** The window's histogram in transport form; the next window starts empty. */
  takeEncoded(): string {
    const encoded = encodeIntoCompressedBase64(this.#histogram)
    this.#histogram.reset()
    return encoded
  }
}

/** Latencies, kept in microseconds. */
export class LatencyHistogram {
  readonly #histogram = new CountHistogram(HIGHEST_US)

  record(latencyMs: number, count = 1): void {
    this.#histogram.record(latencyMs * 1_000, count)
  }

  takeEncoded(): string {
    return this.#histogram.takeEncoded()
  }
}
