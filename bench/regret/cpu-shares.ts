/**
 * CPU of one process that many configurations used at the same time: the broker, or the reader of all topics.
 *
 * U1. What a wave used is measured; what its items get of it adds up to that.
 * U2. Shares follow a cost for each kind of work an item was (requests, records, bytes), found by least squares over all waves of
 *     the sweep: never by the constants of the model that is judged.
 */

import { leastSquares } from '../../packages/control-plane/src/twin/least-squares.ts'

/** Amounts of each kind of work, always in the same order. */
export type Work = readonly number[]

export interface Wave {
  /** Without what the process uses when nobody wants anything of it. */
  readonly cpuUs: number
  readonly items: readonly Work[]
}

/** Cost of each kind of work, none of them negative. */
export function workCosts(waves: readonly Wave[], kinds: number): number[] {
  const sum = (items: readonly Work[], kind: number): number => items.reduce((total, item) => total + item[kind]!, 0)
  const all = Array.from({ length: kinds }, (_, kind) => kind)
  return leastSquares(
    waves.map(({ cpuUs, items }) => ({ x: all.map((kind) => sum(items, kind)), y: cpuUs })),
    kinds,
  )
}

/** What a sending process used, and for what. */
export interface SenderWork {
  /** Without what the replay itself costs. */
  readonly cpuUs: number
  /** As the producer measured it. */
  readonly compressUs: number
  readonly records: number
  readonly requests: number
}

/** From so much CPU on, one process's own figure is better than the average of others. */
const PLENTY_US = 500_000

/**
 * U3. A process that did little in its window is measured badly: what compilers and collectors happen to do there outweighs the work. Such
 *     figures are replaced by the cost of a record and of a request over all sending processes of the workload, and the compression
 *     that was measured.
 */
export function senderCpuUs(all: readonly SenderWork[]): number[] {
  const rows = all.map(({ cpuUs, compressUs, records, requests }) => ({
    x: [records, requests],
    y: Math.max(0, cpuUs - compressUs),
  }))
  const [perRecord, perRequest] = leastSquares(rows, 2) as [number, number]
  return all.map(({ cpuUs, compressUs, records, requests }) =>
    cpuUs >= PLENTY_US ? cpuUs : compressUs + records * perRecord + requests * perRequest,
  )
}

/** What each item of the wave used (U1). */
export function cpuShares(wave: Wave, costs: readonly number[]): number[] {
  const modelled = wave.items.map((item) => item.reduce((sum, amount, n) => sum + amount * costs[n]!, 0))
  const total = modelled.reduce((sum, value) => sum + value, 0)
  return modelled.map((value) => (total === 0 ? wave.cpuUs / wave.items.length : (value / total) * wave.cpuUs))
}
