/**
 * Sees when a topic has leaders again that are not the broker that failed.
 *
 * L1. It asks a broker that does not fail, over a connection of its own that was there before the fault.
 */
import { setTimeout as pause } from 'node:timers/promises'
import { Cluster } from '@mq/kafka'
import type { LocalBroker, LocalCluster } from '@mq/local'
import { metadataV12 } from '@platformatic/kafka'

const POLL_MS = 25
const GIVE_UP_MS = 120_000

export class ElectionWatch {
  readonly #topic: string
  readonly #cluster: Cluster
  readonly #connection: Awaited<ReturnType<Cluster['openConnection']>>

  private constructor(topic: string, cluster: Cluster, connection: Awaited<ReturnType<Cluster['openConnection']>>) {
    this.#topic = topic
    this.#cluster = cluster
    this.#connection = connection
  }

  static async open(kafka: LocalCluster, topic: string, observer: LocalBroker): Promise<ElectionWatch> {
    const cluster = new Cluster({ name: 'election', clientId: 'election', bootstrap: kafka.bootstrap })
    return new ElectionWatch(topic, cluster, await cluster.openConnection(observer.nodeId, 'admin'))
  }

  /** Of each partition, by its index; -1 where there is none. */
  async leaders(): Promise<number[]> {
    const { topics } = await metadataV12.api.async(this.#connection, [this.#topic], false, false)
    const partitions = topics[0]?.partitions ?? []
    return partitions.toSorted((a, b) => a.partitionIndex - b.partitionIndex).map(({ leaderId }) => leaderId)
  }

  /** Resolves when every partition is led, and none by this broker. */
  async elected(without: LocalBroker): Promise<void> {
    for (const endMs = performance.now() + GIVE_UP_MS; ; await pause(POLL_MS)) {
      const leaders = await this.leaders()
      if (leaders.length > 0 && leaders.every((leader) => leader >= 0 && leader !== without.nodeId)) return
      if (performance.now() > endMs) throw new Error(`${this.#topic} is led by ${leaders.join(', ')}`)
    }
  }

  async close(): Promise<void> {
    await this.#connection.close()
    await this.#cluster.close()
  }
}
