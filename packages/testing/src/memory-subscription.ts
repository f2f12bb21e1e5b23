/**
 * One handler of a group in memory, from `consume` until `close`.
 *
 * S1. Handlers run by the SDK's own scheduler: in order per key, beside each other across keys, with a bound; one that failed is called
 *     again after the same growing pause, on the clock of the test.
 * S2. A handler never runs inside of the call that sent its message.
 */
import type { ReceivedMessage, Subscription } from '@mq/client'
import {
  type ContextHandler,
  FREE,
  KeyScheduler,
  limited,
  RecordMessage,
  type RecordPlace,
  type RetryPolicy,
  type WorkBatch,
} from '@mq/client/parts'
import { MqError } from '@mq/contract'
import { backoffMs, type FetchedRecord, withinOrUndefined } from '@mq/kafka'
import type { Deps } from '@mq/kafka/types'
import type { GroupReader, MemoryGroup } from './memory-group.ts'
import type { MemoryTopic } from './memory-topic.ts'
import type { HandlerFailure } from './types.ts'

const CLOSE_MS = 20_000

export interface MemorySubscriptionOptions {
  readonly topic: MemoryTopic
  readonly group: MemoryGroup
  readonly groupName: string
  readonly handler: ContextHandler
  readonly handlerTimeoutMs: number | undefined
  readonly concurrency: number
  readonly policy: RetryPolicy
  readonly deps: Deps
  isAway(): boolean
  onFailed(failure: HandlerFailure): void
  /** It failed for the last time, and counts as finished. */
  onGivenUp(failure: HandlerFailure): void
  /** A handler ended, or there is nothing to do any more. */
  onTurn(): void
  onClosed(subscription: MemorySubscription): void
}

interface Reading {
  next: number
  live: boolean
  running: number
  /** Messages that wait for their next attempt. */
  retrying: number
  idle: (() => void) | undefined
}

export class MemorySubscription implements Subscription, GroupReader {
  readonly id: string
  readonly group: string
  readonly done: Promise<void>
  readonly #options: MemorySubscriptionOptions
  readonly #scheduler: KeyScheduler
  readonly #handler: (message: ReceivedMessage) => unknown
  readonly #over = new AbortController()
  readonly #readings = new Map<number, Reading>()
  #isWoken = false
  #closing: Promise<void> | undefined
  #settle!: (error?: MqError) => void

  constructor(options: MemorySubscriptionOptions) {
    const { topic, groupName, deps, concurrency, handler, handlerTimeoutMs } = options
    this.#options = options
    this.id = topic.id
    this.group = groupName
    this.#scheduler = new KeyScheduler({ concurrency, deps })
    this.#handler = limited(handler, this.#over.signal, handlerTimeoutMs, deps)
    this.done = new Promise((resolve, reject) => {
      this.#settle = (error) => (error === undefined ? resolve() : reject(error))
    })
    this.done.catch(() => {})
  }

  /** No handler runs, and none could before time goes on. */
  get isIdle(): boolean {
    return !this.#isWoken && this.#scheduler.running === 0
  }

  /** Whether a message waits for its next attempt. */
  get isRetrying(): boolean {
    return [...this.#readings.values()].some((reading) => reading.retrying > 0)
  }

  lag(): number | null {
    if (this.#readings.size === 0) return null
    const { topic, group } = this.#options
    return [...this.#readings.keys()].reduce(
      (sum, partition) => sum + topic.partitions[partition]!.length - group.position(partition),
      0,
    )
  }

  unfinished(): number {
    return [...this.#readings.keys()].reduce((sum, partition) => sum + this.#options.group.unfinished(partition), 0)
  }

  take(partition: number): void {
    this.#readings.set(partition, {
      next: this.#options.group.position(partition),
      live: true,
      running: 0,
      retrying: 0,
      idle: undefined,
    })
    this.wake()
  }

  release(partition: number): Promise<void> {
    const reading = this.#readings.get(partition)
    if (reading === undefined) return Promise.resolve()
    this.#readings.delete(partition)
    reading.live = false
    if (reading.running === 0) return Promise.resolve()
    return new Promise((resolve) => {
      reading.idle = resolve
    })
  }

  /** S2 */
  wake(): void {
    if (this.#isWoken || this.#closing !== undefined) return
    this.#isWoken = true
    queueMicrotask(() => {
      this.#isWoken = false
      this.#read()
      this.#options.onTurn()
    })
  }

  fail(error: MqError): void {
    void this.#end(CLOSE_MS, error)
  }

  close(options: { readonly deadlineMs?: number } = {}): Promise<void> {
    return this.#end(options.deadlineMs ?? CLOSE_MS, undefined)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  #end(limitMs: number, error: MqError | undefined): Promise<void> {
    this.#closing ??= this.#close(limitMs).then(() => this.#settle(error))
    return this.#closing
  }

  async #close(limitMs: number): Promise<void> {
    const { deps, group } = this.#options
    const ended = Promise.all([...this.#readings.keys()].map((partition) => this.release(partition)))
    if (limitMs > 0) await withinOrUndefined(deps, limitMs, ended)
    if (this.#scheduler.running > 0) {
      const what = `The subscription of group ${this.group} to ${this.id} was closed, and waits no longer for handlers`
      this.#over.abort(new MqError('MQ_CLOSED', what))
    }
    this.#scheduler.stop()
    group.leave(this)
    this.#options.onClosed(this)
    this.#options.onTurn()
  }

  #read(): void {
    if (this.#closing !== undefined || this.#options.isAway()) return
    const { topic, group } = this.#options
    for (const [partition, reading] of this.#readings) {
      const log = topic.partitions[partition]!
      for (; reading.next < log.length; reading.next++) {
        if (group.isFinished(partition, reading.next)) continue
        this.#scheduler.add(this.#work(log[reading.next]!, reading))
      }
    }
  }

  #work(record: FetchedRecord, reading: Reading): WorkBatch {
    const { topic, group, deps, policy } = this.#options
    const { partition, offsetNumber } = record
    const ended = (): void => {
      reading.running--
      if (reading.running === 0) reading.idle?.()
      this.#options.onTurn()
    }
    return {
      count: 1,
      get live() {
        return reading.live
      },
      keyHash: () => (topic.ordering === 'key' ? record.keyHash(partition) : FREE),
      describe: (): RecordPlace => ({ partition, offset: record.offset, keyHash: FREE }),
      run: (_, attempt) => {
        if (attempt > 1) reading.retrying--
        reading.running++
        return this.#handler(this.#messageOf(record, attempt))
      },
      finished: () => {
        group.finish(partition, offsetNumber)
        ended()
      },
      failed: (_, attempt, error) => {
        const failure = { id: topic.id, group: this.group, message: this.#messageOf(record, attempt), attempt, error }
        this.#options.onFailed(failure)
        const isLast = attempt >= policy.attempts || (policy.givesUpUndecodable && isUnusable(error))
        if (isLast) {
          group.finish(partition, offsetNumber)
          this.#options.onGivenUp(failure)
        } else reading.retrying++
        ended()
        return isLast ? undefined : backoffMs(attempt, deps.random, policy.backoff, 'half')
      },
    }
  }

  #messageOf(record: FetchedRecord, attempt: number): RecordMessage {
    const { id, format } = this.#options.topic
    return new RecordMessage({ id, epoch: 1, format }, record, attempt)
  }
}

/** The value cannot be decoded, or does not match the schema. */
function isUnusable(error: unknown): boolean {
  return error instanceof MqError && (error.code === 'MQ_DECODE_FAILED' || error.code === 'MQ_SCHEMA_MISMATCH')
}
