/**
 * Costs that are never negative, from sums: the least squares of y = x1 c1 + x2 c2 + ...
 *
 * Q1. Rows are weighted by 1 / y, so that a large measurement does not drown a small one; rows without an amount are left out.
 */
export interface Row {
  readonly x: readonly number[]
  readonly y: number
}

const MOST_ROUNDS = 2_000
const SETTLED = 1e-9

/** By coordinate descent, which meets the bound at zero without further ado. */
export function leastSquares(rows: readonly Row[], kinds: number): number[] {
  const weighted = rows
    .filter(({ y }) => y > 0)
    .map(({ x, y }) => ({ x: x.map((value) => value / Math.sqrt(y)), y: Math.sqrt(y) }))
  const costs = Array.from({ length: kinds }, () => 0)
  for (let round = 0; round < MOST_ROUNDS; round++) {
    let moved = 0
    for (let n = 0; n < kinds; n++) {
      let above = 0
      let below = 0
      for (const { x, y } of weighted) {
        const rest = y - x.reduce((sum, value, k) => sum + (k === n ? 0 : value * costs[k]!), 0)
        above += x[n]! * rest
        below += x[n]! * x[n]!
      }
      const next = below === 0 ? 0 : Math.max(0, above / below)
      moved = Math.max(moved, Math.abs(next - costs[n]!) / Math.max(next, 1e-12))
      costs[n] = next
    }
    if (moved < SETTLED) break
  }
  return costs
}
