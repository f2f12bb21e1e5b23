/**
 * The producer id under which all partitions of a producer write.
 *
 * I1. At most one InitProducerId request is under way. It is repeated with growing pauses until it succeeds or the producer
 *     is closed: a broker that has just started answers COORDINATOR_LOAD_IN_PROGRESS for a while.
 * I2. An id that is retired is never given out again. Partitions that already use it may go on.
 * I3. An error that no repetition mends (rights, version) is kept as `trouble`; it is asked again at the next request.
 * I4. A broker that takes the question and stays silent loses the connection, so that the next question may go to another one:
 *     a stopped process still takes bytes.
 */

import { MqError } from '@mq/contract'
import { backoffMs, type Deps, sleep, within } from '@mq/contract/timing'
import type { Connection } from '@platformatic/kafka'
import { kafkaCodeOf, protocolError, toMqError } from '../protocol/kafka-errors.ts'
import * as requests from '../protocol/requests.ts'

export interface ProducerId {
  readonly producerId: bigint
  readonly producerEpoch: number
}

export interface IdCluster {
  anyConnection(purpose: 'produce'): Promise<Connection>
}

type State =
  | { readonly kind: 'none' }
  | { readonly kind: 'asking' }
  | { readonly kind: 'ready'; readonly id: ProducerId }
  | { readonly kind: 'refused'; readonly error: MqError }

const NO_TRANSACTION_TIMEOUT_MS = 2_147_483_647
const ANSWER_MS = 10_000
/** Of the ids given out, the newest are remembered. */
const MOST_REMEMBERED = 16

export class ProducerIds {
  readonly #cluster: IdCluster
  readonly #deps: Deps
  readonly #changed: () => void
  #state: State = { kind: 'none' }
  #isClosed = false
  /** Newest last. */
  readonly #given: bigint[] = []

  /** @param changed called when an id is there, or was refused */
  constructor(cluster: IdCluster, deps: Deps, changed: () => void) {
    this.#cluster = cluster
    this.#deps = deps
    this.#changed = changed
  }

  /** What was given to this producer, newest last. */
  get given(): readonly bigint[] {
    return this.#given
  }

  /** Whether `current` has one; asks for one if not. */
  ready(): boolean {
    if (this.#state.kind === 'ready') return true
    if (this.#state.kind === 'none' && !this.#isClosed) {
      this.#state = { kind: 'asking' }
      void this.#ask()
    }
    return false
  }

  current(): ProducerId {
    if (this.#state.kind !== 'ready') throw new RangeError(`There is no producer id: ${this.#state.kind}`)
    return this.#state.id
  }

  /** The refusal, if that was the answer; the next request asks again (I3). */
  takeRefusal(): MqError | undefined {
    if (this.#state.kind !== 'refused') return undefined
    const { error } = this.#state
    this.#state = { kind: 'none' }
    return error
  }

  /** I2 */
  retire(producerId: bigint): void {
    if (this.#state.kind === 'ready' && this.#state.id.producerId === producerId) this.#state = { kind: 'none' }
  }

  close(): void {
    this.#isClosed = true
  }

  async #ask(): Promise<void> {
    for (let failures = 1; !this.#isClosed; failures++) {
      try {
        const connection = await this.#cluster.anyConnection('produce')
        const late = (): MqError => {
          connection.socket?.destroy()
          return new MqError('MQ_KAFKA_TIMEOUT', `ask for a producer id: no answer within ${ANSWER_MS} ms`)
        }
        const asked = requests.initProducerId.send(connection, null, NO_TRANSACTION_TIMEOUT_MS, -1n, -1)
        const answer = await within(this.#deps, ANSWER_MS, late, asked)
        const id = { producerId: answer.producerId, producerEpoch: answer.producerEpoch }
        this.#state = { kind: 'ready', id }
        this.#given.push(id.producerId)
        if (this.#given.length > MOST_REMEMBERED) this.#given.shift()
        this.#changed()
        return
      } catch (error) {
        const code = kafkaCodeOf(error)
        const mqError = toMqError(error, 'ask for a producer id')
        const again = code === undefined ? mqError.retryable : protocolError(code).retriable
        if (!again) {
          this.#state = { kind: 'refused', error: mqError }
          this.#changed()
          return
        }
        const pauseMs = backoffMs(failures, () => this.#deps.random())
        await sleep(this.#deps, pauseMs)
      }
    }
  }
}
