/**
 * What telemetry says of consumers: how far behind they are, and how long records take to reach them.
 */
import type { GroupP99 } from '@mq/autopilot'
import type { TrafficProfile } from '../telemetry/profile.ts'
import type { ChangeContext } from './change-context.ts'

export function lagOf(profile: TrafficProfile | null): number | null {
  const lags = profile?.groups.flatMap(({ lagRecords }) => (lagRecords === null ? [] : [lagRecords])) ?? []
  return lags.length === 0 ? null : lags.reduce((sum, lag) => sum + lag, 0)
}

export function endToEndP99Of(profile: TrafficProfile | null): number | null {
  const all = profile?.groups.flatMap(({ endToEnd }) => endToEnd.quantileMs(0.99) ?? []) ?? []
  return all.length === 0 ? null : Math.max(...all)
}

/** The same for each group. */
export function groupP99sOf(profile: TrafficProfile | null): GroupP99[] {
  return (profile?.groups ?? []).flatMap(({ group, endToEnd }) => {
    const p99Ms = endToEnd.quantileMs(0.99)
    return p99Ms === null ? [] : [{ group, p99Ms }]
  })
}

/** End to end over the last minute, of each group: what a change for all may have done to readers. */
export function readersP99sOf({ traffic }: Pick<ChangeContext, 'traffic'>, mqId: string): GroupP99[] {
  return [...(traffic.lastMinute(mqId)?.slice.groups ?? [])].flatMap(([group, { endToEnd }]) => {
    const p99Ms = endToEnd.quantileMs(0.99)
    return p99Ms === null ? [] : [{ group, p99Ms }]
  })
}
