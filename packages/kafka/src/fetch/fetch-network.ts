/**
 * What the fetcher asks of the network, and no more: where partitions live, one link per broker, and how far a log reaches.
 *
 * N1. A link is the fetcher's own: a broker answers one connection's requests in turn, so a shared one would make every
 *     fetcher wait for the long polls of the others.
 * N2. A link on which a request failed is closed, not used again: the library stops reading a connection after a timeout.
 * N3. A link outlives its connection: when that is replaced (its login session ends), the next request goes over the new one,
 *     while the one under way is still answered over the old one.
 * N4. The version of a fetch is that of its connection. Where topics travel by id and one has none (its broker has not been told
 *     one yet), the fetch goes by names; answers name topics either way.
 */
import { MqError } from '@mq/contract'
import type { Connection } from '@platformatic/kafka'
import { dropConnection } from '../net/broker-connection.ts'
import { type FetchRequest, type FetchResponse, sendFetch } from '../protocol/fetch-request.ts'
import * as requests from '../protocol/requests.ts'

const EARLIEST = -2n
const LATEST = -1n
const NO_ID = '00000000-0000-0000-0000-000000000000'

/** What the fetcher needs of a cluster; `Cluster` has it. */
export interface FetchCluster {
  metadata(topics: readonly string[], options?: { readonly refresh?: boolean }): Promise<readonly LocatedTopic[]>
  /** A connection of the caller's own, which the caller closes; `onRenewed` takes the one that is to be used in its place. */
  openConnection(nodeId: number, purpose: 'fetch', onRenewed?: (successor: Connection) => void): Promise<Connection>
}

export interface LocatedTopic {
  readonly name: string
  readonly id: string
  readonly errorCode?: number | undefined
  readonly partitions: readonly { readonly index: number; readonly leader: number; readonly leaderEpoch: number }[]
}

export interface OffsetRange {
  readonly earliest: number
  readonly latest: number
}

export interface FetchLink {
  /** Everything that ever came over it: whether an answer is on its way. */
  readonly receivedBytes: number
  fetch(request: FetchRequest): Promise<FetchResponse>
  range(topic: string, partition: number): Promise<OffsetRange>
  close(): void
}

export interface FetchNetwork {
  locate(topics: readonly string[], refresh: boolean): Promise<readonly LocatedTopic[]>
  open(nodeId: number): Promise<FetchLink>
}

/** The network of a real cluster. */
export class ClusterFetchNetwork implements FetchNetwork {
  readonly #cluster: FetchCluster

  constructor(cluster: FetchCluster) {
    this.#cluster = cluster
  }

  locate(topics: readonly string[], refresh: boolean): Promise<readonly LocatedTopic[]> {
    return this.#cluster.metadata(topics, { refresh })
  }

  async open(nodeId: number): Promise<FetchLink> {
    let link: ConnectionLink | undefined
    const connection = await this.#cluster.openConnection(nodeId, 'fetch', (successor) => link?.moveTo(successor))
    try {
      await requests.fetch.choose(connection)
      await requests.listOffsets.choose(connection)
    } catch (error) {
      dropConnection(connection)
      throw error
    }
    link = new ConnectionLink(connection)
    return link
  }
}

/** The answer with topics named as the request names them; a topic that was not asked for keeps its id. */
export function byName(request: FetchRequest, response: FetchResponse): FetchResponse {
  const names = new Map(request.topics.map(({ id, name }) => [id, name]))
  const topics = response.topics.map(({ topic, partitions }) => ({ topic: names.get(topic) ?? topic, partitions }))
  return { ...response, topics }
}

class ConnectionLink implements FetchLink {
  #connection: Connection
  /** Before `#connection`; the last answer may still come over it. */
  #former: Connection | undefined
  /** Of connections before that. */
  #receivedBefore = 0
  #isClosed = false

  constructor(connection: Connection) {
    this.#connection = connection
    // A broken connection also fails the request in flight, and that is where it is dealt with.
    connection.on('error', () => {})
  }

  get receivedBytes(): number {
    return this.#receivedBefore + bytesOf(this.#former) + bytesOf(this.#connection)
  }

  /** N3 */
  moveTo(successor: Connection): void {
    successor.on('error', () => {})
    if (this.#isClosed) {
      dropConnection(successor)
      return
    }
    this.#receivedBefore += bytesOf(this.#former)
    this.#former = this.#connection
    this.#connection = successor
  }

  async fetch(request: FetchRequest): Promise<FetchResponse> {
    const connection = this.#connection
    if (!connection.isConnected()) {
      throw new MqError('MQ_KAFKA_UNREACHABLE', 'the connection of the fetch has ended; the next try opens another')
    }
    const isNameless = request.topics.some(({ id }) => id === NO_ID || id === '')
    const version = await (isNameless ? requests.fetchByName : requests.fetch).choose(connection)
    const response = await sendFetch(connection, version, request)
    return response.byId ? byName(request, response) : response
  }

  async range(topic: string, partition: number): Promise<OffsetRange> {
    return {
      earliest: await this.#offset(topic, partition, EARLIEST),
      latest: await this.#offset(topic, partition, LATEST),
    }
  }

  async #offset(topic: string, partition: number, timestamp: bigint): Promise<number> {
    const partitions = [{ partitionIndex: partition, currentLeaderEpoch: -1, timestamp }]
    const answer = await requests.listOffsets.send(this.#connection, -1, 0, [{ name: topic, partitions }])
    const found = answer.topics[0]?.partitions[0]
    if (found === undefined || found.partitionIndex !== partition) {
      throw new MqError('MQ_PROTOCOL_VIOLATION', `a broker left ${topic}/${partition} out of its answer about offsets`)
    }
    return Number(found.offset)
  }

  close(): void {
    this.#isClosed = true
    dropConnection(this.#connection)
  }
}

const bytesOf = (connection: Connection | undefined): number => connection?.socket?.bytesRead ?? 0
