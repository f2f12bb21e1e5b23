/** How figures are written in texts. Pure. */

/** Two digits, and never as a power of ten: `0.12 %`, `5.0 %`, `76 %`, `100 %`. */
export function percent(share: number): string {
  const amount = share * 100
  const size = Math.abs(amount)
  return `${size >= 9.95 ? amount.toFixed(0) : size >= 0.01 ? amount.toPrecision(2) : amount.toFixed(1)} %`
}

export const seconds = (durationMs: number): string => `${Math.round(durationMs / 1_000)} s`
