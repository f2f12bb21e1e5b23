/** How far a group is behind, in words and as a line of bars: the same in `describe` and in `groups`. */
import type { GroupLag } from '@mq/contract'
import { formatAge } from './units.ts'

export function lagTimeText({ lagMs, lagAtLeastMs }: Pick<GroupLag, 'lagMs' | 'lagAtLeastMs'>): string {
  if (lagMs !== null) return lagMs === 0 ? '0' : formatAge(lagMs)
  return lagAtLeastMs === null ? 'unknown' : `>= ${formatAge(lagAtLeastMs)}`
}

const BARS = '▁▂▃▄▅▆▇█'

/** At most 20 bars, each the most of its minutes; a gap where nothing was known. */
export function sparkline(values: readonly (number | null)[]): string {
  const step = Math.ceil(values.length / 20)
  const bars: (number | null)[] = []
  for (let start = 0; start < values.length; start += step) {
    const known = values.slice(start, start + step).filter((value) => value !== null)
    bars.push(known.length === 0 ? null : Math.max(...known))
  }
  const most = Math.max(1, ...bars.map((bar) => bar ?? 0))
  return bars.map((bar) => (bar === null ? ' ' : BARS[Math.ceil((bar / most) * (BARS.length - 1))])).join('')
}
