/**
 * Sends that wait for memory, in the order they came.
 *
 * W1. While a send waits, every later one of the producer waits behind it, so that order per key is kept.
 * W2. At most `limit` sends wait, and of more than one together at most `limitBytes`; the rest is refused with MQ_BUFFER_FULL.
 * W3. A send whose deadline passes while it waits is rejected, and was certainly not stored.
 * W4. What waits is a snapshot: the caller may use its buffers again afterwards, as for a send that need not wait.
 * W5. Nothing of a send that left is kept.
 */
import { MqError } from '@mq/contract'
import type { Bytes } from '../records/batch-encoder.ts'
import type { EncodedHeaders } from '../records/record-headers.ts'
import type { Receipt, SendLimits } from './send-promise.ts'

/** Where a waiting send goes once there is memory. */
export interface SendTarget {
  readonly topic: string
  readonly partition: number
}

export interface WaitingSend<Target extends SendTarget = SendTarget> {
  readonly bytes: number
  readonly sender: Target
  readonly key: Bytes | null
  readonly value: Bytes | null
  readonly headers: EncodedHeaders | undefined
  readonly timestampMs: number
  readonly sinceMs: number
  /** On the monotonic clock. */
  readonly deadlineMs: number
  /** What the send asked for by itself. */
  readonly limits: SendLimits | undefined
  readonly promise: Promise<Receipt>
  readonly resolve: (receipt: Receipt | Promise<Receipt>) => void
  readonly reject: (error: MqError) => void
}

function ignore(): void {}

export class SendQueue<Target extends SendTarget> {
  readonly limit: number
  readonly limitBytes: number
  #waiting: (WaitingSend<Target> | undefined)[] = []
  #first = 0
  #bytes = 0
  /** Of those that wait, how many have a deadline or a signal of their own: only then can another be overdue before the first. */
  #own = 0

  constructor(limit: number, limitBytes: number) {
    this.limit = limit
    this.limitBytes = limitBytes
  }

  get size(): number {
    return this.#waiting.length - this.#first
  }

  get head(): WaitingSend<Target> | undefined {
    return this.#waiting[this.#first]
  }

  add(
    sender: Target,
    key: Bytes | null,
    value: Bytes | null,
    headers: EncodedHeaders | undefined,
    timestampMs: number,
    sinceMs: number,
    deadlineMs: number,
    limits: SendLimits | undefined,
    isLimited = true,
  ): Promise<Receipt> {
    if (isLimited && this.size >= this.limit) {
      throw new MqError('MQ_BUFFER_FULL', `${this.limit} sends already wait for room in the buffer`)
    }
    const bytes = sizeOf(key) + sizeOf(value) + (headers?.length ?? 0)
    if (isLimited && this.size > 0 && this.#bytes + bytes > this.limitBytes) {
      throw new MqError(
        'MQ_BUFFER_FULL',
        `${this.size} sends of ${this.#bytes} bytes already wait for room in the buffer, and ${bytes} more are over the ${this.limitBytes} that may`,
      )
    }
    const { promise, resolve, reject } = Promise.withResolvers<Receipt>()
    promise.catch(ignore)
    const own = { key: copyOf(key), value: copyOf(value), headers }
    this.#bytes += bytes
    this.#waiting.push({ sender, bytes, ...own, timestampMs, sinceMs, deadlineMs, limits, promise, resolve, reject })
    if (limits?.deadlineMs !== undefined || limits?.signal !== undefined) this.#own++
    return promise
  }

  shift(): WaitingSend<Target> | undefined {
    const head = this.#waiting[this.#first]
    if (head === undefined) return undefined
    this.#waiting[this.#first] = undefined
    this.#left(head)
    this.#first++
    if (this.#first > 1_024 && this.#first * 2 > this.#waiting.length) {
      this.#waiting = this.#waiting.slice(this.#first)
      this.#first = 0
    }
    return head
  }

  /** Takes those whose time is over, or whose sender gave them up. */
  takeOverdue(nowMs: number): WaitingSend<Target>[] {
    const isOver = (send: WaitingSend<Target>): boolean =>
      send.deadlineMs <= nowMs || send.limits?.signal?.aborted === true
    const taken: WaitingSend<Target>[] = []
    for (let head = this.head; head !== undefined && isOver(head); head = this.head) taken.push(this.shift()!)
    if (this.#own === 0) return taken
    const rest: WaitingSend<Target>[] = []
    for (const send of this.#waiting.slice(this.#first) as WaitingSend<Target>[]) {
      if (isOver(send)) {
        this.#left(send)
        taken.push(send)
      } else rest.push(send)
    }
    this.#waiting = rest
    this.#first = 0
    return taken
  }

  /** When the next one is overdue. */
  get earliestMs(): number {
    if (this.#own === 0) return this.head?.deadlineMs ?? Number.POSITIVE_INFINITY
    let earliest = Number.POSITIVE_INFINITY
    for (const send of this.#waiting) if (send !== undefined && send.deadlineMs < earliest) earliest = send.deadlineMs
    return earliest
  }

  #left({ bytes, limits }: WaitingSend<Target>): void {
    this.#bytes -= bytes
    if (limits?.deadlineMs !== undefined || limits?.signal !== undefined) this.#own--
  }

  /** Everything that waits, in order; nothing waits afterwards. */
  takeAll(): WaitingSend<Target>[] {
    const all = this.#waiting.slice(this.#first).map((send) => send!)
    this.#waiting = []
    this.#first = 0
    this.#bytes = 0
    this.#own = 0
    return all
  }

  /** The promises of those that wait. */
  pending(): Promise<Receipt>[] {
    return this.#waiting.slice(this.#first).map((send) => send!.promise)
  }
}

/** What is neither text nor bytes is refused when its turn comes. */
function sizeOf(bytes: unknown): number {
  return typeof bytes === 'string' || bytes instanceof Uint8Array ? bytes.length : 0
}

function copyOf<T extends Bytes | null>(bytes: T): T | Uint8Array {
  return bytes instanceof Uint8Array ? new Uint8Array(bytes) : bytes
}
