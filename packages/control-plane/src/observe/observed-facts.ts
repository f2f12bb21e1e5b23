/**
 * Facts that follow from the answers of a survey: how many records offsets stand for, and where groups are.
 *
 * F1. Positions say how far a group is, never how far back it may go; what is gone already is told apart from what is left.
 */
import type { Surveyed, SurveyedGroup, TopicOffsets } from '@mq/kafka'
import type { ObservedBatches, ObservedGroup } from './observation.ts'

/** What part of the offsets are records: markers of transactions take an offset, too. */
export function recordShare(batches: ObservedBatches | null): number {
  return batches === null ? 1 : batches.records / (batches.records + batches.markers)
}

/** Records that a log holds: compaction leaves holes that only its size tells of. */
export function recordsIn(
  offsets: number | null,
  bytes: number | null,
  compacted: boolean,
  batches: ObservedBatches | null,
): number | null {
  if (offsets === null || offsets === 0) return offsets
  if (batches !== null && batches.offsets >= offsets) return batches.records
  if (!compacted) return Math.round(offsets * recordShare(batches))
  if (batches === null || bytes === null) return null
  const each = (batches.wireBytes + batches.markerBytes) / batches.records
  return Math.min(offsets, Math.round(bytes / each))
}

/** F1 */
export function groupFacts(
  groups: Surveyed<SurveyedGroup>,
  again: Surveyed<SurveyedGroup>,
  latest: Surveyed<TopicOffsets>,
  earliest: Surveyed<TopicOffsets>,
): ObservedGroup[] {
  return [...groups.found.values()].map(({ groupId, state, members, assignor, committed }) => ({
    group: groupId,
    state,
    members,
    assignor,
    topics: [...committed].flatMap(([topic, positions]) => {
      const ends = latest.found.get(topic)
      if (ends === undefined || positions.size === 0) return []
      const later = again.found.get(groupId)?.committed.get(topic)
      let lagRecords = 0
      let lostRecords = 0
      let moving = false
      for (const [partition, position] of positions) {
        const end = ends.get(partition)?.offset ?? position
        const start = earliest.found.get(topic)?.get(partition)?.offset ?? 0
        lagRecords += Math.max(0, end - Math.max(position, start))
        lostRecords += Math.max(0, start - position)
        moving ||= later !== undefined && later.get(partition) !== position
      }
      return [{ topic, lagRecords, lostRecords, moving }]
    }),
  }))
}
