/**
 * What an epoch reader needs of Kafka, and the real thing behind it.
 */
import { MqError } from '@mq/contract'
import {
  Admin,
  type Cluster,
  type CommitOffset,
  type EpochEnd,
  Fetcher,
  type FetcherOptions,
  GroupMember,
  type GroupOptions,
  type IdentifiedPartition,
  type Position,
  toMqError,
  topicIdOf,
} from '@mq/kafka'

export interface GroupPort {
  start(): Promise<void>
  /** By `topic:partition`; nothing for a partition without a position in that very topic. */
  positions(partitions: IdentifiedPartition[]): Promise<Map<string, Position>>
  commit(offsets: CommitOffset[]): Promise<void>
  /** Loses what is held if the session ended, before anything is done with it. */
  check(): void
  close(): Promise<void>
}

export type FetchPort = Pick<Fetcher, 'add' | 'remove' | 'update' | 'position' | 'highWatermark' | 'close'>

export interface ReaderPorts {
  openGroup(options: Omit<GroupOptions, 'cluster'>): GroupPort
  openFetcher(options: Omit<FetcherOptions, 'cluster'>): FetchPort
  listOffsets(topic: string, partitions: number[], at: 'earliest' | 'latest'): Promise<Map<number, bigint>>
  /** Where the epoch of a leader ended, or the last one before it; undefined when nobody remembers. */
  endOfLeaderEpoch(topic: string, partition: number, leaderEpoch: number): Promise<EpochEnd | undefined>
  /** The id of the topic that has the name now; undefined where the cluster has no topic ids. */
  topicId(topic: string): Promise<string | undefined>
}

/** Positions of a group in one topic, seen and set from outside. */
export interface PositionPort {
  /** By partition. */
  positions(groupId: string, topic: string): Promise<Map<number, bigint>>
  /** Sets every partition to its end, or to the first record that is not older. Nothing happens to a group that has members. */
  seedAt(
    groupId: string,
    topic: string,
    partitions: number,
    point: 'latest' | { readonly timestampMs: number },
  ): Promise<void>
}

export function kafkaPositions(cluster: Cluster): PositionPort {
  const admin = new Admin(cluster)
  return {
    positions: async (groupId, topic) => {
      const committed = await admin.committedOffsets(groupId, [topic])
      return new Map(
        [...committed].map(([place, offset]) => [Number(place.slice(place.lastIndexOf(':') + 1)), offset] as const),
      )
    },
    seedAt: async (groupId, topic, partitions, point) => {
      const all = Array.from({ length: partitions }, (_, partition) => partition)
      const found = await admin.listOffsets(topic, all, point)
      // Asked after that: what comes in between is not passed over.
      const rest = all.filter((partition) => !found.has(partition))
      const ends = point === 'latest' ? found : await admin.listOffsets(topic, rest, 'latest')
      const newer = point === 'latest' ? found : await admin.listOffsets(topic, rest, point)
      const offsets = all.map((partition) => ({
        ...{ topic, partition },
        offset: found.get(partition) ?? newer.get(partition) ?? ends.get(partition) ?? 0n,
      }))
      try {
        await admin.commitOffsets(groupId, offsets)
      } catch (error) {
        // Somebody of the group was faster, and has seeded it.
        if (!(error instanceof MqError) || error.code !== 'MQ_GROUP_FENCED') throw error
      }
    },
  }
}

export function kafkaPorts(cluster: Cluster): ReaderPorts {
  const admin = new Admin(cluster)
  // Whoever waits for it does not read meanwhile.
  const brief = new Admin(cluster, { deadlineMs: 5_000 })
  return {
    openGroup: (options) => new GroupMember({ ...options, cluster }),
    openFetcher: (options) => new Fetcher({ ...options, cluster }),
    listOffsets: (topic, partitions, at) => admin.listOffsets(topic, partitions, at),
    endOfLeaderEpoch: (topic, partition, leaderEpoch) => brief.endOffsetForLeaderEpoch(topic, partition, leaderEpoch),
    topicId: async (topic) => {
      const [found] = await cluster.metadata([topic], { refresh: true })
      const code = found?.errorCode ?? 0
      if (code !== 0) throw toMqError(code, `look for topic ${topic}`)
      return topicIdOf(found?.id)
    },
  }
}
