/**
 * Offsets of partitions: where records begin and end, and where an epoch of a leader ended.
 *
 * O1. Each partition's leader is asked, with the leader epoch we know: a broker that was the leader does not answer.
 * O2. What some leaders answered is kept while the rest is asked again.
 */
import { MqError } from '@mq/contract'
import type { listOffsetsV7 } from '@platformatic/kafka'
import type { PartitionMetadata } from '../net/metadata-cache.ts'
import { KafkaCode, responseOf, toMqError } from '../protocol/kafka-errors.ts'
import * as requests from '../protocol/requests.ts'
import type { AdminCalls, Attempt } from './calls.ts'

/** `{ timestampMs }`: the first record that is not older. */
export type OffsetPoint = 'earliest' | 'latest' | 'max-timestamp' | { readonly timestampMs: number }
export type Isolation = 'read_uncommitted' | 'read_committed'

export interface EpochEnd {
  readonly leaderEpoch: number
  readonly endOffset: bigint
}

const CONSUMER = -1

/** No entry for a partition without such a record: an empty one has no `max-timestamp`. */
export async function listOffsets(
  calls: AdminCalls,
  topic: string,
  partitions: readonly number[],
  point: OffsetPoint,
  isolation: Isolation,
): Promise<Map<number, bigint>> {
  const timestamp = timestampOf(point)
  const level = isolation === 'read_committed' ? 1 : 0
  const what = `list offsets of topic ${topic}`
  const found = new Map<number, bigint>()
  const open = new Set(partitions)
  if (open.size === 0) return found
  await calls.retrying(what, async (attempt) => {
    const byLeader = Map.groupBy(await locate(calls, topic, open, attempt), (partition) => partition.leader)
    const problems: unknown[] = []
    await Promise.all(
      [...byLeader].map(async ([nodeId, led]) => {
        const asked = led.map(({ index, leaderEpoch }) => ({
          partitionIndex: index,
          currentLeaderEpoch: leaderEpoch,
          timestamp,
        }))
        const answer = await calls
          .askBroker(nodeId, what, (connection) =>
            requests.listOffsets.send(connection, CONSUMER, level, [{ name: topic, partitions: asked }]),
          )
          .catch((error: unknown) => {
            problems.push(error)
            return responseOf<listOffsetsV7.ListOffsetsResponse>(error)
          })
        for (const one of answer?.topics.find(({ name }) => name === topic)?.partitions ?? []) {
          if (one.errorCode !== 0) continue
          open.delete(one.partitionIndex)
          if (one.offset >= 0n) found.set(one.partitionIndex, one.offset)
        }
      }),
    )
    if (problems.length > 0) throw worst(problems, calls.context(what))
    if (open.size > 0) {
      throw new MqError(
        'MQ_KAFKA_UNAVAILABLE',
        calls.context(`the leaders of topic ${topic} left out partitions ${[...open].join(', ')}`),
      )
    }
  })
  return found
}

/** Where the given leader epoch ended, or the last one before it; undefined when the leader remembers none. */
export async function endOffsetForLeaderEpoch(
  calls: AdminCalls,
  topic: string,
  partition: number,
  leaderEpoch: number,
): Promise<EpochEnd | undefined> {
  if (!Number.isInteger(leaderEpoch) || leaderEpoch < 0) {
    throw new MqError('MQ_OPTION_INVALID', `leader epoch must be a whole number from 0, not ${leaderEpoch}`)
  }
  const what = `find the end of leader epoch ${leaderEpoch} of ${topic}:${partition}`
  return await calls.retrying(what, async (attempt) => {
    const [location] = await locate(calls, topic, [partition], attempt)
    const question = { partitionIndex: partition, currentLeaderEpoch: location!.leaderEpoch, leaderEpoch }
    const answer = await calls.askBroker(location!.leader, what, (connection) =>
      requests.offsetForLeaderEpoch.send(connection, CONSUMER, [{ name: topic, partitions: [question] }]),
    )
    const end = answer.topics.find((one) => one.topic === topic)?.partitions.find((one) => one.partition === partition)
    if (end === undefined) {
      throw new MqError('MQ_PROTOCOL_VIOLATION', `${calls.context(what)}: the answer is about another partition`)
    }
    return end.endOffset < 0n ? undefined : { leaderEpoch: end.leaderEpoch, endOffset: end.endOffset }
  })
}

async function locate(
  calls: AdminCalls,
  topic: string,
  partitions: Iterable<number>,
  { number }: Attempt,
): Promise<PartitionMetadata[]> {
  const [known] = await calls.cluster.metadata([topic], { refresh: number > 0 })
  const code = known === undefined ? KafkaCode.UNKNOWN_TOPIC_OR_PARTITION : (known.errorCode ?? 0)
  if (code !== 0) throw toMqError(code, calls.context(`look for topic ${topic}`))
  return Array.from(partitions, (index) => {
    const partition = known!.partitions.find((one) => one.index === index)
    if (partition === undefined) {
      throw new MqError('MQ_TOPIC_MISSING', calls.context(`topic ${topic} has no partition ${index}`))
    }
    if (partition.leader < 0) {
      throw new MqError('MQ_KAFKA_UNAVAILABLE', calls.context(`partition ${topic}:${index} has no leader now`))
    }
    return partition
  })
}

/** One that will not pass, if there is one. */
function worst(problems: readonly unknown[], context: string): MqError {
  const told = problems.map((problem) => toMqError(problem, context))
  return told.find((problem) => !problem.retryable) ?? told[0]!
}

export function timestampOf(point: OffsetPoint): bigint {
  if (point === 'latest') return -1n
  if (point === 'earliest') return -2n
  if (point === 'max-timestamp') return -3n
  const { timestampMs } = point
  if (!Number.isSafeInteger(timestampMs) || timestampMs < 0) {
    throw new MqError('MQ_OPTION_INVALID', `timestampMs must be a whole number from 0, not ${timestampMs}`)
  }
  return BigInt(timestampMs)
}
