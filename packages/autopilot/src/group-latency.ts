/**
 * End-to-end p99 of groups, and which of them is farthest over what it may take. Pure.
 */
import { AS_SLOW } from './verdict.ts'

export interface GroupP99 {
  readonly group: string
  readonly p99Ms: number
}

/** What records of a group may take from send to handler. */
export type EndToEndLimit = (group: string) => number

export interface ComparedP99 {
  readonly p99Ms: number | null
  readonly limitMs: number
  /** Of what it is compared with; null when there is nothing. */
  readonly restP99Ms: number | null
}

/**
 * The group that is farthest over its limit, or nearest to it; what its rest takes, too, it may take.
 * @param usual of each group, where that is known: of its rest, or of the time before
 */
export function worstGroupOf(
  changed: readonly GroupP99[],
  usual: (group: string) => number | null,
  limitOf: EndToEndLimit,
): ComparedP99 {
  const over = (one: ComparedP99): number => one.p99Ms! / Math.max(1, one.limitMs, (one.restP99Ms ?? 0) * AS_SLOW)
  const [worst] = changed
    .map(({ group, p99Ms }): ComparedP99 => ({ p99Ms, limitMs: limitOf(group), restP99Ms: usual(group) }))
    .sort((a, b) => over(b) - over(a))
  return worst ?? { p99Ms: null, limitMs: limitOf(''), restP99Ms: null }
}

export function slowestOf(groups: readonly GroupP99[]): number | null {
  return groups.length === 0 ? null : Math.max(...groups.map(({ p99Ms }) => p99Ms))
}
