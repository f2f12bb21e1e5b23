/**
 * What is known of a cluster's brokers, topics and leaders.
 *
 * M1. One metadata request is under way at a time. Who asks for fresh facts meanwhile gets those of the next request,
 *     never of one that had already left; all who wait share it.
 * M2. Of two reports about one partition the one with the higher leader epoch stands: a broker that lags behind does not
 *     bring an old leader back. A topic with another id is another topic, and its report replaces the old one.
 * M3. An error of one topic is a fact about that topic, not a failure of the request; it is not remembered as known.
 */
import type { Connection, metadataV12 } from '@platformatic/kafka'
import { responseOf } from '../protocol/kafka-errors.ts'
import * as requests from '../protocol/requests.ts'
import type { BrokerAddress } from './broker-connection.ts'

export interface PartitionMetadata {
  readonly index: number
  /** Node id of the leader, -1 while there is none. */
  readonly leader: number
  readonly leaderEpoch: number
  readonly replicas: readonly number[]
  readonly isr: readonly number[]
}

export interface TopicMetadata {
  readonly name: string
  readonly id: string
  /** Kafka's error code for this topic, when it has one: 3 is an unknown topic. */
  readonly errorCode?: number
  /** Rising by index. */
  readonly partitions: readonly PartitionMetadata[]
}

export interface Broker extends BrokerAddress {
  readonly nodeId: number
  readonly rack: string | null
}

export type MetadataAnswer = metadataV12.MetadataResponse

/** Asks a broker; the answer may come wrapped in an error that still holds it (M3). */
export async function requestMetadata(
  connection: Connection,
  topics: readonly string[] | null,
): Promise<metadataV12.MetadataResponse> {
  try {
    return await requests.metadata.send(connection, topics === null ? null : [...topics], false, false)
  } catch (error) {
    const response = responseOf<metadataV12.MetadataResponse>(error)
    if (response === undefined) throw error
    return response
  }
}

interface Round {
  readonly topics: Set<string>
  readonly done: Promise<ReadonlyMap<string, TopicMetadata>>
}

export class MetadataCache {
  readonly #ask: (topics: readonly string[]) => Promise<metadataV12.MetadataResponse>
  readonly #topics = new Map<string, TopicMetadata>()
  #brokers = new Map<number, Broker>()
  #clusterId: string | null = null
  #controllerId = -1
  #running: Promise<unknown> | undefined
  #next: Round | undefined

  constructor(ask: (topics: readonly string[]) => Promise<metadataV12.MetadataResponse>) {
    this.#ask = ask
  }

  get clusterId(): string | null {
    return this.#clusterId
  }

  get controllerId(): number {
    return this.#controllerId
  }

  brokers(): readonly Broker[] {
    return [...this.#brokers.values()]
  }

  broker(nodeId: number): Broker | undefined {
    return this.#brokers.get(nodeId)
  }

  topic(name: string): TopicMetadata | undefined {
    return this.#topics.get(name)
  }

  /** What is known of the topics, asking only when something is missing or `refresh` is set. */
  async get(names: readonly string[], refresh: boolean): Promise<TopicMetadata[]> {
    const known = names.map((name) => this.#topics.get(name))
    if (!refresh && known.every((topic) => topic !== undefined)) return known
    const fresh = await this.refresh(names)
    return names.map((name) => fresh.get(name) ?? { name, id: '', errorCode: 3, partitions: [] })
  }

  /** Joins the next round (M1); an empty list learns of brokers alone. */
  refresh(names: readonly string[]): Promise<ReadonlyMap<string, TopicMetadata>> {
    if (this.#next === undefined) {
      const topics = new Set<string>()
      const before = this.#running ?? Promise.resolve()
      const done = before.then(
        () => this.#round(topics),
        () => this.#round(topics),
      )
      this.#next = { topics, done }
    }
    for (const name of names) this.#next.topics.add(name)
    return this.#next.done
  }

  async #round(topics: ReadonlySet<string>): Promise<ReadonlyMap<string, TopicMetadata>> {
    const running = this.#ask([...topics])
    this.#running = running
    this.#next = undefined
    try {
      return this.#learn(await running)
    } finally {
      if (this.#running === running) this.#running = undefined
    }
  }

  /** Where brokers are, from an answer that was asked for elsewhere. */
  learnBrokers(response: MetadataAnswer): void {
    this.#clusterId = response.clusterId ?? null
    this.#controllerId = response.controllerId
    this.#brokers = new Map(response.brokers.map((broker) => [broker.nodeId, { ...broker, rack: broker.rack ?? null }]))
  }

  #learn(response: MetadataAnswer): ReadonlyMap<string, TopicMetadata> {
    this.learnBrokers(response)
    const found = new Map<string, TopicMetadata>()
    for (const topic of response.topics) {
      if (typeof topic.name !== 'string') continue
      const reported = {
        name: topic.name,
        id: topic.topicId,
        ...(topic.errorCode === 0 ? {} : { errorCode: topic.errorCode }),
        partitions: topic.partitions
          .map((partition) => ({
            index: partition.partitionIndex,
            leader: partition.leaderId,
            leaderEpoch: partition.leaderEpoch,
            replicas: partition.replicaNodes,
            isr: partition.isrNodes,
          }))
          .toSorted((a, b) => a.index - b.index),
      }
      const merged = mergeTopic(this.#topics.get(topic.name), reported)
      if (topic.errorCode === 0) this.#topics.set(topic.name, merged)
      else this.#topics.delete(topic.name)
      found.set(topic.name, merged)
    }
    return found
  }
}

function mergeTopic(known: TopicMetadata | undefined, reported: TopicMetadata): TopicMetadata {
  if (known === undefined || known.id !== reported.id) return reported
  const newest = reported.partitions.map((partition) => {
    const before = known.partitions[partition.index]
    return before !== undefined && before.index === partition.index && before.leaderEpoch > partition.leaderEpoch
      ? before
      : partition
  })
  return { ...reported, partitions: newest }
}
