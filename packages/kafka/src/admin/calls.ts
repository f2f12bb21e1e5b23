/**
 * How admin requests reach a broker: which one is asked, how long, and how often again.
 *
 * A1. Every operation ends within its deadline, whatever the cluster does; the last failure is the cause of a timeout.
 * A2. Only failures that may pass are tried again. A missing topic counts as such for a moment: brokers learn of a new
 *     topic one after another.
 * A3. A connection on which a request stays unanswered for too long is dropped, so that the next try takes another one.
 * A5. What only the controller does is asked of it when the broker that was asked says it is not the controller: with ZooKeeper
 *     no broker hands such a request on.
 * A4. An attempt is told whether an earlier one may have been carried out without an answer.
 */
import { MqError, type MqErrorCode } from '@mq/contract'
import { backoffMs, sleep, within } from '@mq/contract/timing'
import type { Connection } from '@platformatic/kafka'
import { dropConnection, failureOf, type Purpose } from '../net/broker-connection.ts'
import type { Cluster } from '../net/cluster.ts'
import { KafkaCode, kafkaCodeOf, protocolError, toMqError } from '../protocol/kafka-errors.ts'
import * as requests from '../protocol/requests.ts'

export type AdminCluster = Pick<
  Cluster,
  'name' | 'deps' | 'connection' | 'anyConnection' | 'metadata' | 'brokers' | 'controllerId'
>

export interface AdminOptions {
  /** For a whole operation, all its tries included. Default 15,000. */
  readonly deadlineMs?: number
  /** For one request to one broker. Default a third of the deadline. */
  readonly requestMs?: number
}

export interface Attempt {
  /** Counts from 0. */
  readonly number: number
  /** An earlier attempt may have been carried out (A4). */
  readonly ambiguous: boolean
}

export interface RetryOptions {
  readonly deadline?: Deadline
  /** Most attempts; default as many as the deadline allows. */
  readonly attempts?: number
}

/** On the monotonic clock. */
export interface Deadline {
  readonly endMs: number
}

const MISSING_GRACE_MS = 1_000
/** With ZooKeeper a broker that comes back knows no topic until the controller told it all. */
const MISSING_AFTER_OUTAGE_MS = 10_000
const GROUP_KEY = 0

/** After these nobody knows whether the request was carried out. */
const AMBIGUOUS: ReadonlySet<MqErrorCode> = new Set<MqErrorCode>([
  'MQ_KAFKA_TIMEOUT',
  'MQ_KAFKA_UNREACHABLE',
  'MQ_PROTOCOL_VIOLATION',
])

export class AdminCalls {
  readonly cluster: AdminCluster
  readonly requestMs: number
  readonly #deadlineMs: number

  constructor(cluster: AdminCluster, options: AdminOptions) {
    const { deadlineMs = 15_000, requestMs = Math.ceil(deadlineMs / 3) } = options
    this.cluster = cluster
    this.#deadlineMs = deadlineMs
    this.requestMs = requestMs
  }

  deadline(): Deadline {
    return { endMs: this.nowMs() + this.#deadlineMs }
  }

  nowMs(): number {
    return this.cluster.deps.clock.monotonicMs()
  }

  context(what: string): string {
    return `${what} on cluster ${this.cluster.name}`
  }

  /** Tries until it succeeds, fails for good or the deadline passes (A1, A2). */
  async retrying<T>(
    what: string,
    attempt: (attempt: Attempt) => Promise<T>,
    { deadline = this.deadline(), attempts = Number.POSITIVE_INFINITY }: RetryOptions = {},
  ): Promise<T> {
    const context = this.context(what)
    let missingSinceMs: number | undefined
    let wasAway = false
    let ambiguous = false
    let last: MqError | undefined
    for (let number = 0; ; number += 1) {
      const late = (): MqError =>
        new MqError(
          'MQ_KAFKA_TIMEOUT',
          `${context} was not done in time${last === undefined ? '' : `: ${last.message}`}`,
          {
            ...(last === undefined ? {} : { cause: last }),
          },
        )
      const leftMs = deadline.endMs - this.nowMs()
      if (leftMs <= 0) throw late()
      try {
        return await within(this.cluster.deps, leftMs, late, attempt({ number, ambiguous }))
      } catch (error) {
        last = toMqError(error, context)
        ambiguous ||= AMBIGUOUS.has(last.code)
        const pauseMs = backoffMs(number + 1, this.cluster.deps.random)
        const nowMs = this.nowMs()
        if (number + 1 >= attempts || nowMs + pauseMs >= deadline.endMs) throw last
        const isMissing = last.code === 'MQ_TOPIC_MISSING'
        wasAway ||= !isMissing
        missingSinceMs = isMissing ? (missingSinceMs ?? nowMs) : undefined
        const graceMs = wasAway ? MISSING_AFTER_OUTAGE_MS : MISSING_GRACE_MS
        if (!mayPass(last, missingSinceMs !== undefined && nowMs - missingSinceMs < graceMs)) throw last
        await sleep(this.cluster.deps, pauseMs)
      }
    }
  }

  /**
   * Asks any broker, and the controller when that is what it takes (A5).
   * @param limitMs for its answer
   */
  async askAny<T>(
    what: string,
    ask: (connection: Connection) => Promise<T>,
    limitMs: number = this.requestMs,
  ): Promise<T> {
    try {
      return await this.#ask(await this.cluster.anyConnection('admin'), what, ask, limitMs)
    } catch (error) {
      if (kafkaCodeOf(error) !== KafkaCode.NOT_CONTROLLER) throw error
      await this.cluster.metadata([], { refresh: true })
      const { controllerId } = this.cluster
      if (controllerId < 0) throw error
      return await this.askBroker(controllerId, what, ask)
    }
  }

  /** @param purpose a broker answers one connection's requests one after another: what must not wait for others takes its own */
  async askBroker<T>(
    nodeId: number,
    what: string,
    ask: (connection: Connection) => Promise<T>,
    purpose: Purpose = 'admin',
  ): Promise<T> {
    return await this.#ask(await this.cluster.connection(nodeId, purpose), what, ask)
  }

  /** Asks the coordinator of a group, looked up anew each time: it moves. */
  async askCoordinator<T>(group: string, what: string, ask: (connection: Connection) => Promise<T>): Promise<T> {
    const answer = await this.askAny(what, (connection) =>
      requests.findCoordinator.send(connection, GROUP_KEY, [group]),
    )
    const coordinator = answer.coordinators.find((one) => one.key === group)
    if (coordinator === undefined) throw toMqError(KafkaCode.COORDINATOR_NOT_AVAILABLE, this.context(what))
    return await this.askBroker(coordinator.nodeId, what, ask)
  }

  async #ask<T>(
    connection: Connection,
    what: string,
    ask: (connection: Connection) => Promise<T>,
    limitMs: number = this.requestMs,
  ): Promise<T> {
    const context = this.context(what)
    const late = (): MqError => {
      dropConnection(connection)
      return new MqError('MQ_KAFKA_TIMEOUT', `${context}: no answer within ${limitMs} ms`)
    }
    try {
      return await within(this.cluster.deps, limitMs, late, ask(connection))
    } catch (error) {
      const problem = toMqError(error, context)
      const failure = problem.code === 'MQ_KAFKA_UNREACHABLE' ? failureOf(connection) : undefined
      // The library's error is kept for what it holds of the answer; only a lost connection gets its true reason.
      throw failure === undefined ? error : toMqError(failure, context)
    }
  }
}

function mayPass(problem: MqError, isWithinGrace: boolean): boolean {
  const code = problem.details.kafkaCode
  if (problem.code === 'MQ_TOPIC_MISSING') return isWithinGrace
  if (typeof code === 'number') return protocolError(code).retriable
  // Bytes of another protocol do not become Kafka by asking again.
  return problem.retryable && problem.code !== 'MQ_PROTOCOL_VIOLATION'
}
