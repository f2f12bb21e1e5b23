/**
 * Every request that mQ sends, with the versions it speaks and what is lost below each: the one table that the code, the
 * reference page and the tests of versions go by.
 *
 * T1. A version stands here only if its answer is read in the shape of the newest one: callers never look at versions.
 * T2. The lowest versions are those that Apache Kafka 2.8 has, or lower where other engines of its protocol stop earlier.
 * T3. ApiVersions is asked in api-versions.ts. SaslHandshake and SaslAuthenticate are sent by the library, which asks for
 *     their versions itself.
 */
import {
  consumerGroupDescribeV0,
  consumerGroupHeartbeatV0,
  consumerGroupHeartbeatV1,
  createTopicsV4,
  createTopicsV5,
  createTopicsV6,
  createTopicsV7,
  deleteGroupsV0,
  deleteGroupsV1,
  deleteGroupsV2,
  deleteTopicsV3,
  deleteTopicsV4,
  deleteTopicsV5,
  deleteTopicsV6,
  describeClientQuotasV0,
  describeClientQuotasV1,
  describeClusterV0,
  describeConfigsV1,
  describeConfigsV2,
  describeConfigsV3,
  describeConfigsV4,
  describeGroupsV3,
  describeGroupsV4,
  describeGroupsV5,
  describeLogDirsV1,
  describeLogDirsV2,
  describeLogDirsV3,
  describeLogDirsV4,
  describeProducersV0,
  findCoordinatorV4,
  findCoordinatorV5,
  findCoordinatorV6,
  heartbeatV3,
  heartbeatV4,
  incrementalAlterConfigsV0,
  incrementalAlterConfigsV1,
  initProducerIdV0,
  initProducerIdV1,
  initProducerIdV2,
  initProducerIdV3,
  initProducerIdV4,
  joinGroupV5,
  joinGroupV6,
  joinGroupV7,
  joinGroupV8,
  joinGroupV9,
  leaveGroupV1,
  leaveGroupV2,
  leaveGroupV3,
  leaveGroupV4,
  leaveGroupV5,
  listGroupsV1,
  listGroupsV2,
  listGroupsV3,
  listGroupsV4,
  listGroupsV5,
  listOffsetsV7,
  metadataV7,
  metadataV8,
  metadataV9,
  metadataV10,
  metadataV11,
  metadataV12,
  offsetCommitV7,
  offsetCommitV8,
  offsetCommitV9,
  offsetDeleteV0,
  offsetFetchV8,
  offsetFetchV9,
  offsetForLeaderEpochV3,
  offsetForLeaderEpochV4,
  syncGroupV3,
  syncGroupV4,
  syncGroupV5,
} from '@platformatic/kafka'
import { KafkaRequest, RequestVersions } from './kafka-request.ts'
import { coordinatorsOneByOne, offsetsGroupByGroup, olderListOffsets } from './older-requests.ts'

/** Written in produce-request.ts. */
export const produce = new RequestVersions(
  0,
  { name: 'Produce', losses: [{ below: 8, what: 'which record of a rejected batch is at fault' }] },
  [7, 8, 9, 10, 11, 12],
)

/** Written in fetch-request.ts. */
export const fetch = new RequestVersions(
  1,
  {
    name: 'Fetch',
    losses: [{ below: 13, what: 'the id of the topic with each record: metadata alone tell of a re-created one' }],
  },
  [11, 12, 13, 14, 15, 16, 17],
)

/** For a topic that has no id. */
export const fetchByName = new RequestVersions(1, { name: 'Fetch by name' }, [11, 12])

export const listOffsets = new KafkaRequest(
  { name: 'ListOffsets', losses: [{ below: 7, what: 'the record with the newest timestamp' }] },
  listOffsetsV7.api,
  olderListOffsets,
)

export const metadata = new KafkaRequest(
  { name: 'Metadata', losses: [{ below: 10, what: 'ids of topics: a re-created topic looks like the one before' }] },
  metadataV12.api,
  [metadataV7.api, metadataV8.api, metadataV9.api, metadataV10.api, metadataV11.api],
)

/** Written in offset-requests.ts, as is the other of this kind. */
export const offsetCommitById = new RequestVersions(
  8,
  {
    name: 'OffsetCommit by topic id',
    missing: 'keep a position from counting for a re-created topic by the broker alone: mQ checks it',
  },
  [10],
)

export const offsetFetchById = new RequestVersions(9, { name: 'OffsetFetch by topic id' }, [10])

export const offsetCommit = new KafkaRequest({ name: 'OffsetCommit' }, offsetCommitV9.api, [
  offsetCommitV7.api,
  offsetCommitV8.api,
])

export const offsetFetch = new KafkaRequest(
  {
    name: 'OffsetFetch',
    losses: [
      { below: 8, what: 'several groups in one request: they are asked one by one' },
      { below: 7, what: 'waiting for a transaction that may still take a position back' },
    ],
  },
  offsetFetchV9.api,
  [...offsetsGroupByGroup, offsetFetchV8.api],
)

export const findCoordinator = new KafkaRequest(
  { name: 'FindCoordinator', losses: [{ below: 4, what: 'several groups in one request: they are asked one by one' }] },
  findCoordinatorV6.api,
  [...coordinatorsOneByOne, findCoordinatorV4.api, findCoordinatorV5.api],
)

export const joinGroup = new KafkaRequest(
  { name: 'JoinGroup', losses: [{ below: 8, what: 'the reason of a rebalance in the log of the broker' }] },
  joinGroupV9.api,
  [joinGroupV5.api, joinGroupV6.api, joinGroupV7.api, joinGroupV8.api],
)

export const syncGroup = new KafkaRequest({ name: 'SyncGroup' }, syncGroupV5.api, [syncGroupV3.api, syncGroupV4.api])

export const heartbeat = new KafkaRequest({ name: 'Heartbeat' }, heartbeatV4.api, [heartbeatV3.api])

export const leaveGroup = new KafkaRequest(
  { name: 'LeaveGroup', losses: [{ below: 5, what: 'the reason of leaving in the log of the broker' }] },
  leaveGroupV5.api,
  [leaveGroupV1.api, leaveGroupV2.api, leaveGroupV3.api, leaveGroupV4.api],
)

export const describeGroups = new KafkaRequest({ name: 'DescribeGroups' }, describeGroupsV5.api, [
  describeGroupsV3.api,
  describeGroupsV4.api,
])

export const listGroups = new KafkaRequest<
  Parameters<typeof listGroupsV5.createRequest>,
  listGroupsV4.ListGroupsResponse
>(
  {
    name: 'ListGroups',
    losses: [
      { below: 5, what: 'the type of a group, which is found out by describing it' },
      { below: 4, what: 'the state of a group' },
    ],
  },
  listGroupsV5.api,
  [listGroupsV1.api, listGroupsV2.api, listGroupsV3.api, listGroupsV4.api],
)

export const createTopics = new KafkaRequest({ name: 'CreateTopics' }, createTopicsV7.api, [
  createTopicsV4.api,
  createTopicsV5.api,
  createTopicsV6.api,
])

export const deleteTopics = new KafkaRequest(
  { name: 'DeleteTopics', losses: [{ below: 5, what: 'the reason of a refusal in words' }] },
  deleteTopicsV6.api,
  [deleteTopicsV3.api, deleteTopicsV4.api, deleteTopicsV5.api],
)

export const initProducerId = new KafkaRequest({ name: 'InitProducerId' }, initProducerIdV4.api, [
  initProducerIdV0.api,
  initProducerIdV1.api,
  initProducerIdV2.api,
  initProducerIdV3.api,
])

export const offsetForLeaderEpoch = new KafkaRequest({ name: 'OffsetForLeaderEpoch' }, offsetForLeaderEpochV4.api, [
  offsetForLeaderEpochV3.api,
])

export const describeConfigs = new KafkaRequest({ name: 'DescribeConfigs' }, describeConfigsV4.api, [
  describeConfigsV1.api,
  describeConfigsV2.api,
  describeConfigsV3.api,
])

export const describeLogDirs = new KafkaRequest(
  {
    name: 'DescribeLogDirs',
    missing: 'tell how many bytes topics take on disk',
    losses: [
      { below: 4, what: 'size and free space of disks (before Kafka 3.3)' },
      { below: 3, what: 'why a broker refuses as a whole: without the right the answer is empty' },
    ],
  },
  describeLogDirsV4.api,
  [describeLogDirsV1.api, describeLogDirsV2.api, describeLogDirsV3.api],
)

export const deleteGroups = new KafkaRequest({ name: 'DeleteGroups' }, deleteGroupsV2.api, [
  deleteGroupsV0.api,
  deleteGroupsV1.api,
])

export const incrementalAlterConfigs = new KafkaRequest(
  { name: 'IncrementalAlterConfigs', missing: 'change settings of topics, seal or migrate' },
  incrementalAlterConfigsV1.api,
  [incrementalAlterConfigsV0.api],
)

export const offsetDelete = new KafkaRequest(
  { name: 'OffsetDelete', missing: 'take away positions of a group on some topics' },
  offsetDeleteV0.api,
)

export const describeClientQuotas = new KafkaRequest(
  { name: 'DescribeClientQuotas', missing: 'tell which quotas slow producers down' },
  describeClientQuotasV1.api,
  [describeClientQuotasV0.api],
)

export const describeCluster = new KafkaRequest({ name: 'DescribeCluster' }, describeClusterV0.api)

export const describeProducers = new KafkaRequest(
  { name: 'DescribeProducers', missing: 'tell who else writes to a topic' },
  describeProducersV0.api,
)

export const consumerGroupHeartbeat = new KafkaRequest(
  {
    name: 'ConsumerGroupHeartbeat',
    missing: 'join groups by the consumer protocol (KIP-848); the classic one is used',
  },
  consumerGroupHeartbeatV1.api,
  [consumerGroupHeartbeatV0.api],
)

export const consumerGroupDescribe = new KafkaRequest(
  {
    name: 'ConsumerGroupDescribe',
    missing: 'describe groups of the consumer protocol (KIP-848), which that cluster has none of',
  },
  consumerGroupDescribeV0.api,
)

/** All of the above, by key. */
export const allRequests: readonly RequestVersions[] = [
  produce,
  fetch,
  listOffsets,
  metadata,
  offsetCommit,
  offsetCommitById,
  offsetFetch,
  offsetFetchById,
  findCoordinator,
  joinGroup,
  heartbeat,
  leaveGroup,
  syncGroup,
  describeGroups,
  listGroups,
  createTopics,
  deleteTopics,
  initProducerId,
  offsetForLeaderEpoch,
  describeConfigs,
  describeLogDirs,
  deleteGroups,
  incrementalAlterConfigs,
  offsetDelete,
  describeClientQuotas,
  describeCluster,
  describeProducers,
  consumerGroupHeartbeat,
  consumerGroupDescribe,
]
