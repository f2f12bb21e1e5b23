/**
 * How the brokers of one cluster are reached: addresses, security, connections; and how that changes while it is used.
 *
 * W1. Any broker will do for a question about the cluster: known brokers and the bootstrap addresses are tried, in an order drawn by
 *     chance, connected ones first and those that failed last time last; only when all failed is the cluster unreachable.
 * W2. A stopped process still takes bytes: where a broker says nothing for `HEDGE_MS` the next one is asked as well, and the first answer
 *     counts. One that stays silent for as long as a connection may take loses the connection.
 * W3. New addresses or another security (`change`) take over once a broker answers there and names the same Kafka cluster, and one of
 *     its brokers is found where it advertises to be. Until then everything goes on over the old ones; what is under way there comes
 *     to its end.
 * W4. A broker that names another Kafka cluster than the one known is no broker of this one, whatever address led to it: producer
 *     ids, positions and leaders mean nothing there.
 * W5. A broker that cannot be reached where it says it is found, while the addresses that were given answer, is told apart from a
 *     cluster that is away: somebody has to change what it advertises.
 * W6. Where brokers tell (Kafka 4.4 and later), a connection to the address of a broker is used only if that broker answers there. Once
 *     somebody else did, questions about the cluster go there without that check, as to a bootstrap address, until metadata was read anew.
 */
import { MqError } from '@mq/contract'
import { backoffMs, type Deps, sleep, within } from '@mq/contract/timing'
import type { Connection } from '@platformatic/kafka'
import { kafkaCodeOf, toMqError } from '../protocol/kafka-errors.ts'
import { AllFailed, hedged } from '../timing/hedge.ts'
import { addressText, type BrokerAddress, failureOf, PURPOSES, type Purpose } from './broker-connection.ts'
import type { BrokerIdentity } from './broker-identity.ts'
import { ConnectionPool } from './connection-pool.ts'
import { type Broker, type MetadataAnswer, requestMetadata } from './metadata-cache.ts'
import { checkSecurity } from './security.ts'
import type { Security } from './security-types.ts'

/** Of many brokers these suffice to see that advertised addresses hold here. */
const MOST_TRIED = 4
const HEDGE_MS = 1_000
const TRY_AGAIN = { baseMs: 50, maxMs: 2_000 }

/** Where a cluster is reached, and how. */
export interface AccessSettings {
  /** `host:port` of some brokers; the rest is learnt from them. */
  readonly bootstrap: readonly string[]
  readonly security: Security
}

export interface BrokerAccessOptions {
  readonly cluster: string
  readonly clientId: string
  readonly connectTimeoutMs: number
  readonly requestTimeoutMs: number
  readonly maxResponseBytes: number
  readonly deps: Deps
  /** The brokers as last heard. */
  brokers(): readonly Broker[]
  /** Somebody else has the address of a broker: what is known of brokers is out of date (W6). */
  onStranger(): void
  /** Kafka's own id of the cluster, once known. */
  clusterId(): string | null
  /** New addresses took over, with this answer (W3). */
  onMoved(answer: MetadataAnswer): void
  /** New addresses do not answer yet; they are tried on. */
  onTrouble(error: MqError): void
}

/** One set of addresses with the connections that were opened by it. */
interface Way {
  readonly bootstrap: readonly BrokerAddress[]
  readonly pool: ConnectionPool
}

export class BrokerAccess {
  readonly #options: BrokerAccessOptions
  #way: Way
  /** Nobody has answered there so far (W3). */
  #next: Way | undefined
  #leadsElsewhere = false
  /** Of ways that were left. */
  readonly #left = new Set<ConnectionPool>()
  /** Addresses at which somebody else answered than the broker known (W6). */
  readonly #strangers = new Set<string>()

  constructor(settings: AccessSettings, options: BrokerAccessOptions) {
    this.#options = options
    this.#way = this.#wayOf(settings)
  }

  /** Whether the addresses last given lead to another Kafka cluster (W4). */
  get leadsElsewhere(): boolean {
    return this.#leadsElsewhere
  }

  /** A connection to a broker at the address it advertises (W5). */
  async toBroker<T>(
    broker: () => Promise<Broker>,
    connect: (pool: ConnectionPool, address: BrokerAddress) => Promise<T>,
  ): Promise<T> {
    return await this.#onWay(async (way) => {
      const found = await broker()
      try {
        return await connect(way.pool, found)
      } catch (error) {
        const problem = toMqError(error, `connect to ${addressText(found)}`)
        throw problem.code === 'MQ_KAFKA_UNREACHABLE' && this.#isOnlyAdvertised(way, found)
          ? this.#advertised(found, problem)
          : problem
      }
    })
  }

  /** The shared connection to any broker that answers (W1). */
  async any(purpose: Purpose): Promise<Connection> {
    return await this.#onWay((way) => this.#firstOf(way, purpose, (address) => way.pool.get(address, purpose)))
  }

  /** Asks one broker after the other until one answers (W1, W2). */
  async ask<T>(what: string, ask: (connection: Connection) => Promise<T>): Promise<T> {
    return await this.#onWay((way) => this.#askOn(way, what, this.#candidates(way), ask))
  }

  /** Other addresses or another security of this same cluster, from now on (W3). */
  change(settings: AccessSettings): void {
    const next = this.#wayOf(settings)
    this.#next?.pool.close()
    this.#next = next
    this.#leadsElsewhere = false
    void this.#moveTo(next)
  }

  close(): void {
    const next = this.#next
    this.#next = undefined
    next?.pool.close()
    this.#way.pool.close()
    for (const pool of this.#left) pool.close()
  }

  async #moveTo(next: Way): Promise<void> {
    const { deps, cluster, onMoved, onTrouble } = this.#options
    const ask = async (connection: Connection): Promise<MetadataAnswer> => {
      const answer = await requestMetadata(connection, [])
      if (this.#next === next) this.#leadsElsewhere = this.#isForeign(answer.clusterId)
      return answer
    }
    for (let failures = 1; this.#next === next; failures += 1) {
      try {
        const answer = await this.#askOn(next, 'ask for metadata', next.bootstrap, ask)
        await this.#findOne(next, answer)
        if (this.#next !== next) return
        const former = this.#way
        this.#way = next
        this.#next = undefined
        onMoved(answer)
        this.#left.add(former.pool)
        former.pool.leave(() => this.#left.delete(former.pool))
      } catch (error) {
        if (this.#next !== next) return
        onTrouble(toMqError(error, `reach cluster ${cluster} at its new addresses`))
        await sleep(deps, backoffMs(failures, deps.random, TRY_AGAIN))
      }
    }
  }

  /** W3 */
  async #findOne({ pool }: Way, { brokers }: MetadataAnswer): Promise<void> {
    const tried = brokers.slice(0, MOST_TRIED)
    try {
      await Promise.any(tried.map((broker) => pool.get(broker, 'admin')))
    } catch (error) {
      const [first] = tried
      if (first === undefined) return
      const problem = error instanceof AggregateError ? error.errors[0] : error
      throw this.#advertised({ ...first, rack: null }, toMqError(problem, `connect to ${addressText(first)}`))
    }
  }

  #wayOf({ bootstrap, security }: AccessSettings): Way {
    const { cluster, clientId, connectTimeoutMs, requestTimeoutMs, maxResponseBytes, deps } = this.#options
    checkSecurity(security, cluster)
    if (bootstrap.length === 0) throw new MqError('MQ_OPTION_INVALID', `Cluster ${cluster} has no bootstrap address`)
    const limits = { connectTimeoutMs, requestTimeoutMs, maxResponseBytes }
    return {
      bootstrap: bootstrap.map((text) => parseAddress(text, cluster)),
      pool: new ConnectionPool(
        {
          ...{ cluster, clientId, security, ...limits },
          identityOf: (address, purpose) => this.#identityOf(address, purpose),
          onStranger: (address) => {
            this.#strangers.add(addressText(address))
            this.#options.onStranger()
          },
        },
        deps,
      ),
    }
  }

  /** Metadata was read anew: what it says of addresses is checked again (W6). */
  forgetStrangers(): void {
    this.#strangers.clear()
  }

  /** W6 */
  #identityOf(address: BrokerAddress, purpose: Purpose): BrokerIdentity | undefined {
    const { brokers, clusterId } = this.#options
    const text = addressText(address)
    if (purpose === 'admin' && this.#strangers.has(text)) return undefined
    const broker = brokers().find((one) => addressText(one) === text)
    const id = clusterId()
    return broker === undefined || id === null ? undefined : { clusterId: id, nodeId: broker.nodeId }
  }

  /** Does it once more when the addresses changed meanwhile: a failure may come from that, and an answer is of the past. */
  async #onWay<T>(work: (way: Way) => Promise<T>): Promise<T> {
    for (;;) {
      const way = this.#way
      try {
        const result = await work(way)
        if (way === this.#way) return result
      } catch (error) {
        if (way === this.#way) throw error
      }
    }
  }

  async #firstOf<T>(
    way: Way,
    purpose: Purpose,
    use: (address: BrokerAddress) => Promise<T>,
    candidates: readonly BrokerAddress[] = this.#candidates(way),
  ): Promise<T> {
    const { cluster, deps } = this.#options
    const ways = this.#inTurn(way, candidates, purpose).map((address) => async (): Promise<T> => {
      try {
        return await use(address)
      } catch (error) {
        throw toMqError(error, `connect to ${addressText(address)}`)
      }
    })
    let problems: readonly MqError[]
    try {
      return await hedged(deps, HEDGE_MS, ways, (error) => error instanceof MqError && error.code === 'MQ_CLOSED')
    } catch (error) {
      if (!(error instanceof AllFailed)) throw error
      problems = error.errors as readonly MqError[]
    }
    // Credentials or certificates that one broker refuses are a better answer than the silence of another.
    const telling =
      problems.find((problem) => !problem.retryable) ??
      problems.find((problem) => problem.code !== 'MQ_KAFKA_UNREACHABLE')
    if (telling !== undefined) throw telling
    throw new MqError(
      'MQ_KAFKA_UNREACHABLE',
      `no broker of cluster ${cluster} answers: ${problems.map((problem) => problem.message).join('; ')}`,
      { cause: problems[0] },
    )
  }

  async #askOn<T>(
    way: Way,
    what: string,
    candidates: readonly BrokerAddress[],
    ask: (connection: Connection) => Promise<T>,
  ): Promise<T> {
    const { cluster, connectTimeoutMs, requestTimeoutMs, deps } = this.#options
    const context = `${what} of cluster ${cluster}`
    const answerMs = Math.min(connectTimeoutMs, requestTimeoutMs)
    const askAt = async (address: BrokerAddress): Promise<T> => {
      const connection = await way.pool.get(address, 'admin')
      const late = (): MqError =>
        new MqError('MQ_KAFKA_TIMEOUT', `${context}: no answer of ${addressText(address)} within ${answerMs} ms`)
      try {
        const answer = await within(deps, answerMs, late, ask(connection))
        this.#refuseForeign(address, answer)
        return answer
      } catch (error) {
        const problem = toMqError(error, context)
        if (kafkaCodeOf(problem) !== undefined) throw problem
        // Why a connection ended says more than that it did.
        const failure = problem.code === 'MQ_KAFKA_UNREACHABLE' ? failureOf(connection) : undefined
        way.pool.giveUp(address, 'admin', connection)
        throw failure === undefined ? problem : toMqError(failure, context)
      }
    }
    const use = async (address: BrokerAddress): Promise<T> => {
      const isFresh = !way.pool.isOpen(address, 'admin')
      try {
        return await askAt(address)
      } catch (error) {
        // A connection that stood for a while may have been closed by the broker just now: that says nothing of the broker.
        if (isFresh || !(error instanceof MqError) || error.code !== 'MQ_KAFKA_UNREACHABLE') throw error
        return await askAt(address)
      }
    }
    return await this.#firstOf(way, 'admin', use, candidates)
  }

  /** W4 */
  #refuseForeign(address: BrokerAddress, answer: unknown): void {
    const { clusterId } = answer as { readonly clusterId?: unknown }
    if (!this.#isForeign(clusterId)) return
    const { cluster } = this.#options
    const known = this.#options.clusterId()
    const what = `${addressText(address)} belongs to Kafka cluster ${String(clusterId)}, and cluster ${cluster} is ${known}`
    throw new MqError('MQ_KAFKA_UNREACHABLE', what)
  }

  #isOnlyAdvertised({ bootstrap, pool }: Way, broker: BrokerAddress): boolean {
    if (bootstrap.some((address) => addressText(address) === addressText(broker))) return false
    return bootstrap.some((address) => PURPOSES.some((purpose) => pool.isOpen(address, purpose)))
  }

  #advertised(broker: Broker, problem: MqError): MqError {
    const { cluster } = this.#options
    const where = addressText(broker)
    return new MqError(
      'MQ_KAFKA_ADVERTISED',
      `broker ${broker.nodeId} of cluster ${cluster} advertises ${where}, and that cannot be reached from here, although the addresses of the cluster that were given answer: ${problem.message}`,
      { cause: problem, details: { nodeId: broker.nodeId, address: where } },
    )
  }

  #isForeign(clusterId: unknown): boolean {
    const known = this.#options.clusterId()
    return known !== null && typeof clusterId === 'string' && clusterId !== known
  }

  #candidates(way: Way): readonly BrokerAddress[] {
    return [...this.#options.brokers(), ...way.bootstrap]
  }

  /** W1 */
  #inTurn({ pool }: Way, candidates: readonly BrokerAddress[], purpose: Purpose): BrokerAddress[] {
    const all = new Map(candidates.map((address) => [addressText(address), address]))
    const rankOf = (address: BrokerAddress): number => {
      if (pool.isOpen(address, purpose)) return -1
      return this.#options.deps.random() + (pool.hasFailed(address, purpose) ? 1 : 0)
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
