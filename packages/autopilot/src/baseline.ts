/**
 * The time before a change, as it is kept with its decision. Pure.
 *
 * B1. What stands for all instances is taken evenly: as many windows as a test needs, whatever their number.
 * B2. Those on trial, and every group, are judged by a past of their own: of each so many windows are kept besides, and the newest always.
 */
import { MAX_BASELINE, MAX_PAST } from './decision-record.ts'
import { byInstance, type Sample, thinned, whoOf } from './samples.ts'
import type { Windows } from './windows.ts'

const OF_NAMED = { least: 3, most: 12, together: 160 } as const
const OF_GROUP = { least: 3, most: 6, together: 80 } as const

export interface Kept {
  readonly baseline: Sample[]
  readonly past: Sample[]
}

/** @param instances those that will be on trial; none where it is made for all at once */
export function kept(windows: Windows, instances: readonly string[]): Kept {
  const named = new Set(instances)
  const baseline = [...thinned(windows.samples, MAX_BASELINE)]
  const known = new Set(baseline.map(keyOf))
  const theirs = [...byInstance(windows.where((one) => named.has(one.instance)).samples).values()]
  const groups = windows.groups.map(
    (group) => windows.where((one) => one.group === group && !named.has(one.instance)).samples,
  )
  const more = [...some(theirs, OF_NAMED), ...some(groups, OF_GROUP)].filter((one) => !known.has(keyOf(one)))
  return { baseline, past: [...thinned(more, MAX_PAST)] }
}

function some(
  parts: readonly (readonly Sample[])[],
  { least, most, together }: { readonly least: number; readonly most: number; readonly together: number },
): Sample[] {
  const each = Math.min(most, Math.max(least, Math.floor(together / Math.max(1, parts.length))))
  return parts.flatMap((samples) => [...thinned(samples.toReversed(), each)])
}

const keyOf = (one: Sample): string => `${whoOf(one)} ${one.atMs} ${one.activeMs} ${one.records}`
