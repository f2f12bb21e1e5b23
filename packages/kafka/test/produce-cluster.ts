/** The least a producer needs of a cluster, straight on the library's connection. */
import { Connection, metadataV12 } from '@platformatic/kafka'
import type { ProduceCluster } from '../src/produce/producer-options.ts'

export interface TestCluster extends ProduceCluster {
  close(): Promise<void>
}

interface Place {
  readonly nodeId: number
}

export function produceCluster(bootstrap: string, requestTimeoutMs = 30_000): TestCluster {
  const [host = '', port = ''] = bootstrap.split(':')
  const all = new Set<Connection>()
  const byNode = new Map<number, Connection>()
  const addresses = new Map<number, { host: string; port: number }>()
  const leaders = new Map<string, Place>()
  const open = async (toHost: string, toPort: number): Promise<Connection> => {
    const connection = new Connection('mq-test', { maxInflights: 64, requestTimeout: requestTimeoutMs })
    connection.on('error', () => {})
    all.add(connection)
    await connection.connect(toHost, toPort)
    return connection
  }
  let first: Promise<Connection> | undefined
  const bootstrapConnection = async (): Promise<Connection> => {
    const known = await first?.catch(() => undefined)
    if (known?.isConnected() === true) return known
    first = open(host, Number(port))
    return await first
  }
  const refresh = async (topics: readonly string[]): Promise<void> => {
    const answer = await metadataV12.api.async(await bootstrapConnection(), [...topics], false, false)
    for (const broker of answer.brokers) addresses.set(broker.nodeId, broker)
    for (const topic of answer.topics) {
      for (const { partitionIndex, leaderId } of topic.partitions) {
        if (leaderId >= 0) leaders.set(`${topic.name}:${partitionIndex}`, { nodeId: leaderId })
      }
    }
  }
  const opening = new Map<number, Promise<Connection>>()
  return {
    connection: async (nodeId) => {
      const known = byNode.get(nodeId)
      if (known?.isConnected() === true) return known
      const address = addresses.get(nodeId) ?? { host, port: Number(port) }
      const before = opening.get(nodeId)
      if (before !== undefined) return await before
      const promise = open(address.host, address.port).finally(() => opening.delete(nodeId))
      opening.set(nodeId, promise)
      const connection = await promise
      byNode.set(nodeId, connection)
      return connection
    },
    anyConnection: bootstrapConnection,
    metadata: async (topics) => await refresh(topics),
    leader: (topic, partition) => leaders.get(`${topic}:${partition}`),
    markStale: (topic) => {
      refresh([topic]).catch(() => {})
    },
    close: async () => {
      for (const connection of all) {
        connection.close().catch(() => {})
        connection.socket?.destroy()
      }
    },
  }
}
