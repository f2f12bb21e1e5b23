/**
 * The producing half of every configuration of a grid: what does not depend on prices is computed once for a workload.
 *
 * W1. A row is exactly what `producing` says for its settings; only the batches that gather by linger are shared between codecs.
 * W2. What a row breaks by itself (memory, CPU, a partition that cannot carry its share, room for the largest message) is said here.
 */
import type { FittedCurve } from './codec-curve.ts'
import type { Configuration } from './configuration.ts'
import type { CodecChoice, Grid } from './grid.ts'
import type { ModelConstants } from './model-constants.ts'
import type { Constraint } from './optimum.ts'
import { atPeak, closeBatches, curveOf, openBatches, type Produced } from './prediction.ts'
import type { Workload } from './workload.ts'

export interface Row {
  readonly codec: CodecChoice
  readonly curve: FittedCurve
  readonly lingerMs: number
  readonly batchBytes: number
  readonly usual: Produced
  /** The same as `usual` when no peak is expected. */
  readonly peak: Produced
  readonly refusal: Constraint | null
}

export interface ProducerLimits {
  /** Memory that batches of this mQ ID may take in one producer, bytes. */
  readonly memoryBytes: number
  /** Share of one core that sending it may take in one producer. */
  readonly cpuShare: number
  readonly maxMessageBytes: number
}

export function curvesOf(workload: Workload, grid: Grid): readonly FittedCurve[] {
  return grid.codecs.map((codec) => curveOf(workload, codec))
}

export function rowsOf(
  workload: Workload,
  partitions: number,
  constants: ModelConstants,
  grid: Grid,
  curves: readonly FittedCurve[],
  limits: ProducerLimits,
): Row[] {
  const busy = workload.peakMultiple === 1 ? null : atPeak(workload)
  const rows: Row[] = []
  for (const lingerMs of grid.lingerMs) {
    for (const batchBytes of grid.batchBytes) {
      const settings: Pick<Configuration, 'partitions' | 'lingerMs' | 'batchBytes'> = {
        partitions,
        lingerMs,
        batchBytes,
      }
      const open = openBatches(workload, settings, constants)
      const openAtPeak = busy === null ? null : openBatches(busy, settings, constants)
      for (let at = 0; at < curves.length; at++) {
        const curve = curves[at]!
        const usual = closeBatches(open, workload, constants, curve)
        const peak = busy === null || openAtPeak === null ? usual : closeBatches(openAtPeak, busy, constants, curve)
        const refusal = refusalOf(workload, batchBytes, usual, peak, limits)
        rows.push({ codec: grid.codecs[at]!, curve, lingerMs, batchBytes, usual, peak, refusal })
      }
    }
  }
  return rows
}

/** W2 */
export function refusalOf(
  workload: Workload,
  batchBytes: number,
  usual: Produced,
  peak: Produced,
  limits: ProducerLimits,
): Constraint | null {
  if (batchBytes > limits.maxMessageBytes && batchBytes > 16_384) return 'message-size'
  if (peak.saturated || usual.saturated) return 'partition-rate'
  if (peak.bufferBytes > limits.memoryBytes) return 'producer-memory'
  const cores = (workload.recordsPerSecond * workload.peakMultiple * peak.cpuUsPerRecord) / workload.producers / 1e6
  return cores > limits.cpuShare ? 'producer-cpu' : null
}
