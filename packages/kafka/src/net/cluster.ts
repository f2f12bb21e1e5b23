/**
 * One Kafka cluster as a client sees it: its brokers, connections, API versions and the leaders of partitions.
 *
 * L1. Connections are shared by (broker, purpose); `openConnection` gives one of the caller's own.
 * L2. Questions about the cluster go to any broker that answers (broker-access.ts); where brokers are reached, and how, may change
 *     while it is used (`reconfigure`).
 * L3. `markStale` asks for fresh metadata in the background, at most once per pause, the pause growing while it fails.
 * L4. Versions of requests are chosen connection by connection (api-versions.ts): nothing of them is kept here.
 */
import { MqError, type MqErrorCode } from '@mq/contract'
import { backoffMs, type Deps, systemDeps, type TimerHandle, untilAborted, within } from '@mq/contract/timing'
import type { Connection } from '@platformatic/kafka'
import { toMqError } from '../protocol/kafka-errors.ts'
import { BrokerAccess } from './broker-access.ts'
import { addressText, dropConnection, type Purpose } from './broker-connection.ts'
import { type Broker, MetadataCache, requestMetadata, type TopicMetadata } from './metadata-cache.ts'
import type { Security } from './security-types.ts'

export interface ClusterOptions {
  /** mQ's name of the cluster, for messages. */
  readonly name: string
  readonly clientId: string
  /** `host:port` of some brokers; the rest is learnt from them. */
  readonly bootstrap: readonly string[]
  /** Default: plaintext. */
  readonly security?: Security
  /** Default 5,000. */
  readonly connectTimeoutMs?: number
  /** Default 30,000. */
  readonly requestTimeoutMs?: number
  /** A longer frame is taken for an attack or for another protocol. Default 128 MiB. */
  readonly maxResponseBytes?: number
  readonly deps?: Deps
  /** Addresses that were given later do not answer yet; they are tried on. */
  readonly onTrouble?: (error: MqError) => void
}

export interface PartitionLeader {
  readonly nodeId: number
  readonly leaderEpoch: number
}

/** Whether a broker can be reached at the address it advertises. */
export interface BrokerTrial {
  readonly nodeId: number
  readonly address: string
  readonly problem: MqError | null
}

const SILENT: ReadonlySet<MqErrorCode> = new Set<MqErrorCode>([
  'MQ_KAFKA_TIMEOUT',
  'MQ_KAFKA_UNREACHABLE',
  'MQ_KAFKA_ADVERTISED',
])
const PLAINTEXT: Security = { protocol: 'plaintext' }
const STALE_PAUSE = { baseMs: 50, maxMs: 2_000 }

export class Cluster {
  readonly name: string
  readonly deps: Deps
  readonly #access: BrokerAccess
  readonly #metadata: MetadataCache
  readonly #stale = new Set<string>()
  #staleFailures = 0
  #staleTimer: TimerHandle | undefined
  #closed = false

  constructor(options: ClusterOptions) {
    const { name, clientId, bootstrap, security = PLAINTEXT, deps = systemDeps } = options
    this.name = name
    this.deps = deps
    const { connectTimeoutMs = 5_000, requestTimeoutMs = 30_000, maxResponseBytes = 128 * 1_048_576 } = options
    this.#metadata = new MetadataCache((topics) => this.#askMetadata(topics))
    this.#access = new BrokerAccess(
      { bootstrap, security },
      {
        cluster: name,
        clientId,
        connectTimeoutMs,
        requestTimeoutMs,
        maxResponseBytes,
        deps,
        brokers: () => this.#metadata.brokers(),
        clusterId: () => this.#metadata.clusterId,
        onMoved: (answer) => this.#metadata.learnBrokers(answer),
        onTrouble: (error) => options.onTrouble?.(error),
        onStranger: () => void this.#metadata.refresh([]).catch(() => {}),
      },
    )
  }

  /** Kafka's own id of the cluster, once metadata was read. */
  get clusterId(): string | null {
    return this.#metadata.clusterId
  }

  /** Node id of the controller as brokers report it, -1 while unknown. */
  get controllerId(): number {
    return this.#metadata.controllerId
  }

  /** The shared connection to a broker for one purpose. @throws MqError MQ_KAFKA_UNREACHABLE and its kin */
  async connection(nodeId: number, purpose: Purpose): Promise<Connection> {
    return await this.#access.toBroker(
      () => this.#broker(nodeId),
      (pool, address) => pool.get(address, purpose),
    )
  }

  /**
   * A connection of the caller's own: the caller closes it, and `close()` closes what is left.
   * @param onRenewed takes the connection to use from now on, whenever the one before is about to be of no use any more
   */
  async openConnection(
    nodeId: number,
    purpose: Purpose,
    onRenewed?: (successor: Connection) => void,
  ): Promise<Connection> {
    return await this.#access.toBroker(
      () => this.#broker(nodeId),
      (pool, address) => pool.open(address, purpose, onRenewed),
    )
  }

  /** The shared connection to any broker that answers (L2). */
  async anyConnection(purpose: Purpose): Promise<Connection> {
    return await this.#access.any(purpose)
  }

  /** Other addresses or another security of this same cluster, from now on: what is under way comes to its end (L2). */
  reconfigure({ bootstrap, security = PLAINTEXT }: Pick<ClusterOptions, 'bootstrap' | 'security'>): void {
    if (!this.#closed) this.#access.change({ bootstrap, security })
  }

  /** Whether the addresses given last lead to another Kafka cluster than this one. */
  get leadsElsewhere(): boolean {
    return this.#access.leadsElsewhere
  }

  /** Whether a broker answers at all: asked on a connection of its own what waits for nothing. One that refuses us is alive. */
  async isAlive(nodeId: number): Promise<boolean> {
    try {
      dropConnection(await this.openConnection(nodeId, 'admin'))
      return true
    } catch (error) {
      return !SILENT.has(toMqError(error, `connect to broker ${nodeId}`).code)
    }
  }

  /** Tries each broker where it says that clients find it. @param limitMs for one that does not answer */
  async tryBrokers(limitMs: number): Promise<BrokerTrial[]> {
    await this.#metadata.refresh([])
    const trials = this.brokers().map(async (broker): Promise<BrokerTrial> => {
      const address = addressText(broker)
      const late = (): MqError =>
        new MqError(
          'MQ_KAFKA_ADVERTISED',
          `broker ${broker.nodeId} of cluster ${this.name} advertises ${address}, and nothing answers there within ${limitMs} ms`,
        )
      try {
        await within(this.deps, limitMs, late, this.connection(broker.nodeId, 'admin'))
        return { nodeId: broker.nodeId, address, problem: null }
      } catch (error) {
        return { nodeId: broker.nodeId, address, problem: toMqError(error, `connect to ${address}`) }
      }
    })
    return await Promise.all(trials)
  }

  /** What is known of topics; unknown ones come with `errorCode` 3. */
  async metadata(
    topics: readonly string[],
    options: { readonly refresh?: boolean; readonly signal?: AbortSignal } = {},
  ): Promise<TopicMetadata[]> {
    options.signal?.throwIfAborted()
    const answer = this.#metadata.get(topics, options.refresh === true)
    return options.signal === undefined ? await answer : await untilAborted(answer, options.signal)
  }

  /** All topics of the cluster, internal ones included; not cached. */
  async topicNames(): Promise<string[]> {
    const response = await this.#access.ask('list topics', (connection) => requestMetadata(connection, null))
    return response.topics.flatMap((topic) =>
      typeof topic.name !== 'string' || topic.errorCode !== 0 ? [] : [topic.name],
    )
  }

  /** The leader as last heard; undefined while there is none or nobody asked for the topic. */
  leader(topic: string, partition: number): PartitionLeader | undefined {
    const known = this.#metadata.topic(topic)?.partitions[partition]
    if (known === undefined || known.leader < 0) return undefined
    return { nodeId: known.leader, leaderEpoch: known.leaderEpoch }
  }

  /** Asks for the leaders of topics anew. Never rejects: where nobody answers, what was known stands. */
  async freshLeaders(topics: readonly string[]): Promise<(topic: string, partition: number) => number | undefined> {
    await this.#metadata.refresh(topics).catch(() => {})
    return (topic, partition) => this.leader(topic, partition)?.nodeId
  }

  topicId(topic: string): string | undefined {
    return this.#metadata.topic(topic)?.id
  }

  brokers(): readonly Broker[] {
    return this.#metadata.brokers()
  }

  /** What is known of the topic's leaders may be wrong: ask again, soon and in the background (L3). */
  markStale(topic: string): void {
    if (this.#closed) return
    this.#stale.add(topic)
    if (this.#staleTimer !== undefined) return
    const pauseMs = Math.max(STALE_PAUSE.baseMs, backoffMs(this.#staleFailures, this.deps.random, STALE_PAUSE))
    this.#staleTimer = this.deps.timers.setTimeout(() => void this.#refreshStale(), pauseMs)
    this.#staleTimer.unref()
  }

  async close(): Promise<void> {
    this.#closed = true
    if (this.#staleTimer !== undefined) this.deps.timers.clearTimeout(this.#staleTimer)
    this.#access.close()
  }

  async #refreshStale(): Promise<void> {
    const topics = [...this.#stale]
    this.#stale.clear()
    try {
      await this.#metadata.refresh(topics)
      this.#staleFailures = 0
    } catch {
      this.#staleFailures += 1
      for (const topic of topics) this.#stale.add(topic)
    }
    this.#staleTimer = undefined
    const [topic] = this.#stale
    if (topic !== undefined) this.markStale(topic)
  }

  async #askMetadata(topics: readonly string[]): Promise<Awaited<ReturnType<typeof requestMetadata>>> {
    const answer = await this.#access.ask('ask for metadata', (connection) => requestMetadata(connection, topics))
    this.#access.forgetStrangers()
    return answer
  }

  async #broker(nodeId: number): Promise<Broker> {
    const known = this.#metadata.broker(nodeId)
    if (known !== undefined) return known
    await this.#metadata.refresh([])
    const learnt = this.#metadata.broker(nodeId)
    if (learnt !== undefined) return learnt
    throw new MqError('MQ_KAFKA_UNREACHABLE', `broker ${nodeId} is not part of cluster ${this.name} now`)
  }
}
