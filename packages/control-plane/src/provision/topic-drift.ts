/**
 * In what a topic differs from what mQ made: somebody else changed it. Pure.
 *
 * F1. Everything that mQ set is compared with what is there: whether the topic exists, its id, its partitions, its copies, its settings.
 *     What a cluster does not tell (no topic ids, a setting it does not know) is no difference.
 * F2. An alarm is what can lose records, lose copies of them or mix their order. Everything else is said only.
 */
import type { Difference } from '@mq/contract'

export interface ExpectedTopic {
  readonly topic: string
  /** Null where the cluster told none when the topic was made. */
  readonly topicId: string | null
  readonly partitions: number
  /** Copies of each record. */
  readonly replication: number
  readonly settings: Readonly<Record<string, string>>
}

export interface FoundTopic {
  readonly topicId: string | null
  readonly partitions: number
  /** Copies of the partition that has fewest. */
  readonly replication: number
  /** In force, by Kafka's names; null when they could not be asked for. */
  readonly settings: ReadonlyMap<string, string | null> | null
}

export const NO_TOPIC_ID = '00000000-0000-0000-0000-000000000000'

/** @param found undefined when there is no such topic */
export function differences(expected: ExpectedTopic, found: FoundTopic | undefined): Difference[] {
  const { topic } = expected
  if (found === undefined) {
    return [
      {
        kind: 'topic-missing',
        setting: null,
        expected: topic,
        found: 'no such topic',
        alarm: true,
        what: `topic ${topic} does not exist any more: somebody deleted it`,
      },
    ]
  }
  const all: Difference[] = []
  if (isOther(expected.topicId, found.topicId)) {
    all.push({
      kind: 'topic-recreated',
      setting: null,
      expected: expected.topicId ?? '',
      found: found.topicId ?? '',
      alarm: true,
      what: `topic ${topic} was deleted and created anew: what it held before is gone`,
    })
  }
  if (found.partitions !== expected.partitions) {
    const isMore = found.partitions > expected.partitions
    all.push({
      kind: isMore ? 'partitions-added' : 'partitions-missing',
      setting: null,
      expected: String(expected.partitions),
      found: String(found.partitions),
      alarm: true,
      what: isMore
        ? `topic ${topic} has ${found.partitions} partitions and mQ made ${expected.partitions}: groups read the added ones, mQ writes to none of them, and keys of other producers are not in order across them`
        : `topic ${topic} has ${found.partitions} partitions and mQ made ${expected.partitions}`,
    })
  }
  if (found.replication !== expected.replication) {
    const isMore = found.replication > expected.replication
    all.push({
      kind: isMore ? 'copies-added' : 'copies-missing',
      setting: null,
      expected: String(expected.replication),
      found: String(found.replication),
      alarm: !isMore,
      what: isMore
        ? `topic ${topic} has ${found.replication} copies of each record and mQ made ${expected.replication}`
        : `a partition of topic ${topic} has ${found.replication === 1 ? '1 copy' : `${found.replication} copies`} and mQ made ${expected.replication}: that weakens what the intent asks for`,
    })
  }
  for (const [setting, value] of Object.entries(expected.settings)) {
    const is = found.settings?.get(setting)
    if (is === undefined || is === null || is === value) continue
    const alarm = weakens(setting, value, is)
    all.push({
      kind: 'setting',
      setting,
      expected: value,
      found: is,
      alarm,
      what: `${setting} of topic ${topic} is ${is}, and mQ set ${value}${alarm ? ': that weakens what the intent asks for' : ''}`,
    })
  }
  return all
}

/** F1 */
export function isOther(expected: string | null, found: string | null): boolean {
  if (expected === null || found === null) return false
  return expected !== found && expected !== NO_TOPIC_ID && found !== NO_TOPIC_ID
}

/** F2 */
function weakens(setting: string, expected: string, found: string): boolean {
  switch (setting) {
    case 'unclean.leader.election.enable':
      return found === 'true'
    case 'cleanup.policy':
      return true
    case 'min.insync.replicas':
    case 'max.message.bytes':
      return Number(found) < Number(expected)
    case 'retention.ms':
    case 'retention.bytes':
    case 'delete.retention.ms':
      return bound(found) < bound(expected)
    default:
      return false
  }
}

/** Below 0 is no limit. */
function bound(text: string): number {
  const value = Number(text)
  return value < 0 ? Number.POSITIVE_INFINITY : value
}
