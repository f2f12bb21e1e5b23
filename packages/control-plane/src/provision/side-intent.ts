/**
 * What an mQ ID of mQ's own asks for, and what becomes of it (side-queues.ts, SQ1, SQ2). Pure.
 */
import {
  BATCH_OVERHEAD_BYTES,
  DEAD_LETTER_HEADER_BYTES,
  DEAD_LETTER_RETENTION_MS,
  Intent,
  MAX_MESSAGE_BYTES,
  type SideOf,
} from '@mq/contract'
import type { IdSpec } from '../registry/records.ts'

const SIZE_LIMIT = 'max.message.bytes'

/** The same requirements as those of the mQ ID they belong to, with room for the largest message that may stand in it (SQ1). */
export function sideIntent({ intent, topicConfigs }: Pick<IdSpec, 'intent' | 'topicConfigs'>): Intent {
  const { durability, retention, movable, priority } = intent
  const { minCopies, minZones, regions, clusterLabels, owner } = intent
  // Its topic never takes less than before: messages from before a smaller limit may fail, too.
  const taken = Number(topicConfigs[SIZE_LIMIT] ?? 0) - BATCH_OVERHEAD_BYTES
  const maxMessageBytes = Math.max(intent.maxMessageBytes, Math.min(taken, MAX_MESSAGE_BYTES))
  const kept =
    retention.policy === 'time'
      ? { policy: 'time' as const, durationMs: Math.max(retention.durationMs, DEAD_LETTER_RETENTION_MS) }
      : { policy: 'forever' as const }
  return Intent.parse({
    format: 'bytes',
    durability,
    retention: kept,
    movable,
    priority,
    maxMessageBytes,
    ...(minCopies === undefined ? {} : { minCopies }),
    ...(minZones === undefined ? {} : { minZones }),
    ...(regions === undefined ? {} : { regions }),
    ...(clusterLabels === undefined ? {} : { clusterLabels }),
    ...(owner === undefined ? {} : { owner }),
  })
}

/** The rules of any mQ ID, with one partition (SQ2) and room for what mQ writes beside a message. */
export function asSide(spec: IdSpec, side: SideOf): { spec: IdSpec; partitions: number } {
  const limit = Number(spec.topicConfigs[SIZE_LIMIT])
  const topicConfigs = Number.isFinite(limit)
    ? { ...spec.topicConfigs, [SIZE_LIMIT]: String(limit + DEAD_LETTER_HEADER_BYTES) }
    : spec.topicConfigs
  const choices = spec.choices.map((choice) =>
    choice.setting === 'partitions'
      ? { setting: 'partitions', value: '1', reason: `${nameOf(side)}: little goes through them` }
      : choice,
  )
  return { spec: { ...spec, topicConfigs, choices, side }, partitions: 1 }
}

function nameOf({ mqId, group, role }: SideOf): string {
  return role === 'dead-letters'
    ? `dead letters of group ${group} of ${mqId}`
    : `the way back to group ${group} of ${mqId}`
}
