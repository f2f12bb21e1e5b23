/** The least a fetcher needs of a cluster of one broker, straight on the library's connection. */
import { type Connection, Connection as LibraryConnection, metadataV12 } from '@platformatic/kafka'
import type { FetchCluster } from '../src/fetch-network.ts'

export interface PlainCluster extends FetchCluster {
  connect(): Promise<Connection>
  close(): Promise<void>
}

export function plainCluster(bootstrap: string): PlainCluster {
  const [host = '', port = ''] = bootstrap.split(':')
  const connections = new Set<Connection>()
  const connect = async (): Promise<Connection> => {
    const connection = new LibraryConnection('mq-test', { maxInflights: 1 })
    connection.on('error', () => {})
    connections.add(connection)
    await connection.connect(host, Number(port))
    return connection
  }
  return {
    connect,
    metadata: async (topics) => {
      const connection = await connect()
      try {
        const answer = await metadataV12.api.async(connection, [...topics], false, false)
        return answer.topics.map((topic) => ({
          name: topic.name ?? '',
          id: topic.topicId,
          errorCode: topic.errorCode,
          partitions: topic.partitions.map((one) => ({
            index: one.partitionIndex,
            leader: one.leaderId,
            leaderEpoch: one.leaderEpoch,
          })),
        }))
      } finally {
        await connection.close()
        connections.delete(connection)
      }
    },
    openConnection: async () => await connect(),
    close: async () => {
      for (const connection of connections) await connection.close()
    },
  }
}
