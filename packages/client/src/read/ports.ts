/**
 * What reading without a group needs of Kafka, and the real thing behind it.
 */
import { Admin, type Cluster, Fetcher, type FetcherOptions, type Isolation, type OffsetPoint } from '@mq/kafka'
import type { FetchPort } from '../epochs/reader-ports.ts'

export interface LogPorts {
  openFetcher(options: Omit<FetcherOptions, 'cluster'>): FetchPort
  /** No entry for a partition without such a record. */
  listOffsets(topic: string, partitions: number[], at: OffsetPoint, isolation: Isolation): Promise<Map<number, bigint>>
  /** By partition; nothing for one without a position. */
  positions(groupId: string, topic: string): Promise<Map<number, bigint>>
  /** How many members a group has now; 0 when there is no such group. */
  members(groupId: string): Promise<number>
}

export function kafkaLogPorts(cluster: Cluster): LogPorts {
  const admin = new Admin(cluster)
  return {
    openFetcher: (options) => new Fetcher({ ...options, cluster }),
    listOffsets: (topic, partitions, at, isolation) => admin.listOffsets(topic, partitions, at, isolation),
    positions: async (groupId, topic) => {
      const committed = await admin.committedOffsets(groupId, [topic])
      return new Map([...committed].map(([place, offset]) => [Number(place.slice(place.lastIndexOf(':') + 1)), offset]))
    },
    members: async (groupId) => (await admin.describeGroup(groupId))?.members.length ?? 0,
  }
}
