/**
 * Consumer groups, seen and changed from outside.
 *
 * G1. Offsets are those of the group's coordinator, the pending ones of open transactions waited for.
 * G2. Offsets are committed from outside only for a group without members: with members Kafka refuses.
 * G3. A position belongs to a topic, not to its name: one that was noted for another topic of that name is not the group's.
 * G4. A group of the new protocol and a classic one look the same here, but for `type`.
 */
import { MqError } from '@mq/contract'
import type { consumerGroupDescribeV0, describeGroupsV5 } from '@platformatic/kafka'
import { type AssignedPartition, parseAssignment } from '../group/classic-assignment.ts'
import { decodeCommitMetadata, type FailingRecord, type FinishedRange, topicIdOf } from '../group/commit-metadata.ts'
import { KafkaCode, kafkaCodeOf, responseOf, toMqError } from '../protocol/kafka-errors.ts'
import * as requests from '../protocol/requests.ts'
import type { AdminCalls } from './calls.ts'

export interface GroupOffset {
  readonly topic: string
  readonly partition: number
  /** Of the next record to read. */
  readonly offset: bigint
  readonly metadata?: string
}

export interface GroupListing {
  readonly groupId: string
  /** `classic`, `consumer`, `share` or `streams`; undefined where brokers do not tell. */
  readonly type: string | undefined
  /** As Kafka writes it, such as `Stable` or `Empty`. */
  readonly state: string
}

export interface GroupMemberDescription {
  readonly memberId: string
  readonly instanceId: string | null
  readonly clientId: string
  readonly host: string
  readonly partitions: readonly AssignedPartition[]
  /** What it subscribes to; undefined for a member of a classic group. */
  readonly topics?: readonly string[]
  /** Whether it holds exactly what the group, as it is now, means it to hold; undefined for a member of a classic group. */
  readonly isSettled?: boolean
}

export interface GroupDescription {
  readonly groupId: string
  readonly type: 'classic' | 'consumer'
  readonly state: string
  /** Name of the assignor; empty while there is none. */
  readonly assignor: string
  readonly members: readonly GroupMemberDescription[]
}

const NO_GENERATION = -1
const NO_MEMBER = ''
const NO_LEADER_EPOCH = -1

/** A position as the group's coordinator keeps it. */
export interface CommittedPosition {
  readonly topic: string
  readonly partition: number
  readonly offset: bigint
  /** The topic it was committed for; undefined when a client other than mQ's committed it, or the cluster has no topic ids. */
  readonly topicId: string | undefined
  /** Whether the topic of that name is another one now: then the offset says nothing about it. */
  readonly isOfFormerTopic: boolean
  /** Records beyond the offset that are finished, too. */
  readonly finished: readonly FinishedRange[]
  /** Records that failed and are not finished. */
  readonly failing: readonly FailingRecord[]
  /** Under which leader the newest of all this was written. */
  readonly leaderEpoch: number | undefined
}

/**
 * By `topic:partition`; nothing for a partition without a position, for one whose position belongs to a topic that was deleted and
 * created again, or for a group that does not exist.
 * @param topics all topics the group has offsets of when left out
 */
export async function committedOffsets(
  calls: AdminCalls,
  group: string,
  topics: readonly string[] | undefined,
): Promise<Map<string, bigint>> {
  const positions = await committedPositions(calls, group, topics)
  return new Map(
    positions
      .filter(({ isOfFormerTopic }) => !isOfFormerTopic)
      .map(({ topic, partition, offset }) => [`${topic}:${partition}`, offset]),
  )
}

/** Every position, also those of topics that were deleted and created again. */
export async function committedPositions(
  calls: AdminCalls,
  group: string,
  topics: readonly string[] | undefined,
): Promise<CommittedPosition[]> {
  const what = `read offsets of group ${group}`
  const answer = await calls.retrying(what, async () => {
    try {
      return await calls.askCoordinator(group, what, (connection) =>
        requests.offsetFetch.send(connection, [{ groupId: group, memberEpoch: NO_GENERATION, topics: null }], true),
      )
    } catch (error) {
      if (kafkaCodeOf(error) === KafkaCode.GROUP_ID_NOT_FOUND) return undefined
      throw error
    }
  })
  const wanted = topics === undefined ? undefined : new Set(topics)
  const positions: Omit<CommittedPosition, 'isOfFormerTopic'>[] = []
  for (const topic of answer?.groups.find((one) => one.groupId === group)?.topics ?? []) {
    if (wanted?.has(topic.name) === false) continue
    for (const { partitionIndex: partition, committedOffset: offset, metadata } of topic.partitions) {
      if (offset < 0n) continue
      const note = decodeCommitMetadata(offset, metadata)
      const { topicId, finished = [], failing = [], leaderEpoch } = note ?? {}
      positions.push({ topic: topic.name, partition, offset, topicId, finished, failing, leaderEpoch })
    }
  }
  const ids = await idsNow(calls, what, positions)
  return positions.map((one) => {
    const now = ids.get(one.topic)
    return { ...one, isOfFormerTopic: one.topicId !== undefined && now !== undefined && now !== one.topicId }
  })
}

/** The ids of topics that positions name; brokers are asked only when what is known does not agree with a position. */
async function idsNow(
  calls: AdminCalls,
  what: string,
  positions: readonly { readonly topic: string; readonly topicId: string | undefined }[],
): Promise<Map<string, string | undefined>> {
  const named = positions.filter(({ topicId }) => topicId !== undefined)
  const names = [...new Set(named.map(({ topic }) => topic))]
  const ask = async (refresh: boolean): Promise<Map<string, string | undefined>> => {
    const topics = await calls.retrying(what, () => calls.cluster.metadata(names, { refresh }))
    return new Map(topics.map(({ name, id, errorCode = 0 }) => [name, errorCode === 0 ? topicIdOf(id) : undefined]))
  }
  if (names.length === 0) return new Map()
  const known = await ask(false)
  return named.every(({ topic, topicId }) => known.get(topic) === topicId) ? known : await ask(true)
}

/** Sets positions of a group that has no members (G2); the group comes to be when there was none. */
export async function commitOffsets(calls: AdminCalls, group: string, offsets: readonly GroupOffset[]): Promise<void> {
  const wrong = offsets.find(({ offset }) => offset < 0n)
  if (wrong !== undefined) {
    throw new MqError('MQ_OPTION_INVALID', `offset ${wrong.offset} of ${wrong.topic}:${wrong.partition} is below 0`)
  }
  if (offsets.length === 0) return
  const what = `commit offsets of group ${group}`
  const topics = [...Map.groupBy(offsets, ({ topic }) => topic)].map(([name, own]) => ({
    name,
    partitions: own.map(({ partition, offset, metadata }) => ({
      partitionIndex: partition,
      committedOffset: offset,
      committedLeaderEpoch: NO_LEADER_EPOCH,
      committedMetadata: metadata ?? '',
    })),
  }))
  await calls.retrying(what, () =>
    calls.askCoordinator(group, what, (connection) =>
      requests.offsetCommit.send(connection, group, NO_GENERATION, NO_MEMBER, null, topics),
    ),
  )
}

/** The groups of all brokers; an error when one of them cannot be asked, for its groups would be missing. */
export async function listGroups(calls: AdminCalls): Promise<GroupListing[]> {
  const what = 'list groups'
  const listed = await calls.retrying(what, async () => {
    await calls.cluster.metadata([], { refresh: true })
    const answers = await Promise.all(
      calls.cluster
        .brokers()
        .map(({ nodeId }) =>
          calls.askBroker(nodeId, what, (connection) => requests.listGroups.send(connection, [], [])),
        ),
    )
    return answers.flatMap((answer) => answer.groups)
  })
  // A group that moves from one coordinator to another meanwhile is told by both.
  const byId = new Map(listed.map((group) => [group.groupId, group]))
  return [...byId.values()].map(({ groupId, groupType, groupState }) => ({
    groupId,
    type: groupType === undefined || groupType === '' ? undefined : groupType.toLowerCase(),
    state: groupState,
  }))
}

/** Undefined when there is no such group. */
export async function describeGroup(calls: AdminCalls, group: string): Promise<GroupDescription | undefined> {
  const what = `describe group ${group}`
  return await calls.retrying(
    what,
    async () => (await describeNew(calls, group, what)) ?? (await describeClassic(calls, group, what)),
  )
}

/** Returns false when there was no such group. @throws MqError MQ_KAFKA_REFUSED while it has members */
export async function deleteGroup(calls: AdminCalls, group: string): Promise<boolean> {
  const what = `delete group ${group}`
  return await calls.retrying(what, async ({ ambiguous }) => {
    try {
      await calls.askCoordinator(group, what, (connection) => requests.deleteGroups.send(connection, [group]))
      return true
    } catch (error) {
      if (kafkaCodeOf(error) === KafkaCode.GROUP_ID_NOT_FOUND) return ambiguous
      throw error
    }
  })
}

async function describeNew(calls: AdminCalls, group: string, what: string): Promise<GroupDescription | undefined> {
  const answer = await calls
    .askCoordinator(group, what, async (connection) => {
      if ((await requests.consumerGroupDescribe.find(connection)) === undefined) return undefined
      return await requests.consumerGroupDescribe.send(connection, [group], false)
    })
    .catch((error: unknown) => {
      // Also the answer about a classic group, and that of a cluster which lists the request and has it switched off.
      const code = kafkaCodeOf(error)
      if (code === KafkaCode.GROUP_ID_NOT_FOUND || code === KafkaCode.UNSUPPORTED_VERSION) return undefined
      throw error
    })
  const found = answer?.groups.find((one) => one.groupId === group)
  if (found === undefined) return undefined
  return {
    groupId: group,
    type: 'consumer',
    state: found.groupState,
    assignor: found.assignorName,
    members: found.members.map(({ memberId, instanceId, clientId, clientHost, assignment, ...member }) => ({
      memberId,
      instanceId: instanceId ?? null,
      clientId,
      host: clientHost,
      partitions: partitionsOf(assignment),
      topics: member.subscribedTopicNames,
      isSettled:
        // Who has joined since the last assignment was made is not part of it yet.
        found.assignmentEpoch === found.groupEpoch &&
        member.memberEpoch === found.groupEpoch &&
        sameShares(partitionsOf(assignment), partitionsOf(member.targetAssignment)),
    })),
  }
}

type Assignment = consumerGroupDescribeV0.ConsumerGroupDescribeResponseMember['assignment']

function partitionsOf({ topicPartitions }: Assignment): AssignedPartition[] {
  return topicPartitions.flatMap(({ topicName, partitions }) =>
    partitions.map((partition) => ({ topic: topicName, partition })),
  )
}

function sameShares(one: readonly AssignedPartition[], other: readonly AssignedPartition[]): boolean {
  const names = new Set(one.map(({ topic, partition }) => `${topic}:${partition}`))
  return names.size === other.length && other.every(({ topic, partition }) => names.has(`${topic}:${partition}`))
}

async function describeClassic(calls: AdminCalls, group: string, what: string): Promise<GroupDescription | undefined> {
  const answer = await calls
    .askCoordinator(group, what, (connection) => requests.describeGroups.send(connection, [group], false))
    .catch((error: unknown) => {
      const response = responseOf<describeGroupsV5.DescribeGroupsResponse>(error)
      if (kafkaCodeOf(error) === KafkaCode.GROUP_ID_NOT_FOUND && response !== undefined) return response
      throw error
    })
  const found = answer.groups.find((one) => one.groupId === group)
  if (found === undefined) throw toMqError(KafkaCode.COORDINATOR_NOT_AVAILABLE, calls.context(what))
  if (found.errorCode === KafkaCode.GROUP_ID_NOT_FOUND || found.groupState === 'Dead') return undefined
  return {
    groupId: group,
    type: 'classic',
    state: found.groupState,
    assignor: found.protocolData,
    members: found.members.map(({ memberId, groupInstanceId, clientId, clientHost, memberAssignment }) => ({
      memberId,
      instanceId: groupInstanceId ?? null,
      clientId,
      host: clientHost,
      // Members of other protocols, Kafka Connect for one, put other things there.
      partitions: found.protocolType === 'consumer' ? parseAssignment(memberAssignment) : [],
    })),
  }
}
