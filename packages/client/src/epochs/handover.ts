/**
 * Records of an epoch that ended, on their way to the next one.
 *
 * H1. Batches leave in the order they are held, and the records of each in theirs: so the order of every key is kept, however
 *     the next epoch splits its keys.
 * H2. Nothing leaves before it is known of every batch whether the old log has it: one that is there is acknowledged and stays.
 * H3. A promise that callers hold resolves when all records that share it are stored, and rejects when one cannot be.
 * H4. A record that has not left settles by its deadline like any other and is then not sent; so is one whose fate is unknown.
 *     One that leaves takes its deadline along.
 * H5. The way may be broken off between two batches; what has not left stays held, in order.
 * H6. The memory of a batch is given back before its records ask for theirs.
 */

import { MqError } from '@mq/contract'
import { EarliestTimer } from '@mq/contract/timing'
import {
  type Deps,
  type HeldBatch,
  type HeldPart,
  type HeldRecord,
  messages,
  type Receipt,
  type Resolution,
  type SendLimits,
  type TailQuestion,
} from '@mq/kafka'

/** What became of records that were held, since it was last asked. */
export interface Handed {
  /** Records that left for the next epoch. */
  readonly handedOver: number
  /** Without an answer, and in the old log. */
  readonly found: number
  /** Nobody can tell. */
  readonly uncertain: number
  /** Their time was over before they could leave. */
  readonly expired: number
}

const NONE: Handed = { handedOver: 0, found: 0, uncertain: 0, expired: 0 }

export interface HandoverTarget {
  adopt(record: HeldRecord, limits: SendLimits): Promise<Receipt>
  /** Resolves when nothing adopted waits for memory. */
  placed(): Promise<void>
}

export interface HandoverOptions {
  readonly mqId: string
  readonly deps: Deps
}

export class Handover {
  readonly #options: HandoverOptions
  /** In order; settled ones are passed over when they leave. */
  #held: HeldBatch[] = []
  /** Looked for in the old log and not there. */
  readonly #absent = new WeakSet<HeldBatch>()
  #moving = 0
  #handed: Handed = NONE
  readonly #timer: EarliestTimer
  #idle: (() => void)[] = []

  constructor(options: HandoverOptions) {
    this.#options = options
    this.#timer = new EarliestTimer(options.deps, () => {
      this.#expire()
      this.#settled()
    })
  }

  /** Records that have not left. */
  get size(): number {
    return this.#held.reduce(
      (sum, { parts }) => sum + parts.reduce((own, part) => (part.settled ? own : own + part.count), 0),
      0,
    )
  }

  takeHanded(): Handed {
    const handed = this.#handed
    this.#handed = NONE
    return handed
  }

  /** Takes what an epoch held; what is here already was sent later. */
  putFirst(batches: readonly HeldBatch[]): void {
    this.#held = [...batches, ...this.#held]
    this.#arm()
  }

  /** Finds out what the old log has (H2). */
  async resolve(find: (question: TailQuestion) => Promise<Resolution>): Promise<void> {
    await Promise.all(
      this.#held.map(async (batch) => {
        if (batch.question === undefined || batch.settled) return
        const resolution = await find(batch.question)
        if (batch.settled) return
        if (resolution.kind === 'stored') {
          batch.found(resolution.baseOffset)
          this.#count('found', batch.count)
        } else if (resolution.kind === 'unknown') {
          this.#count('uncertain', batch.count)
          batch.reject(
            new MqError(
              'MQ_SEND_UNCERTAIN',
              `${messages(batch.count, this.#options.mqId)} may or may not be stored: they were under way when the mQ ID moved, no answer came, and the old log could not be read`,
              { details: { partition: batch.partition, records: batch.count, maybeStored: true } },
            ),
          )
        } else this.#absent.add(batch)
      }),
    )
  }

  /** Sends everything to the next epoch (H1). @returns false when it was broken off (H5) */
  async moveTo(target: HandoverTarget, broken: Promise<void>): Promise<boolean> {
    let isBroken = false
    const stop = broken.then(() => {
      isBroken = true
    })
    // One turn, so that what is broken off already is known.
    await Promise.race([stop, Promise.resolve()])
    while (this.#held.length > 0 && !isBroken) {
      const batch = this.#held.shift()!
      batch.letGo()
      if (batch.settled) continue
      this.#leave(batch, target)
      await Promise.race([stop, target.placed()])
    }
    this.#settled()
    return this.#held.length === 0
  }

  /** Rejects what has not left. */
  refuse(error: MqError): void {
    for (const batch of this.#held.splice(0)) {
      if (!batch.settled) batch.reject(error)
      batch.letGo()
    }
    this.#settled()
  }

  /** Resolves when everything that was ever held here is settled. */
  idle(): Promise<void> {
    return this.#isIdle ? Promise.resolve() : new Promise((resolve) => this.#idle.push(resolve))
  }

  #count(what: keyof Handed, records: number): void {
    this.#handed = { ...this.#handed, [what]: this.#handed[what] + records }
  }

  #leave(batch: HeldBatch, target: HandoverTarget): void {
    const records = batch.records()
    let at = 0
    for (const part of batch.parts) {
      const own = records.slice(at, at + part.count)
      at += part.count
      if (part.settled) continue
      this.#count('handedOver', part.count)
      const { deadlineMs, hasOwnTime, count } = part
      const limits = { deadlineMs, hasOwnTime, isAlone: count === 1 }
      this.#track(part, new Set(own.map((record) => target.adopt(record, limits))))
    }
  }

  /** H3 */
  #track(part: HeldPart, sent: ReadonlySet<Promise<Receipt>>): void {
    this.#moving++
    const end = (): void => {
      this.#moving--
      this.#settled()
    }
    Promise.allSettled(sent).then((results) => {
      const failed = results.find((result) => result.status === 'rejected')
      const first = results[0]
      if (failed !== undefined) part.reject(failed.reason as MqError)
      else if (first?.status === 'fulfilled') part.resolve(first.value)
      end()
    }, end)
  }

  get #isIdle(): boolean {
    return this.#moving === 0 && this.#held.every((batch) => batch.settled)
  }

  #settled(): void {
    if (this.#idle.length > 0 && this.#isIdle) for (const resolve of this.#idle.splice(0)) resolve()
    this.#arm()
  }

  /** One timer, for the earliest deadline of what has not left (H4). */
  #arm(): void {
    this.#timer.clear()
    let earliestMs = Number.POSITIVE_INFINITY
    for (const { parts } of this.#held) {
      for (const part of parts) if (!part.settled) earliestMs = Math.min(earliestMs, part.deadlineMs)
    }
    if (earliestMs < Number.POSITIVE_INFINITY) this.#timer.wakeAt(earliestMs)
  }

  #expire(): void {
    const { mqId, deps } = this.#options
    const nowMs = deps.clock.monotonicMs()
    for (const batch of this.#held) {
      const maybeStored = batch.question !== undefined && !this.#absent.has(batch)
      for (const part of batch.parts) {
        if (part.settled || (part.deadlineMs > nowMs && !part.isCancelled)) continue
        const what = maybeStored ? 'may or may not be stored: under way and not acknowledged' : 'not stored: on the way'
        this.#count('expired', part.count)
        part.reject(
          new MqError(
            maybeStored ? 'MQ_SEND_UNCERTAIN' : part.isCancelled ? 'MQ_SEND_CANCELLED' : 'MQ_SEND_TIMEOUT',
            `${messages(part.count, mqId)} ${what} to the next epoch when their time was over`,
            { details: { partition: batch.partition, records: part.count, maybeStored } },
          ),
        )
      }
      if (batch.settled) batch.letGo()
    }
  }
}
