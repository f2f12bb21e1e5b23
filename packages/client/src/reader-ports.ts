/**
 * What an epoch reader needs of Kafka, and the real thing behind it.
 */
import {
  Admin,
  type Cluster,
  Fetcher,
  type FetcherOptions,
  GroupMember,
  type GroupOptions,
  type TopicPartition,
} from '@mq/kafka'

export interface GroupPort {
  start(): Promise<void>
  /** By `topic:partition`; nothing for a partition without a position. */
  committed(partitions: TopicPartition[]): Promise<Map<string, bigint>>
  commit(offsets: { topic: string; partition: number; offset: bigint }[]): Promise<void>
  close(): Promise<void>
}

export type FetchPort = Pick<Fetcher, 'add' | 'remove' | 'update' | 'position' | 'highWatermark' | 'close'>

export interface ReaderPorts {
  openGroup(options: Omit<GroupOptions, 'cluster'>): GroupPort
  openFetcher(options: Omit<FetcherOptions, 'cluster'>): FetchPort
  listOffsets(topic: string, partitions: number[], at: 'earliest' | 'latest'): Promise<Map<number, bigint>>
}

export function kafkaPorts(cluster: Cluster): ReaderPorts {
  const admin = new Admin(cluster)
  return {
    openGroup: (options) => new GroupMember({ ...options, cluster }),
    openFetcher: (options) => new Fetcher({ ...options, cluster }),
    listOffsets: (topic, partitions, at) => admin.listOffsets(topic, partitions, at),
  }
}
