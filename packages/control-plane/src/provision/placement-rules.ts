/**
 * The rules that turn an intent and a cluster into a topic. Pure; every setting comes with its reason.
 *
 * G1. The topic of epoch N of mQ ID X is named `X.eN`: readable, different for any two (mQ ID, epoch), and never given
 *     out twice, as epoch numbers are not.
 * G2. An acknowledged record is on `min.insync.replicas` disks. No rule lowers that for convenience; where the cluster
 *     has too few brokers, the record says so as a warning.
 * G3. The partition count of an epoch never changes: adding partitions in place would send a key elsewhere while its
 *     older records are still unread.
 */
import { BATCH_OVERHEAD_BYTES, type Choice, formatDurationMs, type Intent, type ProducerSettings } from '@mq/contract'
import { type ClusterTraits, requiredCopies, requiredCopiesOf } from './requirements.ts'
import { TIME_LIMIT_PROMISE, timeLimitConfigs } from './time-limit.ts'

export const MAX_REPLICATION = 3
export const MIN_PARTITIONS = 4
export const MAX_PARTITIONS = 256
/** What one partition is asked to carry: about a tenth of what one was measured to take. */
export const PARTITION_MESSAGES_PER_SECOND = 25_000
export const PARTITION_BYTES_PER_SECOND = 10 * 1_024 * 1_024
const DEFAULT_MESSAGE_BYTES = 1_000
const HOUR_MS = 3_600_000
const DAY_MS = 24 * HOUR_MS

export interface ClusterFacts extends ClusterTraits {
  readonly brokers: number
  /** Brokers that it has when none is down, where more are known than answer. */
  readonly wholeBrokers?: number
  /** mQ IDs that already live there. */
  readonly mqIds: number
}

export interface Placement {
  readonly partitions: number
  readonly replication: number
  readonly minInsyncReplicas: number
  readonly topicConfigs: Readonly<Record<string, string>>
  readonly choices: readonly Choice[]
  readonly warnings: readonly string[]
}

/** What an epoch already has and a change of the intent cannot alter (G3). */
export interface Standing {
  readonly partitions: number
  readonly replication: number
  readonly minInsyncReplicas: number
  /** The size limit the topic has now: it is never lowered, as records of that size may be under way. */
  readonly maxMessageBytes: number
}

/** The topic of an epoch (G1). */
export function topicName(mqId: string, epoch: number): string {
  return `${mqId}.e${epoch}`
}

/** Kafka names its metrics with '_' for '.', and refuses two topics that differ in nothing else. */
export function sameInMetrics(a: string, b: string): boolean {
  return a !== b && a.replaceAll('.', '_') === b.replaceAll('.', '_')
}

/**
 * The cluster for a new mQ ID: most brokers, then fewest mQ IDs, then by name.
 * @param clusters those that meet its intent
 * @param inReach how many answer, whether or not they meet it
 */
export function chooseCluster<C extends Pick<ClusterFacts, 'name' | 'brokers' | 'mqIds'>>(
  clusters: readonly C[],
  inReach = clusters.length,
): { cluster: C; choice: Choice } | undefined {
  const [cluster] = clusters.toSorted(
    (a, b) => b.brokers - a.brokers || a.mqIds - b.mqIds || (a.name < b.name ? -1 : a.name > b.name ? 1 : 0),
  )
  if (cluster === undefined) return undefined
  const reason =
    clusters.length === 1
      ? inReach === 1
        ? 'the only cluster that can be reached'
        : `the only one of ${inReach} clusters in reach that has what is asked for`
      : `of ${clusters.length} clusters in reach${inReach > clusters.length ? ' that have what is asked for' : ''} it has the most brokers (${cluster.brokers}), then the fewest mQ IDs (${cluster.mqIds})`
  return { cluster, choice: { setting: 'cluster', value: cluster.name, reason } }
}

/** Partitions the expected load asks for, with the reason. */
export function wantedPartitions(intent: Intent, brokers: number): { partitions: number; reason: string } {
  const floor = powerOfTwo(Math.max(MIN_PARTITIONS, brokers))
  const usual = intent.expectedMessagesPerSecond
  const floorReason =
    brokers > MIN_PARTITIONS
      ? `every one of the ${brokers} brokers carries some, rounded up to a power of two`
      : `${MIN_PARTITIONS} processes of one consumer group can share the work`
  if (usual === undefined) {
    return { partitions: floor, reason: `no rate is given, so the smallest count is taken: ${floorReason}` }
  }
  const peak = Math.max(1, ...intent.peaks.map((one) => one.multiple))
  const messages = usual * peak
  const bytes = messages * (intent.expectedMessageBytes ?? DEFAULT_MESSAGE_BYTES)
  const need = Math.max(
    1,
    Math.ceil(messages / PARTITION_MESSAGES_PER_SECOND),
    Math.ceil(bytes / PARTITION_BYTES_PER_SECOND),
  )
  const load = `${format(messages)} messages/s${peak > 1 ? ` at the expected peak (${peak} times the usual)` : ''}, ${(bytes / 1_048_576).toFixed(1)} MiB/s`
  if (need <= floor) return { partitions: floor, reason: `${load} fit; ${floorReason}` }
  const partitions = Math.min(powerOfTwo(need), MAX_PARTITIONS)
  return {
    partitions,
    reason:
      `${load}: ${need} partitions of at most ${format(PARTITION_MESSAGES_PER_SECOND)} messages/s and 10 MiB/s, ` +
      (need > MAX_PARTITIONS
        ? `held at the limit of ${MAX_PARTITIONS}`
        : 'rounded up to a power of two, which a later migration can halve or double'),
  }
}

/** Copies that a new topic gets on a cluster of so many brokers. */
export function copiesOn(intent: Intent, brokers: number): number {
  return Math.min(Math.max(MAX_REPLICATION, requiredCopies(intent)), brokers)
}

/** Which part of the intent asks for the most copies. */
function copiesAsked(intent: Intent): string {
  const { askedBy } = requiredCopiesOf(intent)
  return `${askedBy}: ${intent[askedBy]}`
}

/** The topic of an epoch: a new one, or what a changed intent makes of the `standing` one. */
export function place(
  intent: Intent,
  producer: ProducerSettings,
  cluster: Pick<ClusterFacts, 'name' | 'brokers'>,
  standing?: Standing,
): Placement {
  const choices: Choice[] = []
  const warnings: string[] = []
  const wanted = wantedPartitions(intent, cluster.brokers)
  const partitions = standing?.partitions ?? wanted.partitions
  if (standing !== undefined && wanted.partitions > partitions) {
    warnings.push(
      `the expected load asks for ${wanted.partitions} partitions and the mQ ID has ${partitions}: a new count needs a migration to a new epoch`,
    )
  }
  choices.push({
    setting: 'partitions',
    value: String(partitions),
    reason:
      standing !== undefined && wanted.partitions !== partitions
        ? `kept from the epoch as it was opened: a changed count would take keys elsewhere (today's rules say ${wanted.partitions})`
        : wanted.reason,
  })

  const required = requiredCopies(intent)
  const replication = standing?.replication ?? copiesOn(intent, cluster.brokers)
  const minInsyncReplicas = standing?.minInsyncReplicas ?? Math.min(2, replication)
  choices.push({
    setting: 'replication',
    value: String(replication),
    reason:
      replication > MAX_REPLICATION
        ? `${copiesAsked(intent)} is asked for`
        : replication === MAX_REPLICATION
          ? 'three copies survive the loss of any two disks after a quiet moment, and of one broker at any moment'
          : `cluster '${cluster.name}' had ${replication} broker${replication === 1 ? '' : 's'} when the topic was made`,
  })
  choices.push({
    setting: 'minInsyncReplicas',
    value: String(minInsyncReplicas),
    reason:
      minInsyncReplicas === 1
        ? 'there is one copy only'
        : 'a record is acknowledged when two brokers have it, so the loss of one loses nothing acknowledged',
  })
  if (replication < required) {
    warnings.push(
      `${copiesAsked(intent)} asks for ${required} copies and there ${replication === 1 ? 'is 1' : `are ${replication}`}: more copies need a migration`,
    )
  }
  if (replication === 1) warnings.push('one broker: a record is lost if its disk is')
  if (replication === 2)
    warnings.push('two brokers: sends wait while one of them is away; a third broker would end that')
  if (standing !== undefined && replication < Math.min(MAX_REPLICATION, cluster.brokers)) {
    warnings.push(
      `cluster '${cluster.name}' now has ${cluster.brokers} brokers and the mQ ID keeps ${replication} cop${replication === 1 ? 'y' : 'ies'}: more copies need a migration to a new epoch`,
    )
  }

  const kept = retentionConfigs(intent)
  choices.push({ setting: 'retention', value: kept.value, reason: kept.reason })
  const largest = Math.max(intent.maxMessageBytes, producer.batchBytes) + BATCH_OVERHEAD_BYTES
  const maxMessageBytes = Math.max(largest, standing?.maxMessageBytes ?? 0)
  choices.push({
    setting: 'topic max.message.bytes',
    value: String(maxMessageBytes),
    reason:
      maxMessageBytes > largest
        ? 'kept from before: records up to that size may still be under way'
        : `the larger of one message of ${intent.maxMessageBytes} bytes and one batch of ${producer.batchBytes}, and 128 KiB for headers and framing`,
  })
  choices.push({
    setting: 'topic compression.type',
    value: 'producer',
    reason: 'the broker keeps batches as they were compressed, and spends no CPU on them',
  })
  choices.push({
    setting: 'topic message.timestamp.type',
    value: 'CreateTime',
    reason:
      'records keep the time the application gave them, so end-to-end latency and reading from a time mean what they say; Kafka 3.6 and newer refuses one that is over an hour ahead',
  })
  return {
    partitions,
    replication,
    minInsyncReplicas,
    topicConfigs: {
      ...kept.configs,
      'min.insync.replicas': String(minInsyncReplicas),
      'max.message.bytes': String(maxMessageBytes),
      'compression.type': 'producer',
      'message.timestamp.type': 'CreateTime',
      'unclean.leader.election.enable': 'false',
    },
    choices,
    warnings,
  }
}

function retentionConfigs(intent: Intent): { value: string; reason: string; configs: Record<string, string> } {
  const { retention } = intent
  switch (retention.policy) {
    case 'time': {
      const { durationMs } = retention
      const segmentMs = Math.min(7 * DAY_MS, Math.max(10 * 60_000, Math.floor(durationMs / 4)))
      return {
        value: formatDurationMs(durationMs),
        reason: `asked for; a segment file is closed after ${formatDurationMs(segmentMs)}, so records go at most a quarter later. ${TIME_LIMIT_PROMISE}`,
        configs: {
          'cleanup.policy': 'delete',
          'retention.ms': String(durationMs),
          'retention.bytes': '-1',
          'segment.ms': String(segmentMs),
          ...timeLimitConfigs(durationMs),
        },
      }
    }
    case 'forever':
      return {
        value: 'forever',
        reason: 'asked for; nothing is removed by age or size, so the disks must grow with it',
        configs: {
          'cleanup.policy': 'delete',
          'retention.ms': '-1',
          'retention.bytes': '-1',
          'segment.ms': String(7 * DAY_MS),
          ...timeLimitConfigs(null),
        },
      }
    case 'latest-per-key':
      return {
        value: 'latest-per-key',
        reason:
          'asked for; the newest record of every key stays, older ones go after an hour at the earliest, and a deletion stays readable for 7 days',
        configs: {
          'cleanup.policy': 'compact',
          'retention.ms': '-1',
          'retention.bytes': '-1',
          'segment.ms': String(DAY_MS),
          'min.compaction.lag.ms': String(HOUR_MS),
          'delete.retention.ms': String(7 * DAY_MS),
          ...timeLimitConfigs(null),
        },
      }
  }
}

function powerOfTwo(atLeast: number): number {
  return 2 ** Math.ceil(Math.log2(atLeast))
}

function format(count: number): string {
  return Math.round(count).toLocaleString('en-US')
}
