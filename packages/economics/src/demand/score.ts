/**
 * How good a forecast was, once the truth is known.
 *
 * S1. The pinball loss of a quantile q charges q for each unit that demand was above it and 1 - q for each unit below: its mean is smallest
 *     for the true quantile (Koenker and Bassett, 1978).
 * S2. Steps whose truth is not known (NaN) are left out.
 */

export interface Quantiles {
  readonly q50: Float64Array
  readonly q90: Float64Array
  readonly q99: Float64Array
}

export interface Score {
  readonly steps: number
  /** Mean over steps and the three quantiles. */
  readonly pinballLoss: number
  /** Shares of the steps whose demand stayed at or below the quantile. */
  readonly coverageQ90: number
  readonly coverageQ99: number
}

/** @returns undefined when no step of the truth is known */
export function scoreOf({ q50, q90, q99 }: Quantiles, truth: Float64Array): Score | undefined {
  let steps = 0
  let loss = 0
  let below90 = 0
  let below99 = 0
  for (let at = 0; at < truth.length; at++) {
    const value = truth[at]!
    if (Number.isNaN(value)) continue
    steps++
    loss += pinball(value, q50[at]!, 0.5) + pinball(value, q90[at]!, 0.9) + pinball(value, q99[at]!, 0.99)
    if (value <= q90[at]!) below90++
    if (value <= q99[at]!) below99++
  }
  if (steps === 0) return undefined
  return { steps, pinballLoss: loss / (3 * steps), coverageQ90: below90 / steps, coverageQ99: below99 / steps }
}

function pinball(value: number, forecast: number, q: number): number {
  return value >= forecast ? q * (value - forecast) : (1 - q) * (forecast - value)
}
