/**
 * The settings of a topic that cost money, from Kafka's names and texts.
 */
import type { ObservedTopicConfigs } from './observation.ts'

export const COSTLY_CONFIGS = [
  'cleanup.policy',
  'compression.type',
  'local.retention.ms',
  'message.timestamp.type',
  'min.insync.replicas',
  'remote.storage.enable',
  'retention.bytes',
  'retention.ms',
  'segment.bytes',
  'segment.ms',
] as const

const DAY_MS = 86_400_000
/** `local.retention.ms`: as `retention.ms`. */
const AS_RETENTION = -2

export function topicConfigsOf(texts: ReadonlyMap<string, string>): ObservedTopicConfigs {
  const number = (name: (typeof COSTLY_CONFIGS)[number], otherwise: number): number => {
    const value = Number(texts.get(name) ?? Number.NaN)
    return Number.isFinite(value) ? value : otherwise
  }
  const limit = (name: (typeof COSTLY_CONFIGS)[number], otherwise: number): number | null => {
    const value = number(name, otherwise)
    return value < 0 ? null : value
  }
  const policy = texts.get('cleanup.policy') ?? 'delete'
  const deletes = policy.includes('delete')
  const tiered = texts.get('remote.storage.enable') === 'true'
  const local = number('local.retention.ms', AS_RETENTION)
  const retentionMs = deletes ? limit('retention.ms', 7 * DAY_MS) : null
  return {
    retentionMs,
    retentionBytes: deletes ? limit('retention.bytes', -1) : null,
    segmentMs: number('segment.ms', 7 * DAY_MS),
    segmentBytes: number('segment.bytes', 1_024 ** 3),
    compacted: policy.includes('compact'),
    deletes,
    compression: texts.get('compression.type') ?? 'producer',
    minInsync: number('min.insync.replicas', 1),
    appendTime: texts.get('message.timestamp.type') === 'LogAppendTime',
    tiered,
    localRetentionMs: !tiered ? null : local === AS_RETENTION ? retentionMs : local < 0 ? null : local,
  }
}
