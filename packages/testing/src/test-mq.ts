/**
 * mQ in memory, with the interface that `connect` of `@mq/client` gives to a service.
 *
 * M1. What a service sees is what the SDK shows: the same checks, codecs, errors and order per key, at least once. The suite in
 *     test/contract.ts runs against both.
 * M2. Nothing is left behind: no timer, no connection, no file. A `TestMq` that is not closed keeps no process alive.
 * M3. Time stands still until the test moves it.
 */
import type {
  CloseOptions,
  ConsumeOptions,
  Handler,
  Mq,
  OutgoingMessage,
  Queue,
  ReceivedMessage,
  Schema,
  SendOptions,
  Subscription,
} from '@mq/client'
import {
  CONSUME_OPTIONS,
  type ContextHandler,
  checkOptions,
  checkRule,
  checkSend,
  closedError,
  consumeProblem,
  guarded,
  idProblem,
  leftAlone,
  type PoisonHandler,
  policyOf,
  queueOf,
  RecordMessage,
  refused,
  ruleOf,
  sendMany,
} from '@mq/client/parts'
import { MqError } from '@mq/contract'
import type { Headers, Receipt } from '@mq/kafka/types'
import { ManualTime, turn } from './manual-time.ts'
import { MemoryBroker } from './memory-broker.ts'
import { MemorySubscription } from './memory-subscription.ts'
import type { HandlerFailure, SendFault, TopicOptions } from './types.ts'

const SEND_DEADLINE_MS = 120_000
/** What `settled` takes for a message that will never be handled. */
const MOST_ATTEMPTS = 50
/** Options of `consume` that do here what they do in the SDK. */
const OPTIONS_HERE = ['concurrency', 'from', 'signal', 'handlerTimeoutMs', 'onPoison', 'retry', 'deadLetter']

export interface TestMqOptions {
  readonly time?: ManualTime
  /** Whether an mQ ID is there as soon as it is used, as JSON in order per key: true when left out. */
  readonly createOnFirstUse?: boolean
  /** Until when a send must be acknowledged (2 minutes), on the clock of the test. */
  readonly sendDeadlineMs?: number
}

export interface DeliverOptions {
  readonly key?: string | Uint8Array | null
  readonly headers?: Headers
  readonly timestampMs?: number
}

export class TestMq implements Mq {
  readonly #broker: MemoryBroker
  readonly #subscriptions = new Set<MemorySubscription>()
  readonly #sending = new Set<Promise<unknown>>()
  #closing: Promise<void> | undefined

  /** @param beside another connection, whose messages and groups this one shares */
  constructor(options: TestMqOptions = {}, beside?: TestMq) {
    const { time = new ManualTime(), createOnFirstUse = true, sendDeadlineMs = SEND_DEADLINE_MS } = options
    this.#broker = beside === undefined ? new MemoryBroker(time, createOnFirstUse, sendDeadlineMs) : beside.#broker
  }

  /** Another connection to the same mQ, as another service or another instance has it. */
  another(): TestMq {
    return new TestMq({}, this)
  }

  get time(): ManualTime {
    return this.#broker.time
  }

  /** What handlers failed with, in the order it happened. */
  get handlerFailures(): readonly HandlerFailure[] {
    return this.#broker.failures
  }

  /** Messages that a group put aside after their last attempt, with the error of that. */
  deadLetters(id: string, group: string): readonly HandlerFailure[] {
    return this.#broker.deadLetters.filter((each) => each.id === id && each.group === group)
  }

  send(id: string, value: unknown, options?: SendOptions): Promise<Receipt> {
    try {
      this.#check(id)
      const send = checkSend(id, options)
      const topic = this.#broker.topic(id)
      return this.#track(this.#broker.send(topic, topic.encode(send, value)))
    } catch (error) {
      return refused(error)
    }
  }

  sendMany(id: string, messages: Iterable<OutgoingMessage>): Promise<readonly Receipt[]> {
    return sendMany(id, messages, (value, options) => this.send(id, value, options))
  }

  async consume<T = unknown>(
    id: string,
    group: string,
    handler: Handler<T>,
    options: ConsumeOptions<T> = {},
  ): Promise<Subscription> {
    checkOptions('consume', options, CONSUME_OPTIONS)
    this.#check(id)
    const problem = consumeProblem(group, handler, options)
    if (problem !== undefined) throw problem
    const { concurrency = 1, from = 'earliest', signal, handlerTimeoutMs, onPoison } = options
    const missing = Object.keys(options).find((name) => !OPTIONS_HERE.includes(name))
    if (missing !== undefined || typeof from !== 'string') {
      throw new MqError(
        'MQ_OPTION_INVALID',
        `@mq/testing cannot play ${missing ?? 'a time as'} ${missing === undefined ? 'from' : 'of consume'} yet`,
      )
    }
    signal?.throwIfAborted()
    const rule = ruleOf(options.retry, options.deadLetter, onPoison)
    checkRule(undefined, rule)
    const topic = this.#broker.topic(id)
    const memoryGroup = this.#broker.group(topic, group, from)
    const subscription = new MemorySubscription({
      topic,
      group: memoryGroup,
      groupName: group,
      handler: guarded(
        handler as ContextHandler,
        typeof onPoison === 'function' ? (onPoison as PoisonHandler) : undefined,
      ),
      policy: policyOf(undefined, rule),
      handlerTimeoutMs,
      concurrency,
      deps: this.time.deps,
      isAway: () => this.#broker.isAway,
      onFailed: (failure) => this.#broker.failures.push(failure),
      onGivenUp: (failure) => this.#broker.deadLetters.push(failure),
      onTurn: () => this.#broker.turned(),
      onClosed: (closed) => {
        this.#subscriptions.delete(closed)
        this.#broker.subscriptions.delete(closed)
        signal?.removeEventListener('abort', onAbort)
      },
    })
    const onAbort = (): void => void subscription.close()
    signal?.addEventListener('abort', onAbort, { once: true })
    this.#subscriptions.add(subscription)
    this.#broker.subscriptions.add(subscription)
    memoryGroup.join(subscription)
    return subscription
  }

  queue<T = unknown>(id: string): Queue<T, T>
  queue<Input, Output>(id: string, schema: Schema<Input, Output>): Queue<Input, Output>
  queue<Input, Output>(id: string, schema?: Schema<Input, Output>): Queue<Input, Output> {
    return queueOf(this, id, schema)
  }

  async flush(): Promise<void> {
    await Promise.allSettled(this.#sending)
  }

  close(options: CloseOptions = {}): Promise<void> {
    this.#closing ??= this.#close(options)
    return this.#closing
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  async #close(options: CloseOptions): Promise<void> {
    await Promise.all([...this.#subscriptions].map((each) => each.close(options)))
    if (!this.#broker.isAway) await this.flush()
  }

  /** Declares an mQ ID before its first use; without it, or what is left out, as JSON in order per key. */
  declare(id: string, options: TopicOptions = {}): void {
    const problem = idProblem(id)
    if (problem !== undefined) throw problem
    this.#broker.declare(id, options)
  }

  /** Deletes an mQ ID: sends are refused, and subscriptions end with MQ_ID_DELETED. */
  delete(id: string): void {
    this.#broker.delete(id)
  }

  /** Everything that was stored under an mQ ID, in the order it came. */
  sent<T = unknown>(id: string): readonly ReceivedMessage<T>[] {
    const topic = this.#broker.stored(id)
    if (topic === undefined) return []
    return topic.records.map((record) => new RecordMessage<T>({ id, epoch: 1, format: topic.format }, record, 1))
  }

  /**
   * Stores a message as some other service would, and resolves when handlers have seen it, as `idle` does. Faults that were ordered for
   * sends do not touch it.
   */
  async deliver(id: string, value: unknown, options: DeliverOptions = {}): Promise<void> {
    const topic = this.#broker.topic(id)
    this.#broker.store(topic, topic.encode(checkSend(id, options), value))
    await this.idle()
  }

  /** As `deliver`, with a value that was not written in the format of its mQ ID: what a foreign producer may leave. */
  async deliverBytes(id: string, bytes: Uint8Array | null, options: DeliverOptions = {}): Promise<void> {
    const topic = this.#broker.topic(id)
    this.#broker.store(topic, { ...topic.encode(checkSend(id, options), null), value: bytes })
    await this.idle()
  }

  /** The next sends to an mQ ID fail. */
  failSends(id: string, fault: SendFault = {}): void {
    this.#broker.failSends(id, fault)
  }

  /** No broker answers: sends wait until their deadline, and handlers get nothing more. */
  brokersAway(): void {
    this.#broker.away()
  }

  /** Brokers answer again: what waited is stored in order. */
  brokersBack(): void {
    this.#broker.back()
  }

  /** Moves the clock on: deadlines pass, and failed messages are handed out again. */
  async advance(ms: number): Promise<void> {
    await this.time.advance(ms)
    await this.idle()
  }

  /** Resolves when no handler runs and none could before time goes on. Messages that wait for their next attempt are not waited for. */
  async idle(): Promise<void> {
    for (;;) {
      await turn()
      const busy = [...this.#broker.subscriptions].filter((each) => !each.isIdle)
      if (busy.length === 0) return
      await this.#broker.nextTurn()
    }
  }

  /** Resolves when every message was handled: the clock is moved on as far as attempts need. Rejects when one is never handled. */
  async settled(): Promise<void> {
    const before = this.#broker.failures.length
    for (;;) {
      await this.idle()
      if (![...this.#broker.subscriptions].some((each) => each.isRetrying)) return
      const last = this.#broker.failures.slice(before).findLast((each) => each.attempt >= MOST_ATTEMPTS)
      if (last !== undefined) {
        const where = `partition ${last.message.partition} offset ${last.message.offset} of ${last.id}`
        throw new Error(`Group ${last.group} failed ${last.attempt} times on ${where}`, { cause: last.error })
      }
      const nextMs = this.time.nextMs
      if (nextMs === undefined) return
      await this.time.advance(Math.max(0, nextMs - this.time.nowMs))
    }
  }

  #check(id: unknown): void {
    const problem = this.#closing !== undefined ? closedError() : idProblem(id)
    if (problem !== undefined) throw problem
  }

  #track(sent: Promise<Receipt>): Promise<Receipt> {
    this.#sending.add(sent)
    sent.then(
      () => this.#sending.delete(sent),
      () => this.#sending.delete(sent),
    )
    return leftAlone(sent)
  }
}
