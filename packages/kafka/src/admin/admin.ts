/**
 * What mQ asks of a cluster beside sending and reading.
 *
 * Every operation ends within `deadlineMs`, tries again what may pass, and throws MqError with a code of the catalogue.
 */
import type { Connection, describeClusterV0 } from '@platformatic/kafka'
import { type Broker, requestMetadata, type TopicMetadata } from '../net/metadata-cache.ts'
import * as requests from '../protocol/requests.ts'
import { AdminCalls, type AdminCluster, type AdminOptions } from './calls.ts'
import { alterTopicConfigs, topicConfigs } from './configs.ts'
import {
  type CommittedPosition,
  commitOffsets,
  committedOffsets,
  committedPositions,
  deleteGroup,
  describeGroup,
  type GroupDescription,
  type GroupListing,
  type GroupOffset,
  listGroups,
} from './groups.ts'
import {
  type ActiveProducer,
  activeProducers,
  type BrokerRoom,
  brokerRooms,
  type WriteQuota,
  writeQuotas,
} from './insight.ts'
import { type EpochEnd, endOffsetForLeaderEpoch, type Isolation, listOffsets, type OffsetPoint } from './offsets.ts'
import { dropPositions } from './positions.ts'
import { createTopic, deleteTopic, describeTopics, type NewTopic } from './topics.ts'

export interface ClusterDescription {
  /** Kafka's own id of the cluster. */
  readonly clusterId: string
  /** -1 while there is none. */
  readonly controllerId: number
  readonly brokers: readonly Broker[]
}

const FIRST_ANSWER_MS = 1_000
const BROKER_ENDPOINTS = 1

export class Admin {
  readonly #calls: AdminCalls

  constructor(cluster: AdminCluster, options: AdminOptions = {}) {
    this.#calls = new AdminCalls(cluster, options)
  }

  /** Tries twice only, the first time for a second: who asks this wants to know how the cluster is now, and one broker may be silent. */
  async describeCluster(): Promise<ClusterDescription> {
    const what = 'describe the cluster'
    const { clusterId, controllerId, brokers } = await this.#calls.retrying(
      what,
      ({ number }) =>
        this.#calls.askAny(
          what,
          async (connection) => {
            const isKnown = (await requests.describeCluster.find(connection)) !== undefined
            if (!isKnown) return await describedByMetadata(connection)
            return await requests.describeCluster.send(connection, false, BROKER_ENDPOINTS)
          },
          number === 0 ? FIRST_ANSWER_MS : undefined,
        ),
      { attempts: 2 },
    )
    return {
      clusterId,
      controllerId,
      brokers: brokers.map(({ brokerId, host, port, rack }) => ({ nodeId: brokerId, host, port, rack: rack ?? null })),
    }
  }

  /** @throws MqError MQ_TOPIC_EXISTS */
  createTopic(topic: NewTopic): Promise<void> {
    return createTopic(this.#calls, topic)
  }

  /** @throws MqError MQ_TOPIC_MISSING */
  deleteTopic(name: string): Promise<void> {
    return deleteTopic(this.#calls, name)
  }

  /** Facts of those topics that exist. */
  describeTopics(names: readonly string[]): Promise<TopicMetadata[]> {
    return describeTopics(this.#calls, names)
  }

  /** Every setting in force by its Kafka name. @throws MqError MQ_TOPIC_MISSING */
  topicConfigs(name: string): Promise<Map<string, string | null>> {
    return topicConfigs(this.#calls, name)
  }

  /** Changes what is named and nothing else; `null` goes back to the default. */
  alterTopicConfigs(name: string, changes: Readonly<Record<string, string | null>>): Promise<void> {
    return alterTopicConfigs(this.#calls, name, changes)
  }

  /** No entry for a partition without such a record. */
  listOffsets(
    topic: string,
    partitions: readonly number[],
    point: OffsetPoint,
    isolation: Isolation = 'read_uncommitted',
  ): Promise<Map<number, bigint>> {
    return listOffsets(this.#calls, topic, partitions, point, isolation)
  }

  /** Where the given leader epoch ended, or the last one before it; undefined when the leader remembers none. */
  endOffsetForLeaderEpoch(topic: string, partition: number, leaderEpoch: number): Promise<EpochEnd | undefined> {
    return endOffsetForLeaderEpoch(this.#calls, topic, partition, leaderEpoch)
  }

  /** Every position with the topic it belongs to, also those of topics that were deleted and created again. */
  committedPositions(group: string, topics?: readonly string[]): Promise<CommittedPosition[]> {
    return committedPositions(this.#calls, group, topics)
  }

  /** By `topic:partition`; nothing for a partition without a position in the topic that is there now. */
  committedOffsets(group: string, topics?: readonly string[]): Promise<Map<string, bigint>> {
    return committedOffsets(this.#calls, group, topics)
  }

  /** For a group without members. */
  commitOffsets(group: string, offsets: readonly GroupOffset[]): Promise<void> {
    return commitOffsets(this.#calls, group, offsets)
  }

  /** Idempotent producers that leaders remember; others leave no trace there. */
  activeProducers(topic: string, partitions: readonly number[]): Promise<ActiveProducer[]> {
    return activeProducers(this.#calls, topic, partitions)
  }

  /** Quotas that slow producers down. */
  writeQuotas(): Promise<WriteQuota[]> {
    return writeQuotas(this.#calls)
  }

  /** Free bytes of every broker, and what the named topic takes there. */
  brokerRooms(topic?: { readonly name: string; readonly partitions: number }): Promise<BrokerRoom[]> {
    return brokerRooms(this.#calls, topic)
  }

  listGroups(): Promise<GroupListing[]> {
    return listGroups(this.#calls)
  }

  /** Undefined when there is no such group. */
  describeGroup(group: string): Promise<GroupDescription | undefined> {
    return describeGroup(this.#calls, group)
  }

  /** Takes the positions of a group on the topics away, and the group when it has none elsewhere. @returns how many went */
  dropPositions(group: string, topics: readonly string[]): Promise<number> {
    return dropPositions(this.#calls, group, topics)
  }

  /** Returns false when there was no such group. */
  deleteGroup(group: string): Promise<boolean> {
    return deleteGroup(this.#calls, group)
  }
}

/** For engines that do not know the request: metadata say the same. */
async function describedByMetadata(
  connection: Connection,
): Promise<Pick<describeClusterV0.DescribeClusterResponse, 'clusterId' | 'controllerId' | 'brokers'>> {
  const { clusterId, controllerId, brokers } = await requestMetadata(connection, [])
  const described = brokers.map(({ nodeId, ...place }) => ({ brokerId: nodeId, ...place, rack: place.rack ?? null }))
  return { clusterId: clusterId ?? '', controllerId, brokers: described }
}
