/**
 * A compacted topic of one partition, used as a small table: the newest value of each key.
 *
 * T1. The topic is made on first use; one that exists is taken as it is.
 * T2. `write` resolves once every value is stored by all in-sync replicas.
 * T3. `read` covers everything that was stored when it was called, and nothing that a later write of the same call could hide:
 *     it reads from the first offset to the end offset of that moment.
 */
import { MqError } from '@mq/contract'
import { readRange } from '../fetch/read-range.ts'
import type { Cluster } from '../net/cluster.ts'
import { MemoryBudget } from '../produce/memory-budget.ts'
import { Producer } from '../produce/producer.ts'
import { Admin } from './admin.ts'

const DEADLINE_MS = 15_000
const MAX_VALUE_BYTES = 8 * 1_048_576
const PARTITION = 0
const MOST_REPLICAS = 3

export class CompactedTopic {
  readonly name: string
  readonly #cluster: Cluster

  constructor(cluster: Cluster, name: string) {
    this.#cluster = cluster
    this.name = name
  }

  /**
   * @param values the newest value of each key, as text
   * @throws MqError what the cluster answered; values before the failure may be stored
   */
  async write(values: ReadonlyMap<string, string>): Promise<void> {
    if (values.size === 0) return
    const admin = new Admin(this.#cluster, { deadlineMs: DEADLINE_MS })
    await this.#make(admin)
    const producer = new Producer({
      cluster: this.#cluster,
      settings: {
        codec: 'zstd',
        codecLevel: 3,
        lingerMs: 5,
        batchBytes: 1_048_576,
        maxMessageBytes: MAX_VALUE_BYTES,
        requestTimeoutMs: 10_000,
      },
      budget: new MemoryBudget(4 * MAX_VALUE_BYTES),
      deps: this.#cluster.deps,
      sendDeadlineMs: DEADLINE_MS,
    })
    try {
      const topic = producer.topic(this.name, 1)
      await Promise.all([...values].map(([key, value]) => producer.send(topic, key, value)))
    } finally {
      await producer.close(0).catch(() => {})
    }
  }

  /** The newest value of each key; empty where the topic does not exist. */
  async read(): Promise<Map<string, string>> {
    const admin = new Admin(this.#cluster, { deadlineMs: DEADLINE_MS })
    const [found] = await this.#cluster.metadata([this.name], { refresh: true })
    const values = new Map<string, string>()
    if (found === undefined || found.partitions.length === 0) return values
    const [first, end] = await Promise.all(
      (['earliest', 'latest'] as const).map(async (point) => {
        const offsets = await admin.listOffsets(this.name, [PARTITION], point)
        return offsets.get(PARTITION) ?? 0n
      }),
    )
    const range = { first: first!, end: end!, readAheadBytes: 4 * MAX_VALUE_BYTES, batchDeadlineMs: DEADLINE_MS }
    await readRange(this.#cluster, { topic: this.name, partition: PARTITION, ...range }, (record) => {
      const key = record.keyString()
      if (key === null) return
      const value = record.valueString()
      if (value === null) values.delete(key)
      else values.set(key, value)
    })
    return values
  }

  /** T1 */
  async #make(admin: Admin): Promise<void> {
    const [found] = await this.#cluster.metadata([this.name], { refresh: true })
    if (found !== undefined && found.partitions.length > 0) return
    const { brokers } = await admin.describeCluster()
    const replication = Math.max(1, Math.min(MOST_REPLICAS, brokers.length))
    try {
      await admin.createTopic({
        name: this.name,
        partitions: 1,
        replication,
        configs: {
          'cleanup.policy': 'compact',
          'min.insync.replicas': String(Math.max(1, replication - 1)),
          'max.message.bytes': String(MAX_VALUE_BYTES + 4_096),
          'segment.bytes': String(16 * 1_048_576),
        },
      })
    } catch (error) {
      if (!(error instanceof MqError) || error.code !== 'MQ_TOPIC_EXISTS') throw error
    }
  }
}
