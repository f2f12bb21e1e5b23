/**
 * The broker that coordinates a group, and the way to it.
 *
 * O1. The `own` lane is a connection of this member alone: a broker answers one connection's requests in turn, and joining may
 *     block for as long as a rebalance takes. The `shared` lane is for short requests only.
 *     Its connection is replaced when its login session ends; what is under way comes to its end over the old one.
 * O2. A lane on which a request failed otherwise than by an answer is not used again; the own connection is closed.
 * O3. After an answer that says the coordinator is elsewhere or not there, the next request looks for it anew.
 * O4. A request ends after its time limit, whatever the broker does; looking for the coordinator counts.
 * O5. A broker that takes the question for the coordinator and stays silent loses the connection, so that the next question
 *     goes to another one: it may be the very coordinator that stopped.
 */
import { MqError } from '@mq/contract'
import { type Deps, within } from '@mq/contract/timing'
import type { Connection } from '@platformatic/kafka'
import { dropConnection } from '../net/broker-connection.ts'
import { KafkaCode, kafkaCodeOf } from '../protocol/kafka-errors.ts'
import * as requests from '../protocol/requests.ts'
import type { GroupCluster } from './types.ts'

const GROUP_KEY = 0
const FIND_MS = 3_000

const MOVED: ReadonlySet<number> = new Set([KafkaCode.COORDINATOR_NOT_AVAILABLE, KafkaCode.NOT_COORDINATOR])

export type Lane = 'own' | 'shared'

export interface RequestLimits {
  readonly timeoutMs: number
  readonly signal?: AbortSignal | undefined
}

export class Coordinator {
  readonly #cluster: GroupCluster
  readonly #groupId: string
  readonly #deps: Deps
  #nodeId: number | undefined
  #finding: Promise<number> | undefined
  #own: { readonly nodeId: number; readonly connection: Connection } | undefined
  #isClosed = false

  constructor(cluster: GroupCluster, groupId: string, deps: Deps) {
    this.#cluster = cluster
    this.#groupId = groupId
    this.#deps = deps
  }

  /** @param what names the request in errors */
  async request<T>(
    lane: Lane,
    what: string,
    call: (connection: Connection) => Promise<T>,
    limits: RequestLimits,
  ): Promise<T> {
    let used: Connection | undefined
    const attempt = async (): Promise<T> => {
      used = await this.#connect(lane)
      return await call(used)
    }
    try {
      return await this.#limited(attempt(), what, limits)
    } catch (error) {
      const code = kafkaCodeOf(error)
      const isGivenUp = limits.signal?.aborted === true
      if (code === undefined ? !isGivenUp : MOVED.has(code)) this.#nodeId = undefined
      if (code === undefined && lane === 'own') this.dropOwn()
      // A broker answers in turn: whoever else waits on the connection waits for the same silent one.
      const isSilent = error instanceof MqError && error.code === 'MQ_KAFKA_TIMEOUT' && !isGivenUp
      if (isSilent && lane === 'shared' && used !== undefined) dropConnection(used)
      throw error
    }
  }

  /** Ends whatever waits on the own connection. */
  dropOwn(): void {
    const own = this.#own
    this.#own = undefined
    if (own !== undefined) dropConnection(own.connection)
  }

  close(): void {
    this.#isClosed = true
    this.dropOwn()
  }

  async #connect(lane: Lane): Promise<Connection> {
    const nodeId = await this.#find()
    if (lane === 'shared') return await this.#cluster.connection(nodeId, 'group')
    if (this.#own?.nodeId === nodeId && this.#own.connection.isConnected()) return this.#own.connection
    this.dropOwn()
    let newest: Connection | undefined
    const connection = await this.#cluster.openConnection(nodeId, 'group', (successor) => {
      successor.on('error', () => {})
      if (newest === undefined || this.#own?.connection !== newest) dropConnection(successor)
      else this.#own = { nodeId, connection: successor }
      newest = successor
    })
    newest = connection
    // What breaks it also fails the request in flight, and that is where it is dealt with.
    connection.on('error', () => {})
    if (this.#isClosed) {
      dropConnection(connection)
      throw new MqError('MQ_CLOSED', `The membership in group ${this.#groupId} was closed`)
    }
    this.dropOwn()
    this.#own = { nodeId, connection }
    return connection
  }

  async #find(): Promise<number> {
    if (this.#nodeId !== undefined) return this.#nodeId
    this.#finding ??= this.#ask().finally(() => {
      this.#finding = undefined
    })
    return await this.#finding
  }

  async #ask(): Promise<number> {
    const connection = await this.#cluster.anyConnection('group')
    const late = (): MqError => {
      dropConnection(connection)
      return new MqError('MQ_KAFKA_TIMEOUT', `find the coordinator of ${this.#groupId}: no answer in ${FIND_MS} ms`)
    }
    const asked = requests.findCoordinator.send(connection, GROUP_KEY, [this.#groupId])
    const answer = await within(this.#deps, FIND_MS, late, asked)
    const found = answer.coordinators.find(({ key }) => key === this.#groupId)
    if (found === undefined || found.nodeId < 0) {
      throw new MqError(
        'MQ_KAFKA_UNAVAILABLE',
        `Cluster ${this.#cluster.name} names no coordinator of ${this.#groupId}`,
      )
    }
    this.#nodeId = found.nodeId
    return found.nodeId
  }

  #limited<T>(work: Promise<T>, what: string, { timeoutMs, signal }: RequestLimits): Promise<T> {
    return new Promise((resolve, reject) => {
      const timer = this.#deps.timers.setTimeout(() => {
        const limit = Math.round(timeoutMs)
        end(() => reject(new MqError('MQ_KAFKA_TIMEOUT', `${what}: no answer within ${limit} ms`)))
      }, timeoutMs)
      const onAbort = () => end(() => reject(new MqError('MQ_CLOSED', `${what}: given up`)))
      const end = (settle: () => void) => {
        this.#deps.timers.clearTimeout(timer)
        signal?.removeEventListener('abort', onAbort)
        settle()
      }
      work.then(
        (value) => end(() => resolve(value)),
        (error) => end(() => reject(error)),
      )
      if (signal?.aborted) onAbort()
      else signal?.addEventListener('abort', onAbort, { once: true })
    })
  }
}
