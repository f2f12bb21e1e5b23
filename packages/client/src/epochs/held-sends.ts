/**
 * Sends that wait because their mQ ID has no writable epoch yet: in order, bounded in bytes and time.
 *
 * D1. Of what waits a snapshot is held (`UnsentRecord`), and its bytes are made when it leaves: only then it is known what the mQ ID takes.
 * D2. Held sends leave in the order they came, before any later one.
 * D3. A held send settles by its deadline, or when its signal fires, and is then not sent. One that leaves takes both along.
 * D4. Bytes held count against the buffer of the client. Of what does not fit, as many sends wait as wait for memory while an
 *     epoch is open; the rest is refused with MQ_BUFFER_FULL.
 */
import { type Binding, MqError } from '@mq/contract'
import { EarliestTimer } from '@mq/contract/timing'
import type { Bytes, Deps, EncodedHeaders, MemoryBudget, Receipt, SendLimits } from '@mq/kafka'
import { leftAlone, refused } from '../base/refused.ts'

/** A record that has not left: checked, and no longer the object of the application (D1). */
export interface UnsentRecord {
  readonly key: string | Uint8Array | null
  readonly headers: EncodedHeaders | undefined
  readonly timestampMs: number | undefined
  readonly limits: SendLimits | undefined
  /** What it takes while it waits. */
  readonly sizeBytes: number
  /** Its value as the mQ ID stores it. @throws MqError where the mQ ID does not take it */
  encode(binding: Binding): Bytes | null
}

export interface HeldSendsOptions {
  readonly mqId: string
  readonly budget: MemoryBudget
  readonly deps: Deps
  readonly deadlineMs: number
  /** How many may wait without room in the buffer. */
  readonly mostOverflow?: number
  onFailure?(error: MqError): void
  /** Why sends wait, for the message at the deadline. */
  reason(): MqError
}

type Settle = { readonly resolve: (receipt: Receipt) => void; readonly reject: (error: unknown) => void }
type Held = Settle & {
  readonly record: UnsentRecord
  readonly bytes: number
  readonly isReserved: boolean
  readonly deadlineMs: number
  settled: boolean
  /** Called once it is settled. */
  onSettled: (() => void) | undefined
}

const MOST_OVERFLOW = 100_000

export class HeldSends {
  readonly #options: HeldSendsOptions
  #waiting: Held[] = []
  /** Sends that wait without room in the buffer. */
  #overflow = 0
  #overflowBytes = 0
  /** Left for the producer and not settled. */
  #underWay = 0
  readonly #timer: EarliestTimer
  #expired = 0
  #idle: (() => void)[] = []

  constructor(options: HeldSendsOptions) {
    this.#options = options
    const { clock } = options.deps
    this.#timer = new EarliestTimer(options.deps, () => {
      const nowMs = clock.monotonicMs()
      this.#giveUp(
        (held) => held.deadlineMs <= nowMs,
        () => options.reason(),
      )
    })
  }

  /** Sends not settled. */
  get size(): number {
    return this.#waiting.length + this.#underWay
  }

  /** Sends whose time was over before they were acknowledged, since it was last asked. */
  takeExpired(): number {
    const expired = this.#expired
    this.#expired = 0
    return expired
  }

  hold(record: UnsentRecord): Promise<Receipt> {
    const { mqId, budget, deps, deadlineMs } = this.#options
    const wanted = record.sizeBytes
    const isReserved = budget.tryReserve(wanted)
    if (!isReserved && !this.#mayOverflow(wanted)) {
      return this.#refuse(
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
    const { promise, resolve, reject } = Promise.withResolvers<Receipt>()
    const { signal, deadlineMs: ownMs } = record.limits ?? {}
    const dueMs = ownMs ?? deps.clock.monotonicMs() + deadlineMs
    const held: Held = {
      record,
      bytes: wanted,
      isReserved,
      deadlineMs: dueMs,
      settled: false,
      onSettled: undefined,
      resolve,
      reject,
    }
    if (signal !== undefined) {
      const onAbort = (): void =>
        this.#giveUp(
          (one) => one === held,
          () => cancelled(mqId, signal),
        )
      signal.addEventListener('abort', onAbort, { once: true })
      held.onSettled = () => signal.removeEventListener('abort', onAbort)
    }
    this.#waiting.push(held)
    this.#timer.wakeAt(dueMs)
    return leftAlone(promise)
  }

  /** Hands everything that waits to the producer, in order (D2). */
  drain(binding: Binding, send: (record: UnsentRecord, encoded: Bytes | null) => Promise<Receipt>): void {
    const leaving = this.#waiting
    this.#waiting = []
    this.#timer.clear()
    for (const held of leaving) {
      this.#release(held)
      const { record, deadlineMs } = held
      let encoded: Bytes | null
      try {
        encoded = record.encode(binding)
      } catch (error) {
        this.#fail(held, error)
        continue
      }
      this.#underWay++
      const end = (act: () => void): void => {
        this.#underWay--
        this.#settle(held, act)
      }
      send({ ...record, limits: { ...record.limits, deadlineMs } }, encoded).then(
        (receipt) => end(() => held.resolve(receipt)),
        (error: unknown) => end(() => held.reject(error)),
      )
    }
  }

  /** Refuses everything that waits. */
  refuse(error: MqError): void {
    const leaving = this.#waiting
    this.#waiting = []
    this.#timer.clear()
    for (const held of leaving) {
      this.#release(held)
      this.#fail(held, error)
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

  #refuse(error: unknown): Promise<never> {
    if (error instanceof MqError) this.#options.onFailure?.(error)
    return refused(error)
  }

  /** Of one that never left: the producer does not tell of it. */
  #fail(held: Held, error: unknown): void {
    if (error instanceof MqError) this.#options.onFailure?.(error)
    this.#settle(held, () => held.reject(error))
  }

  #settle(held: Held, act: () => void): void {
    held.settled = true
    held.onSettled?.()
    act()
    if (this.#idle.length > 0 && this.size === 0) for (const resolve of this.#idle.splice(0)) resolve()
  }

  /** What never left is known not to be stored. */
  #giveUp(isOver: (held: Held) => boolean, errorOf: () => MqError): void {
    const over = this.#waiting.filter(isOver)
    if (over.length > 0) this.#waiting = this.#waiting.filter((held) => !isOver(held))
    this.#expired += over.length
    for (const held of over) {
      this.#release(held)
      this.#fail(held, errorOf())
    }
    let earliestMs = Number.POSITIVE_INFINITY
    for (const { deadlineMs } of this.#waiting) earliestMs = Math.min(earliestMs, deadlineMs)
    this.#timer.clear()
    this.#timer.wakeAt(earliestMs)
  }
}

/** A signal fired before the message left. */
export function cancelled(mqId: string, signal: AbortSignal): MqError {
  return new MqError('MQ_SEND_CANCELLED', `1 message for ${mqId} not stored: it was cancelled before it was sent`, {
    cause: signal.reason,
    details: { records: 1, maybeStored: false },
  })
}
