/**
 * Whether a topic as a whole is sealed, found out by somebody who did not ask for the seal.
 *
 * P1. Sealed is said only when every partition that the topic has was refused by its leader, and its end was told under the leader epoch
 *     of that refusal and is reached by the high watermark.
 * P2. The topic is the one that is meant, by Kafka's id, before and after; and it has as many partitions after as before.
 * P3. Nothing is changed. Whatever cannot be found out is `unknown` with its reason, never thrown.
 * P4. A topic whose size limit is known to be above that of a seal is not probed: brokers log every probe they refuse.
 */
import { MqError } from '@mq/contract'
import { topicIdOf } from '../group/commit-metadata.ts'
import type { Cluster } from '../net/cluster.ts'
import type { TopicMetadata } from '../net/metadata-cache.ts'
import { KafkaCode, toMqError } from '../protocol/kafka-errors.ts'
import { SEALED_TOPIC_BYTES } from '../records/batch-encoder.ts'
import { Admin } from './admin.ts'
import { TopicSeal } from './seal.ts'

const DEADLINE_MS = 5_000

export interface SealedPlace {
  readonly topic: string
  /** Kafka's id of the topic; nothing where that is not known. */
  readonly topicId?: string | null | undefined
  /** At least as many it must have. */
  readonly partitions: number
}

export type SealFinding =
  /** By partition; those that somebody added stand last. */
  | { readonly kind: 'sealed'; readonly ends: readonly bigint[] }
  /** A partition takes records. */
  | { readonly kind: 'open' }
  | { readonly kind: 'unknown'; readonly reason: string }

/** Whether every partition refuses data for good, and where they end (P1, P2). */
export async function proveSealed(cluster: Cluster, place: SealedPlace): Promise<SealFinding> {
  return await finding(async () => {
    const count = partitionsOf(await lookAt(cluster, place), place)
    const seal = new TopicSeal(cluster, 'admin')
    const probes = await seal.probe(place.topic, range(count), false)
    if (probes.some(({ verdict }) => verdict === 'open')) return { kind: 'open' }
    const odd = probes.find(({ verdict }) => verdict === 'unknown')
    if (odd !== undefined) return unknown(`partition ${odd.partition} of ${place.topic}: ${odd.reason}`)
    const ends = new Map<number, bigint>()
    for (const end of await seal.ends(place.topic, probes)) {
      if (end.kind === 'moved') return unknown(`partition ${end.partition} of ${place.topic}: ${end.reason}`)
      if (end.highWatermark < end.endOffset)
        return unknown(`partition ${end.partition} of ${place.topic} is not replicated to its end yet`)
      ends.set(end.partition, end.endOffset)
    }
    if (ends.size < count) return unknown(`not every partition of ${place.topic} told its end`)
    if (partitionsOf(await lookAt(cluster, place), place) !== count)
      return unknown(`partitions were added to ${place.topic}`)
    return { kind: 'sealed', ends: range(count).map((partition) => ends.get(partition)!) }
  })
}

/**
 * Whether a topic takes records: `open` when a leader does and none refuses, `sealed` when one refuses for its size limit. `ends` are not
 * looked for.
 */
export async function probeOpen(cluster: Cluster, place: SealedPlace): Promise<SealFinding> {
  return await finding(async () => {
    const count = partitionsOf(await lookAt(cluster, place), place)
    const probes = await new TopicSeal(cluster, 'admin').probe(place.topic, range(count), false)
    if (probes.some(({ verdict }) => verdict === 'sealed')) return { kind: 'sealed', ends: [] }
    if (probes.some(({ verdict }) => verdict === 'open')) return { kind: 'open' }
    return unknown(`no leader of ${place.topic} answers: ${probes[0]?.reason ?? 'it has none'}`)
  })
}

/** False only when the size limit is known and no seal (P4). */
export async function mayBeSealed(cluster: Cluster, topic: string): Promise<boolean> {
  try {
    const limit = (await new Admin(cluster, { deadlineMs: DEADLINE_MS }).topicConfigs(topic)).get('max.message.bytes')
    return limit === undefined || limit === null || Number(limit) <= SEALED_TOPIC_BYTES
  } catch {
    return true
  }
}

async function lookAt(cluster: Cluster, { topic }: SealedPlace): Promise<TopicMetadata> {
  const [found] = await cluster.metadata([topic], { refresh: true })
  if (found !== undefined && (found.errorCode ?? 0) === 0) return found
  throw toMqError(found?.errorCode ?? KafkaCode.UNKNOWN_TOPIC_OR_PARTITION, `look for topic ${topic}`)
}

/** @throws MqError MQ_TOPIC_CHANGED when it is another topic of the name (P2) */
function partitionsOf({ id, partitions }: TopicMetadata, place: SealedPlace): number {
  const now = topicIdOf(id)
  const meant = topicIdOf(place.topicId ?? undefined)
  if (now !== undefined && meant !== undefined && now !== meant) {
    throw new MqError('MQ_TOPIC_CHANGED', `topic ${place.topic} has the id ${now}, and ${meant} is meant`)
  }
  if (partitions.length < place.partitions) {
    throw new MqError(
      'MQ_TOPIC_CHANGED',
      `topic ${place.topic} has ${partitions.length} partitions, not ${place.partitions}`,
    )
  }
  return partitions.length
}

async function finding(look: () => Promise<SealFinding>): Promise<SealFinding> {
  try {
    return await look()
  } catch (error) {
    return unknown(error instanceof Error ? error.message : String(error))
  }
}

const unknown = (reason: string): SealFinding => ({ kind: 'unknown', reason })
const range = (count: number): number[] => Array.from({ length: count }, (_, index) => index)
