/**
 * Sends that wait for memory, in the order they came.
 *
 * W1. While a send waits, every later one of the producer waits behind it, so that order per key is kept.
 * W2. At most `limit` sends wait; the rest is refused with MQ_BUFFER_FULL.
 * W3. A send whose deadline passes while it waits is rejected, and was certainly not stored.
 */
import { MqError } from '@mq/contract'
import type { Bytes, Headers } from './batch-encoder.ts'
import type { PartitionSender } from './partition-sender.ts'
import type { Receipt } from './pending-batch.ts'

export interface WaitingSend {
  readonly sender: PartitionSender
  readonly key: Bytes | null
  readonly value: Bytes | null
  readonly headers: Headers | undefined
  readonly timestampMs: number
  readonly sinceMs: number
  readonly promise: Promise<Receipt>
  readonly resolve: (receipt: Receipt | Promise<Receipt>) => void
  readonly reject: (error: MqError) => void
}

function ignore(): void {}

export class SendQueue {
  readonly limit: number
  #waiting: WaitingSend[] = []
  #first = 0

  constructor(limit: number) {
    this.limit = limit
  }

  get size(): number {
    return this.#waiting.length - this.#first
  }

  get head(): WaitingSend | undefined {
    return this.#waiting[this.#first]
  }

  add(
    sender: PartitionSender,
    key: Bytes | null,
    value: Bytes | null,
    headers: Headers | undefined,
    timestampMs: number,
    sinceMs: number,
    isLimited = true,
  ): Promise<Receipt> {
    if (isLimited && this.size >= this.limit) {
      throw new MqError('MQ_BUFFER_FULL', `${this.limit} sends already wait for room in the buffer`)
    }
    const { promise, resolve, reject } = Promise.withResolvers<Receipt>()
    promise.catch(ignore)
    this.#waiting.push({ sender, key, value, headers, timestampMs, sinceMs, promise, resolve, reject })
    return promise
  }

  shift(): WaitingSend | undefined {
    const head = this.#waiting[this.#first]
    if (head === undefined) return undefined
    this.#first++
    if (this.#first > 1_024 && this.#first * 2 > this.#waiting.length) {
      this.#waiting = this.#waiting.slice(this.#first)
      this.#first = 0
    }
    return head
  }

  /** Everything that waits, in order; nothing waits afterwards. */
  takeAll(): WaitingSend[] {
    const all = this.#waiting.slice(this.#first)
    this.#waiting = []
    this.#first = 0
    return all
  }

  /** The promises of those that wait. */
  pending(): Promise<Receipt>[] {
    return this.#waiting.slice(this.#first).map((send) => send.promise)
  }
}
