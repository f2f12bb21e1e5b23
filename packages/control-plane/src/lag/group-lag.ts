/**
 * The lag of one group on one mQ ID, from what the brokers said: pure.
 *
 * L1. A position is what the group committed; in an epoch after one that it has a place in, the start of the log: that is where
 *     it will begin. Otherwise it is not known, and neither is the lag, unless the log is empty.
 * L2. Records that retention removed are not behind: they are lost, and counted apart.
 * L3. A sum over partitions is known only when each of them is.
 */
import type { PartitionLag } from '@mq/contract'
import type { EpochRecord } from '../registry/records.ts'
import type { LogEnds } from './log-ends.ts'
import type { GroupPositions, LogRange } from './positions.ts'

export interface EpochSight {
  readonly epoch: EpochRecord
  /** Null while its cluster cannot be asked. */
  readonly log: ReadonlyMap<number, LogRange> | null
  readonly group: GroupPositions | undefined
  readonly ends: LogEnds | undefined
}

export interface LagSum {
  readonly members: number | null
  readonly lagRecords: number | null
  readonly lagMs: number | null
  readonly lagAtLeastMs: number | null
  readonly lostRecords: number
  readonly partitions: PartitionLag[]
}

export function lagOf(all: readonly EpochSight[], nowMs: number): LagSum {
  const hasPlaceIn = ({ group, epoch }: EpochSight): boolean => (group?.committed.get(epoch.topic)?.size ?? 0) > 0
  const sights = all.slice(Math.max(0, all.findIndex(hasPlaceIn)))
  const partitions: PartitionLag[] = []
  let lostRecords = 0
  let atLeastMs = 0
  let hasPlace = false
  for (const { epoch, log, group, ends } of sights) {
    const committed = group?.committed.get(epoch.topic)
    for (let partition = 0; partition < epoch.partitions; partition++) {
      const range = log?.get(partition)
      const end = sealedEnd(epoch, partition) ?? range?.end ?? null
      const position = committed?.get(partition) ?? (log !== null && hasPlace ? (range?.start ?? null) : null)
      const one = { epoch: epoch.epoch, partition, position: textOf(position), end: textOf(end) }
      if (end === null || range === undefined || (position === null && range.start < end) || (position ?? 0) > end) {
        partitions.push({ ...one, lagRecords: null, lagMs: null })
        continue
      }
      const from = Math.max(position ?? end, range.start)
      lostRecords += position === null ? 0 : Math.max(0, Math.min(range.start, end) - position)
      const lagRecords = Math.max(0, end - from)
      const arrival = lagRecords === 0 ? undefined : ends?.arrival(partition, from)
      if (arrival?.beforeMs !== undefined) atLeastMs = Math.max(atLeastMs, nowMs - arrival.beforeMs)
      if (arrival?.atMs !== undefined) atLeastMs = Math.max(atLeastMs, nowMs - arrival.atMs)
      const lagMs = lagRecords === 0 ? 0 : arrival?.atMs === undefined ? null : Math.max(0, nowMs - arrival.atMs)
      partitions.push({ ...one, lagRecords, lagMs: lagMs === null ? null : Math.round(lagMs) })
    }
    hasPlace ||= committed !== undefined && committed.size > 0
  }
  const lags = partitions.map(({ lagRecords }) => lagRecords)
  const times = partitions.map(({ lagMs }) => lagMs)
  const members = all.flatMap(({ group }) => (group === undefined ? [] : [group.members]))
  return {
    // A group of one name is another group on each cluster; its members are the same clients.
    members: members.includes(null) ? null : Math.max(0, ...members.map((count) => count ?? 0)),
    lagRecords: lags.includes(null) ? null : lags.reduce((sum: number, lag) => sum + (lag ?? 0), 0),
    lagMs: times.includes(null) ? null : Math.max(0, ...times.map((time) => time ?? 0)),
    lagAtLeastMs: times.includes(null) && atLeastMs > 0 ? Math.round(atLeastMs) : null,
    lostRecords,
    partitions,
  }
}

function sealedEnd(epoch: EpochRecord, partition: number): number | null {
  const end = epoch.state === 'sealed' ? epoch.endOffsets?.[partition] : undefined
  return end === undefined ? null : Number(end)
}

function textOf(offset: number | null): string | null {
  return offset === null ? null : String(offset)
}
