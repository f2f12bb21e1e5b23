/**
 * How long to wait before the next try.
 *
 * B1. The pause doubles per failure up to `maxMs`. Jitter keeps many clients from coming back at once.
 */

export interface BackoffLimits {
  readonly baseMs: number
  readonly maxMs: number
}

/**
 * What chance does to the exact pause: `slight` varies it by +-20 %, `half` takes between half and all of it (never at once),
 * `full` takes between nothing and all of it (the widest spread), `none` leaves it.
 */
export type Jitter = 'slight' | 'half' | 'full' | 'none'

export const DEFAULT_BACKOFF: BackoffLimits = { baseMs: 50, maxMs: 1_000 }

/** @param failures how many times in a row it failed; 0 means no pause */
export function backoffMs(
  failures: number,
  random: () => number,
  limits: BackoffLimits = DEFAULT_BACKOFF,
  jitter: Jitter = 'slight',
): number {
  if (failures <= 0) return 0
  const exactMs = Math.min(limits.maxMs, limits.baseMs * 2 ** Math.min(failures - 1, 30))
  switch (jitter) {
    case 'slight':
      return exactMs * (0.8 + 0.4 * random())
    case 'half':
      return exactMs * (0.5 + 0.5 * random())
    case 'full':
      return exactMs * random()
    case 'none':
      return exactMs
  }
}
