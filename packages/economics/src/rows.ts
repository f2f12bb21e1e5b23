/**
 * The producing half of every configuration of a grid: what does not depend on prices is computed once for a workload.
 *
 * W1. A row is exactly what `producing` says for its settings; only the batches that gather by linger are shared between codecs.
 * W2. What a row breaks by itself (memory, CPU, a partition that cannot carry its share, room for the largest message) is said here.
 */
import { closeBatch } from './batching.ts'
import type { FittedCurve } from './codec-curve.ts'
import type { CodecChoice, Grid } from './grid.ts'
import type { ModelConstants } from './model-constants.ts'
import type { Constraint } from './optimum.ts'
import { atPeak, curveOf } from './prediction.ts'
import { closeBatches, type OpenShare, openBatches, type Produced } from './producing.ts'
import type { Workload } from './workload.ts'

export interface Row {
  /** Its place in the table. */
  readonly at: number
  readonly codec: CodecChoice
  readonly curve: FittedCurve
  readonly lingerMs: number
  readonly batchBytes: number
  readonly usual: Produced
  /** The same as `usual` when no peak is expected. */
  readonly peak: Produced
  /** What records wait for each other at the peak if every batch leaves at once: no cluster can do better. */
  readonly leastWait: { readonly mean: number; readonly p99: number }
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

interface Gathered {
  readonly usual: readonly OpenShare[]
  readonly peak: readonly OpenShare[] | null
  readonly leastWait: Row['leastWait']
}

/** Rows by their place in the grid, computed when they are first asked for. */
export class RowTable {
  readonly #workload: Workload
  readonly #busy: Workload | null
  readonly #partitions: number
  readonly #constants: ModelConstants
  readonly #grid: Grid
  readonly #curves: readonly FittedCurve[]
  readonly #limits: ProducerLimits
  readonly #rows: (Row | undefined)[]
  readonly #open: (Gathered | undefined)[]

  constructor(
    workload: Workload,
    partitions: number,
    constants: ModelConstants,
    grid: Grid,
    curves: readonly FittedCurve[],
    limits: ProducerLimits,
  ) {
    this.#workload = workload
    this.#busy = workload.peakMultiple === 1 ? null : atPeak(workload)
    this.#partitions = partitions
    this.#constants = constants
    this.#grid = grid
    this.#curves = curves
    this.#limits = limits
    const gathered = grid.lingerMs.length * grid.batchBytes.length
    this.#open = new Array<undefined>(gathered).fill(undefined)
    this.#rows = new Array<undefined>(gathered * curves.length).fill(undefined)
  }

  get length(): number {
    return this.#rows.length
  }

  row(at: number): Row {
    const known = this.#rows[at]
    if (known !== undefined) return known
    const { length: codecs } = this.#curves
    const gathered = Math.floor(at / codecs)
    const { length: sizes } = this.#grid.batchBytes
    const lingerMs = this.#grid.lingerMs[Math.floor(gathered / sizes)]!
    const batchBytes = this.#grid.batchBytes[gathered % sizes]!
    const open = this.#openAt(gathered, lingerMs, batchBytes)
    const curve = this.#curves[at % codecs]!
    const usual = closeBatches(open.usual, this.#workload, this.#constants, curve)
    const peak =
      this.#busy === null || open.peak === null ? usual : closeBatches(open.peak, this.#busy, this.#constants, curve)
    const row = {
      at,
      codec: this.#grid.codecs[at % codecs]!,
      curve,
      lingerMs,
      batchBytes,
      usual,
      peak,
      leastWait: open.leastWait,
      refusal: refusalOf(this.#workload, batchBytes, usual, peak, this.#limits),
    }
    this.#rows[at] = row
    return row
  }

  #openAt(gathered: number, lingerMs: number, batchBytes: number): Gathered {
    let open = this.#open[gathered]
    if (open === undefined) {
      const settings = { partitions: this.#partitions, lingerMs, batchBytes }
      const usual = openBatches(this.#workload, settings, this.#constants)
      const peak = this.#busy === null ? null : openBatches(this.#busy, settings, this.#constants)
      let least = { mean: 0, p99: 0 }
      for (const { open: batch, share } of peak ?? usual) {
        const { waitMeanMs, waitP99Ms } = closeBatch(batch, 0)
        if (share >= 0.01 && waitP99Ms >= least.p99) least = { mean: waitMeanMs, p99: waitP99Ms }
      }
      open = { usual, peak, leastWait: least }
      this.#open[gathered] = open
    }
    return open
  }
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
