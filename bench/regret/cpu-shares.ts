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

/** What each item of the wave used (U1). */
export function cpuShares(wave: Wave, costs: readonly number[]): number[] {
  const modelled = wave.items.map((item) => item.reduce((sum, amount, n) => sum + amount * costs[n]!, 0))
  const total = modelled.reduce((sum, value) => sum + value, 0)
  return modelled.map((value) => (total === 0 ? wave.cpuUs / wave.items.length : (value / total) * wave.cpuUs))
}
