/**
 * OffsetCommit and OffsetFetch: by topic name through the library (requests.ts), version 10 by topic id, written here because the
 * library ends at 9.
 *
 * V1. From version 10 on a position belongs to a topic id: a broker refuses one of a topic that is not there any more with
 *     UNKNOWN_TOPIC_ID instead of keeping it for the topic that has its name now.
 * V2. Version 10 is used when the broker has it and the id of every topic asked about is known.
 * V3. An answer is one code for each partition asked about; one that the broker leaves out counts as UNKNOWN_TOPIC_OR_PARTITION.
 */
import { type Connection, type offsetCommitV9, type Reader, Writer } from '@platformatic/kafka'
import { topicIdOf } from '../group/commit-metadata.ts'
import { nameOf, type TopicPartition } from '../group/types.ts'
import { KafkaCode, responseOf, toMqError } from './kafka-errors.ts'
import * as requests from './requests.ts'

const NO_LEADER_EPOCH = -1
const NO_MEMBER_EPOCH = -1

/** A partition of a topic, and of which topic of that name. */
export interface IdentifiedPartition extends TopicPartition {
  readonly topicId?: string | undefined
}

export interface OffsetToCommit extends IdentifiedPartition {
  readonly offset: bigint
  readonly metadata: string | null
}

export interface CommitAs {
  readonly groupId: string
  readonly memberId: string
  readonly epoch: number
  readonly instanceId: string | null
}

export interface StoredOffset {
  readonly offset: bigint
  readonly metadata: string | null
}

const haveIds = (partitions: readonly IdentifiedPartition[]): boolean =>
  partitions.every(({ topicId }) => topicIdOf(topicId) !== undefined)

/** @returns the code of each partition, by `topic:partition` (V3) */
export async function sendOffsetCommit(
  connection: Connection,
  as: CommitAs,
  offsets: readonly OffsetToCommit[],
): Promise<Map<string, number>> {
  const version = haveIds(offsets) ? await requests.offsetCommitById.find(connection) : undefined
  const told = await (version === undefined ? commitByName() : commitById(connection, version, as, offsets))
  return new Map(offsets.map((one) => [nameOf(one), told.get(nameOf(one)) ?? KafkaCode.UNKNOWN_TOPIC_OR_PARTITION]))

  async function commitByName(): Promise<Map<string, number>> {
    const topics = [...Map.groupBy(offsets, ({ topic }) => topic)].map(([name, some]) => ({
      name,
      partitions: some.map(({ partition, offset, metadata }) => ({
        partitionIndex: partition,
        committedOffset: offset,
        committedLeaderEpoch: NO_LEADER_EPOCH,
        committedMetadata: metadata,
      })),
    }))
    let answer: offsetCommitV9.OffsetCommitResponse
    try {
      answer = await requests.offsetCommit.send(connection, as.groupId, as.epoch, as.memberId, as.instanceId, topics)
    } catch (error) {
      const partial = responseOf<offsetCommitV9.OffsetCommitResponse>(error)
      if (partial === undefined) throw error
      answer = partial
    }
    return new Map(
      answer.topics.flatMap(({ name, partitions }) =>
        partitions.map(
          ({ partitionIndex, errorCode }) => [nameOf({ topic: name, partition: partitionIndex }), errorCode] as const,
        ),
      ),
    )
  }
}

/** By `topic:partition`; no entry for a partition without a position. Positions that a transaction may still take back are waited for. */
export async function sendOffsetFetch(
  connection: Connection,
  groupId: string,
  partitions: readonly IdentifiedPartition[],
): Promise<Map<string, StoredOffset>> {
  const version = haveIds(partitions) ? await requests.offsetFetchById.find(connection) : undefined
  if (version !== undefined) return await fetchById(connection, version, groupId, partitions)
  const topics = [...Map.groupBy(partitions, ({ topic }) => topic)].map(([name, some]) => ({
    name,
    partitionIndexes: some.map(({ partition }) => partition),
  }))
  const asked = [{ groupId, memberId: null, memberEpoch: NO_MEMBER_EPOCH, topics }]
  const answer = await requests.offsetFetch.send(connection, asked, true)
  const found = new Map<string, StoredOffset>()
  for (const topic of answer.groups.find((group) => group.groupId === groupId)?.topics ?? []) {
    for (const { partitionIndex, committedOffset, metadata } of topic.partitions) {
      if (committedOffset < 0n) continue
      const name = nameOf({ topic: topic.name, partition: partitionIndex })
      found.set(name, { offset: committedOffset, metadata: metadata ?? null })
    }
  }
  return found
}

/** Their id is known (V2). */
const byId = <T extends IdentifiedPartition>(partitions: readonly T[]): Map<string, T[]> =>
  Map.groupBy(partitions, ({ topicId }) => topicId ?? '')

async function commitById(
  connection: Connection,
  version: number,
  as: CommitAs,
  offsets: readonly OffsetToCommit[],
): Promise<Map<string, number>> {
  const topics = byId(offsets)
  const write = (): Writer =>
    Writer.create()
      .appendString(as.groupId)
      .appendInt32(as.epoch)
      .appendString(as.memberId)
      .appendString(as.instanceId)
      .appendArray(
        [...topics],
        (writer, [topicId, some]) => {
          writer
            .appendUUID(topicId)
            .appendArray(
              some,
              (one, { partition, offset, metadata }) => {
                one
                  .appendInt32(partition)
                  .appendInt64(offset)
                  .appendInt32(NO_LEADER_EPOCH)
                  .appendString(metadata)
                  .appendTaggedFields()
              },
              true,
              false,
            )
            .appendTaggedFields()
        },
        true,
        false,
      )
      .appendTaggedFields()
  const read = (reader: Reader): Map<string, number> => {
    reader.readInt32()
    const codes = new Map<string, number>()
    reader.readArray((topic) => {
      const name = topics.get(topic.readUUID())?.[0]?.topic
      topic.readArray((one) => {
        const partition = one.readInt32()
        const code = one.readInt16()
        if (name !== undefined) codes.set(nameOf({ topic: name, partition }), code)
      })
    })
    return codes
  }
  return await send(connection, requests.offsetCommitById.apiKey, version, write, read)
}

async function fetchById(
  connection: Connection,
  version: number,
  groupId: string,
  partitions: readonly IdentifiedPartition[],
): Promise<Map<string, StoredOffset>> {
  const topics = byId(partitions)
  const write = (): Writer =>
    Writer.create()
      .appendArray(
        [groupId],
        (writer, id) => {
          writer
            .appendString(id)
            .appendString(null)
            .appendInt32(NO_MEMBER_EPOCH)
            .appendArray(
              [...topics],
              (topic, [topicId, some]) => {
                topic
                  .appendUUID(topicId)
                  .appendArray(some, (one, { partition }) => one.appendInt32(partition), true, false)
                  .appendTaggedFields()
              },
              true,
              false,
            )
            .appendTaggedFields()
        },
        true,
        false,
      )
      .appendBoolean(true)
      .appendTaggedFields()
  const what = `read the committed offsets of group ${groupId}`
  const read = (reader: Reader): Map<string, StoredOffset> => {
    const found = new Map<string, StoredOffset>()
    let wrong: number | undefined
    reader.readInt32()
    reader.readArray((group) => {
      group.readString()
      group.readArray((topic) => {
        const name = topics.get(topic.readUUID())?.[0]?.topic
        topic.readArray((one) => {
          const partition = one.readInt32()
          const offset = one.readInt64()
          one.readInt32()
          const metadata = one.readNullableString()
          const code = one.readInt16()
          if (code !== KafkaCode.NONE) wrong ??= code
          else if (name !== undefined && offset >= 0n)
            found.set(nameOf({ topic: name, partition }), { offset, metadata })
        })
      })
      const code = group.readInt16()
      if (code !== KafkaCode.NONE) wrong = code
    })
    if (wrong !== undefined) throw toMqError(wrong, what)
    return found
  }
  return await send(connection, requests.offsetFetchById.apiKey, version, write, read)
}

function send<T>(
  connection: Connection,
  api: number,
  version: number,
  write: () => Writer,
  read: (reader: Reader) => T,
): Promise<T> {
  return new Promise((resolve, reject) => {
    connection.send<T>(
      api,
      version,
      write,
      (_correlationId: number, _apiKey: number, _apiVersion: number, reader: Reader) => read(reader),
      true,
      true,
      (error, answer) => {
        if (error) reject(error)
        else resolve(answer as T)
      },
    )
  })
}
