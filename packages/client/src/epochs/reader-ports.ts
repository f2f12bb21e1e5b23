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
  earliestOffsets(topic: string, partitions: number[]): Promise<Map<number, bigint>>
  /** Where the epoch of a leader ended, or the last one before it; undefined when nobody remembers. */
  endOfLeaderEpoch(topic: string, partition: number, leaderEpoch: number): Promise<EpochEnd | undefined>
  /** The id of the topic that has the name now; undefined where the cluster has no topic ids. */
  topicId(topic: string): Promise<string | undefined>
}

/** Where a group without a position begins: at the end, or at the first record that is not older. */
export type StartPoint = 'latest' | { readonly timestampMs: number }

/** Positions of a group in one topic, seen and set from outside. */
export interface PositionPort {
  /** By partition. */
  positions(groupId: string, topic: string): Promise<Map<number, bigint>>
  /** By partition, also of partitions that somebody added: `partitions` is how many there are at least. */
  offsetsAt(topic: string, partitions: number, point: StartPoint): Promise<Map<number, bigint>>
  /** Commits the first positions of a group. Nothing happens to a group that has members. */
  commitFirst(groupId: string, topic: string, offsets: ReadonlyMap<number, bigint>): Promise<void>
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
    offsetsAt: async (topic, partitions, point) => {
      const [known] = await cluster.metadata([topic], { refresh: true })
      const all = Array.from({ length: Math.max(partitions, known?.partitions.length ?? 0) }, (_, index) => index)
      const found = await admin.listOffsets(topic, all, point)
      if (point === 'latest') return found
      const rest = all.filter((partition) => !found.has(partition))
      const ends = await admin.listOffsets(topic, rest, 'latest')
      // Asked after that: what comes in between is not passed over.
      const newer = await admin.listOffsets(topic, rest, point)
      return new Map([...ends, ...newer, ...found])
    },
    commitFirst: async (groupId, topic, first) => {
      const offsets = [...first].map(([partition, offset]) => ({ topic, partition, offset }))
      try {
        await admin.commitOffsets(groupId, offsets)
      } catch (error) {
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
    earliestOffsets: (topic, partitions) => admin.listOffsets(topic, partitions, 'earliest'),
    endOfLeaderEpoch: (topic, partition, leaderEpoch) => brief.endOffsetForLeaderEpoch(topic, partition, leaderEpoch),
    topicId: async (topic) => {
      const [found] = await cluster.metadata([topic], { refresh: true })
      const code = found?.errorCode ?? 0
      if (code !== 0) throw toMqError(code, `look for topic ${topic}`)
      return topicIdOf(found?.id)
    },
  }
}
