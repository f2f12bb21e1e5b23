/**
 * Latencies of one window as a mergeable histogram in microseconds, 2 significant digits.
 */
import { build, encodeIntoCompressedBase64 } from 'hdr-histogram-js'

/** Longer than any latency worth telling apart: one hour. */
const HIGHEST_US = 3_600_000_000

export class LatencyHistogram {
  readonly #histogram = build({
    bitBucketSize: 32,
    lowestDiscernibleValue: 1,
    highestTrackableValue: HIGHEST_US,
    numberOfSignificantValueDigits: 2,
    autoResize: false,
    useWebAssembly: false,
  })

  record(latencyMs: number, count = 1): void {
    const latencyUs = Math.min(HIGHEST_US - 1, Math.max(1, Math.round(latencyMs * 1_000)))
    if (count === 1) this.#histogram.recordValue(latencyUs)
    else this.#histogram.recordValueWithCount(latencyUs, count)
  }

  /** The window's histogram in transport form; the next window starts empty. */
  takeEncoded(): string {
    const encoded = encodeIntoCompressedBase64(this.#histogram)
    this.#histogram.reset()
    return encoded
  }
}
