/**
 * What the control plane asks of a Kafka cluster. The one implementation that speaks Kafka is in kafka-admin.ts; tests
 * bring their own.
 *
 * A1. Every call ends within the time it is given by its caller's deadline; none changes anything twice when repeated.
 */
import type { AdvertisedBroker, ClusterAddress, ConsumerSettings, ProducerSettings } from '@mq/contract'
import type { ActiveProducer, BrokerRoom, CanaryTimes, LeaderProof, SealedEnd, SealProbe, WriteQuota } from '@mq/kafka'
import type { GroupAdmin } from './group-admin.ts'

export interface ClusterDescription {
  readonly clusterId: string
  readonly brokers: number
  /** Different racks of the brokers; null where one names none, because Kafka spreads copies over racks only when all do. */
  readonly zones: number | null
  /** Where each broker says that clients find it, and whether it was found there; nothing when nobody tried. */
  readonly advertised?: readonly AdvertisedBroker[]
}

export interface TopicSpec {
  readonly name: string
  readonly partitions: number
  readonly replication: number
  readonly configs: Readonly<Record<string, string>>
}

export interface TopicFacts {
  readonly topicId: string | null
  readonly partitions: number
  /** Copies of the partition that has fewest. */
  readonly replication: number
  /** Different racks that hold the copies of the partition that has fewest; null where one of these brokers names none. */
  readonly zones: number | null
  /** Partitions that have no leader now. */
  readonly leaderless: number
  /** In-sync replicas of the partition that has fewest. */
  readonly leastInSync: number
}

/** A consumer group of an mQ ID, as far as one topic is concerned. */
export interface TopicGroup {
  readonly groupId: string
  readonly members: number
  /** Whether there is such a group at all; undefined where that was not asked. */
  readonly exists?: boolean | undefined
  /** Partitions of the topic that members hold now. */
  readonly assigned: ReadonlySet<number>
  /** Members that subscribe to the topic; undefined where the group's protocol does not tell. */
  readonly subscribed?: number | undefined
  /** Whether these hold what the group means them to hold; undefined where that is not told. */
  readonly isSettled?: boolean | undefined
  /** Committed position by partition. */
  readonly committed: ReadonlyMap<number, bigint>
}

/** A group that is not of the mQ ID and reads its topic all the same. */
export interface OtherGroup {
  readonly groupId: string
  /** Members that may read the topic. */
  readonly members: number
  /** `client id@host` of each. */
  readonly clients: readonly string[]
  readonly committed: ReadonlyMap<number, bigint>
}

/** What a migration asks of a cluster beside what everything else does. */
export interface MigrationAdmin {
  /** Whether the cluster would make the topic; makes none. */
  validateTopic(spec: TopicSpec): Promise<void>
  /** MQ_SEAL_UNSAFE when the engine does not keep what a seal rests on, as tried on a topic made and removed for it. */
  checkSealing(spec: Omit<TopicSpec, 'partitions'>): Promise<void>
  /** MQ_SEAL_FORBIDDEN when the topic cannot be sealed; changes nothing. */
  validateSeal(topic: string): Promise<void>
  sizeLimit(topic: string): Promise<string>
  requestSeal(topic: string): Promise<void>
  releaseSeal(topic: string, sizeLimit: string): Promise<void>
  /** @param refresh whether to ask who leads first */
  probeSeal(topic: string, partitions: readonly number[], refresh: boolean): Promise<SealProbe[]>
  sealedEnds(topic: string, proofs: readonly LeaderProof[]): Promise<SealedEnd[]>
  /** Whether a record, and not only the marker of a transaction, stands at the offset or behind it. */
  hasRecords(topic: string, partition: number, from: bigint): Promise<boolean>
  /** Log start offset of each partition. */
  startOffsets(topic: string, partitions: number): Promise<bigint[]>
  /** Idempotent producers the leaders remember. */
  activeProducers(topic: string, partitions: number): Promise<ActiveProducer[]>
  /** Quotas that slow producers down. */
  writeQuotas(): Promise<WriteQuota[]>
  /** Free bytes of every broker, and what the named topic takes there. */
  disks(topic?: { readonly name: string; readonly partitions: number }): Promise<BrokerRoom[]>
  /** Writes and reads one record on a topic of its own, made and removed for it. */
  canary(spec: Omit<TopicSpec, 'partitions'>, settings: CanarySettings): Promise<CanaryTimes>
  /** Groups of the mQ ID that have positions or members on the topic. */
  groupsOf(mqId: string, topic: string): Promise<TopicGroup[]>
  /** Groups of others that have positions on the topic or members that read it, and groups that could not be looked into. */
  otherConsumers(mqId: string, topic: string): Promise<{ groups: OtherGroup[]; unseen: string[] }>
  /** Takes the positions of a group on the topics away, and the group when it has no others. @returns how many went */
  dropPositions(groupId: string, topics: readonly string[]): Promise<number>
  /** How the named group stands on the topic. */
  groupOn(groupId: string, topic: string): Promise<TopicGroup>
  /**
   * Gives a group offset 0 on every partition, where it has no position on any. `kept`: it has; `active`: it has members,
   * and Kafka lets nobody else commit for them.
   */
  seedGroup(groupId: string, topic: string, partitions: number): Promise<'seeded' | 'kept' | 'active'>
}

export interface CanarySettings {
  readonly producer: ProducerSettings
  readonly consumer: ConsumerSettings
}

export interface ClusterAdmin extends MigrationAdmin, GroupAdmin {
  describe(): Promise<ClusterDescription>
  /** The named settings of those topics that exist, as they are in force; all settings when none is named. */
  topicSettings(
    names: readonly string[],
    keys?: readonly string[],
  ): Promise<ReadonlyMap<string, ReadonlyMap<string, string | null>>>
  /** Facts of those topics that exist. */
  findTopics(names: readonly string[]): Promise<Map<string, TopicFacts>>
  /** MQ_TOPIC_EXISTS when there is one of that name. */
  createTopic(spec: TopicSpec): Promise<void>
  /** A topic that is gone already is fine. */
  deleteTopic(name: string): Promise<void>
  alterTopicConfigs(name: string, configs: Readonly<Record<string, string>>): Promise<void>
  /** Log end offset of each partition. */
  endOffsets(name: string, partitions: number): Promise<bigint[]>
  /** The newest value of each key of the registry copy; empty where there is none. */
  readRegistryCopy(): Promise<Map<string, string>>
  writeRegistryCopy(values: ReadonlyMap<string, string>): Promise<void>
  close(): Promise<void>
}

export type OpenAdmin = (address: ClusterAddress) => ClusterAdmin
