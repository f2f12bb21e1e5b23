/** The least a fetcher needs of a cluster of one broker: nothing is remembered, and a connection of the library's own for requests made by hand. */
import { type Connection, Connection as LibraryConnection } from '@platformatic/kafka'
import type { FetchCluster } from '../src/fetch/fetch-network.ts'
import { Cluster } from '../src/net/cluster.ts'

export interface PlainCluster extends FetchCluster {
  connect(): Promise<Connection>
  close(): Promise<void>
}

export function plainCluster(bootstrap: string): PlainCluster {
  const [host = '', port = ''] = bootstrap.split(':')
  const cluster = new Cluster({ name: 'plain', clientId: 'mq-test', bootstrap: [bootstrap] })
  const connections = new Set<Connection>()
  return {
    connect: async () => {
      const connection = new LibraryConnection('mq-test', { maxInflights: 1 })
      connection.on('error', () => {})
      connections.add(connection)
      await connection.connect(host, Number(port))
      return connection
    },
    metadata: (topics) => cluster.metadata(topics, { refresh: true }),
    openConnection: (nodeId, purpose, onRenewed) => cluster.openConnection(nodeId, purpose, onRenewed),
    close: async () => {
      for (const connection of connections) await connection.close()
      await cluster.close()
    },
  }
}
