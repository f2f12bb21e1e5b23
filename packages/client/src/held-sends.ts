/**
 * Sends that wait because their mQ ID has no writable epoch yet: in order, bounded in bytes and time.
 *
 * D1. A held value is a snapshot: the caller may change its object afterwards.
 * D2. Held sends leave in the order they came, before any later one.
 * D3. Every held send settles by its deadline, also when it left for the producer in the meantime.
 * D4. Bytes held count against the buffer of the client. Of what does not fit, as many sends wait as wait for memory while an
 *     epoch is open; the rest is refused with MQ_BUFFER_FULL.
 */
import { type Format, MqError } from '@mq/contract'
import type { Deps, EncodedHeaders, MemoryBudget, Receipt, TimerHandle } from '@mq/kafka'
import { type Encoded, encodeValue } from './codecs.ts'

/** A record as the application gave it, checked. */
export interface Outgoing {
  readonly key: string | Uint8Array | null
  readonly value: unknown
  readonly headers: EncodedHeaders | undefined
  readonly timestampMs: number | undefined
}

export interface HeldSendsOptions {
  readonly mqId: string
  readonly budget: MemoryBudget
  readonly deps: Deps
  readonly deadlineMs: number
  /** How many may wait without room in the buffer. */
  readonly mostOverflow?: number
  /** Why sends wait, for the message at the deadline. */
  reason(): MqError
}

type Settle = { readonly resolve: (receipt: Receipt) => void; readonly reject: (error: unknown) => void }
type Held = Settle & {
  readonly outgoing: Outgoing
  readonly bytes: number
  readonly isReserved: boolean
  readonly deadlineMs: number
  settled: boolean
}

/** JSON made at the time of the send (D1). */
class JsonText {
  readonly text: string
  constructor(text: string) {
    this.text = text
  }
}

const RECORD_OVERHEAD_BYTES = 256
const MOST_OVERFLOW = 100_000

export class HeldSends {
  readonly #options: HeldSendsOptions
  #waiting: Held[] = []
  /** Sends that wait without room in the buffer. */
  #overflow = 0
  #overflowBytes = 0
  /** Waiting or under way, in the order of their deadlines. */
  #unsettled: Held[] = []
  #timer: TimerHandle | undefined
  #expired = 0
  #idle: (() => void)[] = []

  constructor(options: HeldSendsOptions) {
    this.#options = options
  }

  /** Sends not settled. */
  get size(): number {
    return this.#unsettled.reduce((count, held) => (held.settled ? count : count + 1), 0)
  }

  /** Sends whose time was over before they were acknowledged, since it was last asked. */
  takeExpired(): number {
    const expired = this.#expired
    this.#expired = 0
    return expired
  }

  hold(outgoing: Outgoing): Promise<Receipt> {
    const { mqId, budget, deps, deadlineMs } = this.#options
    let frozen: Outgoing
    try {
      frozen = freeze(mqId, outgoing)
    } catch (error) {
      return Promise.reject(error)
    }
    const wanted = sizeOf(frozen)
    const isReserved = budget.tryReserve(wanted)
    if (!isReserved && !this.#mayOverflow(wanted)) {
      return Promise.reject(
        new MqError(
          'MQ_BUFFER_FULL',
          `${this.#waiting.length} sends to ${mqId} wait already and ${budget.limitBytes} bytes of buffer are taken: ${this.#options.reason().message}`,
        ),
      )
    }
    if (!isReserved) {
      this.#overflow++
      this.#overflowBytes += wanted
    }
    const promise = new Promise<Receipt>((resolve, reject) => {
      const held: Held = {
        outgoing: frozen,
        bytes: wanted,
        isReserved,
        deadlineMs: deps.clock.monotonicMs() + deadlineMs,
        settled: false,
        resolve,
        reject,
      }
      this.#waiting.push(held)
      this.#unsettled.push(held)
    })
    promise.catch(() => {})
    this.#arm()
    return promise
  }

  /** Hands everything that waits to the producer, in order (D2). */
  drain(format: Format, send: (outgoing: Outgoing, encoded: Encoded) => Promise<Receipt>): void {
    const leaving = this.#waiting
    this.#waiting = []
    for (const held of leaving) {
      this.#release(held)
      if (held.settled) continue
      let encoded: Encoded
      try {
        encoded = encodeFrozen(this.#options.mqId, format, held.outgoing.value)
      } catch (error) {
        this.#settle(held, () => held.reject(error))
        continue
      }
      send(held.outgoing, encoded).then(
        (receipt) => this.#settle(held, () => held.resolve(receipt)),
        (error: unknown) => this.#settle(held, () => held.reject(error)),
      )
    }
  }

  /** Refuses everything that waits. */
  refuse(error: MqError): void {
    const leaving = this.#waiting
    this.#waiting = []
    for (const held of leaving) {
      this.#release(held)
      this.#settle(held, () => held.reject(error))
    }
  }

  /** Resolves when nothing held is unsettled any more. */
  idle(): Promise<void> {
    return this.size === 0 ? Promise.resolve() : new Promise((resolve) => this.#idle.push(resolve))
  }

  /** Together no more than the buffer takes once over. */
  #mayOverflow(bytes: number): boolean {
    const { budget, mostOverflow = MOST_OVERFLOW } = this.#options
    return this.#overflow < mostOverflow && this.#overflowBytes + bytes <= budget.limitBytes
  }

  #release({ bytes, isReserved }: Held): void {
    if (isReserved) this.#options.budget.release(bytes)
    else {
      this.#overflow--
      this.#overflowBytes -= bytes
    }
  }

  #settle(held: Held, act: () => void): void {
    if (held.settled) return
    held.settled = true
    act()
    if (this.#unsettled[0] === held) this.#arm()
    if (this.#idle.length > 0 && this.size === 0) for (const resolve of this.#idle.splice(0)) resolve()
  }

  /** One timer, for the oldest: all have the same time to live. */
  #arm(): void {
    const { deps } = this.#options
    const first = this.#unsettled.findIndex((held) => !held.settled)
    if (first !== 0) this.#unsettled = first < 0 ? [] : this.#unsettled.slice(first)
    if (this.#unsettled.length === 0) {
      if (this.#timer !== undefined) deps.timers.clearTimeout(this.#timer)
      this.#timer = undefined
      return
    }
    if (this.#timer !== undefined) return
    const delayMs = Math.max(1, this.#unsettled[0]!.deadlineMs - deps.clock.monotonicMs())
    this.#timer = deps.timers.setTimeout(() => {
      this.#timer = undefined
      this.#expire()
      this.#arm()
    }, delayMs)
  }

  #expire(): void {
    const nowMs = this.#options.deps.clock.monotonicMs()
    const { mqId, deadlineMs } = this.#options
    const over = this.#unsettled.filter((held) => !held.settled && held.deadlineMs <= nowMs)
    const waiting = new Set(this.#waiting)
    for (const held of over) {
      // What never left is known not to be stored; what left may be.
      const error = waiting.has(held)
        ? this.#options.reason()
        : new MqError('MQ_SEND_TIMEOUT', `A send to ${mqId} was not acknowledged within ${deadlineMs} ms`)
      if (waiting.has(held)) this.#release(held)
      this.#settle(held, () => held.reject(error))
    }
    this.#expired += over.length
    if (over.length > 0) this.#waiting = this.#waiting.filter((held) => !held.settled)
  }
}

function freeze(mqId: string, outgoing: Outgoing): Outgoing {
  const { value } = outgoing
  const key = outgoing.key instanceof Uint8Array ? Uint8Array.from(outgoing.key) : outgoing.key
  if (value === null || typeof value === 'string') return { ...outgoing, key }
  if (value instanceof Uint8Array) return { ...outgoing, key, value: Uint8Array.from(value) }
  return { ...outgoing, key, value: new JsonText(encodeValue(mqId, 'json', value) as string) }
}

function encodeFrozen(mqId: string, format: Format, value: unknown): Encoded {
  if (!(value instanceof JsonText)) return encodeValue(mqId, format, value)
  if (format === 'json') return value.text
  return encodeValue(mqId, format, JSON.parse(value.text))
}

function sizeOf(outgoing: Outgoing): number {
  const { key, value, headers } = outgoing
  const text = value instanceof JsonText ? value.text : value
  return (
    RECORD_OVERHEAD_BYTES +
    (key?.length ?? 0) +
    (headers?.length ?? 0) +
    ((text as { length?: number } | null)?.length ?? 0)
  )
}
