/**
 * What the control plane asks of a Kafka cluster. The one implementation that speaks Kafka is in kafka-admin.ts; tests
 * bring their own.
 *
 * A1. Every call ends within the time it is given by its caller's deadline; none changes anything twice when repeated.
 */
import type { ClusterAddress } from '@mq/contract'

export interface TopicSpec {
  readonly name: string
  readonly partitions: number
  readonly replication: number
  readonly configs: Readonly<Record<string, string>>
}

export interface TopicFacts {
  readonly topicId: string | null
  readonly partitions: number
  readonly replication: number
  /** Partitions that have no leader now. */
  readonly leaderless: number
}

export interface ClusterAdmin {
  describe(): Promise<{ clusterId: string; brokers: number }>
  /** Facts of those topics that exist. */
  findTopics(names: readonly string[]): Promise<Map<string, TopicFacts>>
  /** MQ_TOPIC_EXISTS when there is one of that name. */
  createTopic(spec: TopicSpec): Promise<void>
  /** A topic that is gone already is fine. */
  deleteTopic(name: string): Promise<void>
  alterTopicConfigs(name: string, configs: Readonly<Record<string, string>>): Promise<void>
  /** Log end offset of each partition. */
  endOffsets(name: string, partitions: number): Promise<bigint[]>
  close(): Promise<void>
}

export type OpenAdmin = (address: ClusterAddress) => ClusterAdmin
