/**
 * One Kafka cluster as a client sees it: its brokers, connections, API versions and the leaders of partitions.
 *
 * L1. Connections are shared by (broker, purpose); `openConnection` gives one of the caller's own.
 * L2. Any broker will do for metadata: known brokers and the bootstrap addresses are tried, in an order drawn by chance,
 *     connected ones first and those that failed last time last; only when all failed is the cluster unreachable.
 * L3. `markStale` asks for fresh metadata in the background, at most once per pause, the pause growing while it fails.
 * L4. Versions of requests are chosen connection by connection (api-versions.ts): nothing of them is kept here.
 * L5. A broker that takes a question about the cluster and stays silent for as long as a connection may take loses the
 *     connection, and the next one is asked: a stopped process still takes bytes.
 */
import { MqError } from '@mq/contract'
import type { Connection } from '@platformatic/kafka'
import { backoffMs, within } from './backoff.ts'
import { addressText, type BrokerAddress, failureOf, type Purpose } from './broker-connection.ts'
import { ConnectionPool } from './connection-pool.ts'
import { type Deps, systemDeps, type TimerHandle } from './deps.ts'
import { kafkaCodeOf, toMqError } from './kafka-errors.ts'
import { type Broker, MetadataCache, requestMetadata, type TopicMetadata } from './metadata-cache.ts'
import { checkSecurity, type Security } from './security.ts'

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
}

export interface PartitionLeader {
  readonly nodeId: number
  readonly leaderEpoch: number
}

const STALE_PAUSE = { baseMs: 50, maxMs: 2_000 }

export class Cluster {
  readonly name: string
  readonly deps: Deps
  readonly #bootstrap: readonly BrokerAddress[]
  readonly #pool: ConnectionPool
  readonly #metadata: MetadataCache
  /** How long a broker may take over a question about the cluster (L5). */
  readonly #answerMs: number
  readonly #stale = new Set<string>()
  #staleFailures = 0
  #staleTimer: TimerHandle | undefined
  #closed = false

  constructor(options: ClusterOptions) {
    const { name, clientId, bootstrap, security = { protocol: 'plaintext' }, deps = systemDeps } = options
    checkSecurity(security, name)
    if (bootstrap.length === 0) throw new MqError('MQ_OPTION_INVALID', `Cluster ${name} has no bootstrap address`)
    this.name = name
    this.deps = deps
    this.#bootstrap = bootstrap.map((text) => parseAddress(text, name))
    const { connectTimeoutMs = 5_000, requestTimeoutMs = 30_000, maxResponseBytes = 128 * 1_048_576 } = options
    this.#answerMs = Math.min(connectTimeoutMs, requestTimeoutMs)
    const limits = { connectTimeoutMs, requestTimeoutMs, maxResponseBytes }
    this.#pool = new ConnectionPool({ cluster: name, clientId, security, ...limits }, deps)
    this.#metadata = new MetadataCache((topics) => this.#askMetadata(topics))
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
    return await this.#pool.get(await this.#address(nodeId), purpose)
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
    return await this.#pool.open(await this.#address(nodeId), purpose, onRenewed)
  }

  /** The shared connection to any broker that answers (L2). */
  async anyConnection(purpose: Purpose): Promise<Connection> {
    return await this.#firstOf(purpose, (address) => this.#pool.get(address, purpose))
  }

  async #firstOf<T>(purpose: Purpose, use: (address: BrokerAddress) => Promise<T>): Promise<T> {
    const problems: MqError[] = []
    for (const address of this.#candidates(purpose)) {
      try {
        return await use(address)
      } catch (error) {
        const problem = toMqError(error, `connect to ${addressText(address)}`)
        if (problem.code === 'MQ_CLOSED') throw problem
        problems.push(problem)
      }
    }
    // Credentials or certificates that one broker refuses are a better answer than the silence of another.
    const telling =
      problems.find((problem) => !problem.retryable) ??
      problems.find((problem) => problem.code !== 'MQ_KAFKA_UNREACHABLE')
    if (telling !== undefined) throw telling
    throw new MqError(
      'MQ_KAFKA_UNREACHABLE',
      `no broker of cluster ${this.name} answers: ${problems.map((problem) => problem.message).join('; ')}`,
      { cause: problems[0] },
    )
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
    const response = await this.#askAny('list topics', (connection) => requestMetadata(connection, null))
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
    this.#pool.close()
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
    return await this.#askAny('ask for metadata', (connection) => requestMetadata(connection, topics))
  }

  /** Asks one broker after the other until one answers (L2, L5). */
  async #askAny<T>(what: string, ask: (connection: Connection) => Promise<T>): Promise<T> {
    const context = `${what} of cluster ${this.name}`
    return await this.#firstOf('admin', async (address) => {
      const connection = await this.#pool.get(address, 'admin')
      const late = (): MqError =>
        new MqError('MQ_KAFKA_TIMEOUT', `${context}: no answer of ${addressText(address)} within ${this.#answerMs} ms`)
      try {
        return await within(this.deps, this.#answerMs, late, ask(connection))
      } catch (error) {
        const problem = toMqError(error, context)
        if (kafkaCodeOf(problem) !== undefined) throw problem
        // Why a connection ended says more than that it did.
        const failure = problem.code === 'MQ_KAFKA_UNREACHABLE' ? failureOf(connection) : undefined
        this.#pool.giveUp(address, 'admin', connection)
        throw failure === undefined ? problem : toMqError(failure, context)
      }
    })
  }

  async #address(nodeId: number): Promise<BrokerAddress> {
    const known = this.#metadata.broker(nodeId)
    if (known !== undefined) return known
    await this.#metadata.refresh([])
    const learnt = this.#metadata.broker(nodeId)
    if (learnt !== undefined) return learnt
    throw new MqError('MQ_KAFKA_UNREACHABLE', `broker ${nodeId} is not part of cluster ${this.name} now`)
  }

  #candidates(purpose: Purpose): BrokerAddress[] {
    const all = new Map([...this.brokers(), ...this.#bootstrap].map((address) => [addressText(address), address]))
    const rankOf = (address: BrokerAddress): number => {
      if (this.#pool.isOpen(address, purpose)) return -1
      return this.deps.random() + (this.#pool.hasFailed(address, purpose) ? 1 : 0)
    }
    const drawn = [...all.values()].map((address) => ({ address, rank: rankOf(address) }))
    return drawn.toSorted((a, b) => a.rank - b.rank).map(({ address }) => address)
  }
}

function parseAddress(text: string, cluster: string): BrokerAddress {
  const match = /^(?:\[([^\]]+)\]|([^:\s]+)):(\d{1,5})$/.exec(text)
  const port = Number(match?.[3])
  if (match === null || port < 1 || port > 65_535) {
    throw new MqError('MQ_OPTION_INVALID', `'${text}' is not an address of cluster ${cluster}: write host:port`)
  }
  return { host: match[1] ?? match[2]!, port }
}

async function untilAborted<T>(answer: Promise<T>, signal: AbortSignal): Promise<T> {
  const { promise, reject } = Promise.withResolvers<never>()
  const onAbort = (): void => reject(signal.reason)
  signal.addEventListener('abort', onAbort, { once: true })
  try {
    return await Promise.race([answer, promise])
  } finally {
    signal.removeEventListener('abort', onAbort)
  }
}
