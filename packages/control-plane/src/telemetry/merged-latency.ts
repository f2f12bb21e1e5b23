/**
 * The percentile of many windows together: latencies merge, percentiles do not.
 */
import { Sketch } from './sketch.ts'

/** Latencies of the windows that were read last, the oldest first: a check every few seconds reads the same hundreds again. */
const decodedLately = new Map<object, Sketch>()
const MOST_DECODED = 8_192

export function mergedP99Ms<W extends object>(windows: readonly W[], latencyOf: (window: W) => Sketch): number | null {
  const merged = new Sketch()
  for (const window of windows) merged.merge(decoded(window, latencyOf))
  return merged.quantileMs(0.99)
}

function decoded<W extends object>(window: W, latencyOf: (window: W) => Sketch): Sketch {
  const known = decodedLately.get(window)
  if (known !== undefined) return known
  const sketch = latencyOf(window)
  decodedLately.set(window, sketch)
  if (decodedLately.size > MOST_DECODED) decodedLately.delete(decodedLately.keys().next().value!)
  return sketch
}
