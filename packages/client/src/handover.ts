/**
 * Records of an epoch that ended, on their way to the next one.
 *
 * H1. Batches leave in the order they are held, and the records of each in theirs: so the order of every key is kept, however
 *     the next epoch splits its keys.
 * H2. Nothing leaves before it is known of every batch whether the old log has it: one that is there is acknowledged and stays.
 * H3. The promise that callers hold resolves when all records of the old batch are stored, and rejects when one cannot be.
 * H4. A batch that has not left settles by its deadline like any other and is then not sent; so is one whose fate is unknown.
 * H5. The way may be broken off between two batches; what has not left stays held, in order.
 * H6. The memory of a batch is given back before its records ask for theirs.
 */
import { MqError } from '@mq/contract'
import type { Deps, HeldBatch, HeldRecord, Receipt, Resolution, TailQuestion, TimerHandle } from '@mq/kafka'

/** What became of records that were held, since it was last asked. */
export interface Handed {
  /** Records that left for the next epoch. */
  readonly handedOver: number
  /** Without an answer, and in the old log. */
  readonly found: number
  /** Nobody can tell. */
  readonly uncertain: number
}

const NONE: Handed = { handedOver: 0, found: 0, uncertain: 0 }

export interface HandoverTarget {
  adopt(record: HeldRecord): Promise<Receipt>
  /** Resolves when nothing adopted waits for memory. */
  placed(): Promise<void>
}

export interface HandoverOptions {
  readonly mqId: string
  readonly deps: Deps
  readonly deadlineMs: number
}

export class Handover {
  readonly #options: HandoverOptions
  /** In order; settled ones are passed over when they leave. */
  #held: HeldBatch[] = []
  #moving = 0
  #handed: Handed = NONE
  #timer: TimerHandle | undefined
  #idle: (() => void)[] = []

  constructor(options: HandoverOptions) {
    this.#options = options
  }

  /** Records that have not left. */
  get size(): number {
    return this.#held.reduce((sum, batch) => (batch.settled ? sum : sum + batch.count), 0)
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
              `${batch.count} records for ${batch.topic}-${batch.partition} may or may not be stored: their epoch ended before an answer came, and its log could not be read`,
              { details: { topic: batch.topic, partition: batch.partition, records: batch.count } },
            ),
          )
        }
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
      this.#count('handedOver', batch.count)
      this.#track(batch, new Set(batch.records().map((record) => target.adopt(record))))
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

  /** H3 */
  #track(batch: HeldBatch, parts: ReadonlySet<Promise<Receipt>>): void {
    this.#moving++
    const end = (): void => {
      this.#moving--
      this.#settled()
    }
    Promise.allSettled(parts).then((results) => {
      const failed = results.find((result) => result.status === 'rejected')
      const first = results[0]
      if (failed !== undefined) batch.reject(failed.reason as MqError)
      else if (first?.status === 'fulfilled') batch.resolve(first.value)
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

  /** One timer, for the oldest that has not left (H4). */
  #arm(): void {
    const { deps, deadlineMs } = this.#options
    if (this.#timer !== undefined) deps.timers.clearTimeout(this.#timer)
    this.#timer = undefined
    const oldestMs = this.#held.reduce(
      (oldest, batch) => (batch.settled ? oldest : Math.min(oldest, batch.openedAtMs)),
      Number.POSITIVE_INFINITY,
    )
    if (oldestMs === Number.POSITIVE_INFINITY) return
    const delayMs = Math.max(1, oldestMs + deadlineMs - deps.clock.monotonicMs())
    this.#timer = deps.timers.setTimeout(() => {
      this.#timer = undefined
      this.#expire()
      this.#settled()
    }, delayMs)
  }

  #expire(): void {
    const { mqId, deps, deadlineMs } = this.#options
    const before = deps.clock.monotonicMs() - deadlineMs
    for (const batch of this.#held) {
      if (batch.settled || batch.openedAtMs > before) continue
      const { topic, partition, count: records } = batch
      batch.reject(
        new MqError(
          'MQ_SEND_TIMEOUT',
          `${records} records of ${mqId} were on their way to its next epoch when their ${deadlineMs} ms were over`,
          { details: { topic, partition, records, maybeStored: batch.question !== undefined } },
        ),
      )
      batch.letGo()
    }
  }
}
