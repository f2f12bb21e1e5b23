/**
 * What taking a difference over, or putting it back, means, and why it cannot be where it cannot. Pure.
 *
 * A1. Accepting changes what is wanted (intent, copies, topic id) to what is there. It is refused where the intent could then not
 *     hold: fewer acknowledged copies, another clean-up, records that go before their time, keys that go elsewhere.
 * A2. Repairing sets the topic back to what is wanted. It is refused where Kafka cannot do it; what does it instead is named.
 * A3. A topic that somebody created anew is not mQ's until it is accepted: nothing of it is changed before.
 */
import {
  BATCH_OVERHEAD_BYTES,
  type Difference,
  type DriftStep,
  differenceName,
  formatDurationMs,
  type Intent,
  MIN_RETENTION_MS,
} from '@mq/contract'
import { requiredCopies } from '../provision/requirements.ts'
import type { ActiveId } from '../registry/records.ts'

/** What is to be changed in the record of the mQ ID. */
export interface Acceptance {
  readonly retention?: Intent['retention']
  readonly replication?: number
  readonly minInsyncReplicas?: number
  readonly maxMessageBytes?: number
  /** The topic that has the name now is the one of the epoch. */
  readonly isTopicId?: true
}

export type Acceptable = DriftStep & { readonly change: Acceptance }

export function accept(record: ActiveId, difference: Difference): Acceptable {
  const { spec, id } = record
  const { found } = difference
  const count = Number(found)
  switch (difference.kind) {
    case 'setting':
      return acceptSetting(record, difference)
    case 'topic-missing':
      return no(difference, `without a topic nothing can be sent; mq drift repair ${id} makes it again, empty`)
    case 'topic-recreated':
      return yes(difference, 'the topic that has the name now counts as the one of the mQ ID', { isTopicId: true })
    case 'partitions-added':
      return no(
        difference,
        `keys would go to other partitions than their older records; mq migrate ${id} --partitions ${found} takes the count over and keeps their order`,
      )
    case 'partitions-missing':
      return no(
        difference,
        'mQ sends to partitions that are not there; Kafka never takes one away, so this is another topic',
      )
    case 'copies-added':
      return yes(difference, `${plural(count, 'copy', 'copies')} of each record are wanted from now on`, {
        replication: count,
      })
    case 'copies-missing': {
      const required = requiredCopies(spec.intent)
      if (count < required) return no(difference, `the intent asks for ${required} copies at least`)
      if (count < spec.minInsyncReplicas) {
        return no(difference, `sends wait for ${spec.minInsyncReplicas} copies, so none would be taken with ${count}`)
      }
      return yes(difference, `${plural(count, 'copy', 'copies')} of each record are enough from now on`, {
        replication: count,
      })
    }
  }
}

function acceptSetting({ spec, id }: ActiveId, difference: Difference): Acceptable {
  const { setting, found, expected } = difference
  const { intent } = spec
  switch (setting) {
    case 'retention.ms':
      return acceptRetention(id, intent, difference)
    case 'max.message.bytes': {
      const needed = Math.max(intent.maxMessageBytes, spec.producer.batchBytes) + BATCH_OVERHEAD_BYTES
      if (Number(found) < needed) {
        return no(
          difference,
          `the intent allows messages of ${intent.maxMessageBytes} bytes, which needs ${needed}; ask for a smaller maxMessageBytes first`,
        )
      }
      return yes(difference, `the topic takes batches of ${found} bytes from now on`, {
        maxMessageBytes: Number(found),
      })
    }
    case 'min.insync.replicas': {
      const count = Number(found)
      if (count < Number(expected)) {
        return no(difference, 'an acknowledged record would stand on fewer disks than the intent stands for')
      }
      if (count > spec.replication)
        return no(difference, `there are ${spec.replication} copies, so no send would succeed`)
      const waits = count === spec.replication ? '; sends wait while one of its brokers is away' : ''
      return yes(difference, `a record is acknowledged when ${count} brokers have it${waits}`, {
        minInsyncReplicas: count,
      })
    }
    case 'unclean.leader.election.enable':
      return no(difference, 'a broker that lacks acknowledged records may become leader, and they are lost')
    case 'cleanup.policy':
      return no(difference, 'records would go by another rule than the retention of the intent')
    case 'retention.bytes':
      return no(difference, 'records would go before the time that the intent says; an intent keeps by time')
    case 'compression.type':
      return no(difference, 'brokers would compress every batch anew, in another codec than mQ measures and chooses')
    case 'message.timestamp.type':
      return no(difference, 'records would lose the time that the application gave them')
    default:
      return no(difference, 'mQ derives it from the retention of the intent, which has no other value for it')
  }
}

function acceptRetention(id: string, intent: Intent, difference: Difference): Acceptable {
  if (intent.retention.policy === 'latest-per-key') {
    return no(difference, 'the intent keeps the latest record of every key, whatever its age')
  }
  const ms = Number(difference.found)
  if (ms >= 0 && ms < MIN_RETENTION_MS) {
    return no(difference, `an intent keeps records for ${formatDurationMs(MIN_RETENTION_MS)} at least`)
  }
  const retention: Intent['retention'] = ms < 0 ? { policy: 'forever' } : { policy: 'time', durationMs: ms }
  const text = retentionText(retention)
  const isShorter = boundOf(retention) < boundOf(intent.retention)
  return {
    ...yes(
      difference,
      `the intent of ${id} becomes retention: ${text} (was ${retentionText(intent.retention)})${isShorter ? ', and older records are deleted' : ''}; an mq.yaml that says otherwise changes it back with the next mq apply`,
      { retention },
    ),
    deletes: isShorter,
  }
}

/** @param isOther whether the topic is not the one that mQ made (A3) */
export function repair({ id }: ActiveId, difference: Difference, isOther: boolean): DriftStep {
  const { kind, setting, expected, found } = difference
  if (isOther && kind !== 'topic-recreated') {
    return no(difference, `the topic is not the one that mQ made; mq drift accept ${id} --kind topic-recreated first`)
  }
  switch (kind) {
    case 'topic-missing':
      return yes(difference, 'the topic is made again as it was set up; what it held is lost')
    case 'topic-recreated':
      return no(
        difference,
        `what the old topic held is lost, and Kafka cannot bring it back; mq drift accept ${id} --kind topic-recreated takes the new topic over`,
      )
    case 'partitions-added':
      return no(
        difference,
        `Kafka cannot take partitions away; mq migrate ${id} --partitions ${expected} moves it to a new topic, with every key in order`,
      )
    case 'partitions-missing':
      return no(difference, 'Kafka never takes partitions away, so this is another topic')
    case 'copies-added':
    case 'copies-missing':
      return no(
        difference,
        `mQ does not place copies on brokers; reassign them with Kafka's own tools, or mq migrate ${id} --replication ${expected} to a new topic`,
      )
    case 'setting': {
      const isDeleting = setting === 'retention.ms' && bound(expected) < bound(found)
      const deletes = isDeleting ? '; records older than that are deleted' : ''
      return { ...yes(difference, `${setting} becomes ${expected} again${deletes}`), deletes: isDeleting }
    }
  }
}

/** The differences that are meant: all, or those that are named. @returns names that nothing is known by */
export function selected(
  differences: readonly Difference[],
  only: readonly string[] | undefined,
): { readonly chosen: readonly Difference[]; readonly unknown: readonly string[] } {
  if (only === undefined) return { chosen: differences, unknown: [] }
  const names = new Set(differences.map(differenceName))
  const isMeant = (one: Difference): boolean => only.includes(differenceName(one)) || only.includes(one.kind)
  const kinds = new Set<string>(differences.map(({ kind }) => kind))
  return {
    chosen: differences.filter(isMeant),
    unknown: only.filter((name) => !names.has(name) && !kinds.has(name)),
  }
}

function yes(difference: Difference, effect: string, change: Acceptance = {}): Acceptable {
  return { difference, possible: true, effect, deletes: false, change }
}

function no(difference: Difference, why: string): Acceptable {
  return { difference, possible: false, effect: why, deletes: false, change: {} }
}

function retentionText(retention: Intent['retention']): string {
  return retention.policy === 'time' ? formatDurationMs(retention.durationMs) : retention.policy
}

const boundOf = (retention: Intent['retention']): number =>
  retention.policy === 'time' ? retention.durationMs : Number.POSITIVE_INFINITY
const bound = (text: string): number => (Number(text) < 0 ? Number.POSITIVE_INFINITY : Number(text))
const plural = (count: number, one: string, more: string): string => `${count} ${count === 1 ? one : more}`
