/**
 * The promise that one or more records of a batch share, and until when they may be sent.
 *
 * S1. It settles once: resolved when all of its records are stored, with the receipt of the first; otherwise rejected.
 * S2. Records share one only when their deadlines are within the tolerance of the producer. None is given up early, and none more
 *     than the tolerance late. A record that may fail alone has one of its own.
 * S3. When Kafka refuses some of the records that share one, the others are sent all the same. Nobody can tell then which of the callers
 *     had the refused one: it rejects as uncertain, and says how many were refused.
 * S4. Nobody may be listening, and that must not end the process; whoever listens still gets the rejection.
 */
import { MqError } from '@mq/contract'

/** What the records of a batch get. `baseOffset` is that of the batch, -1 when the broker no longer knows it. */
export interface Receipt {
  readonly topic: string
  readonly partition: number
  readonly baseOffset: bigint
}

/** Text in JSON, as offsets are 64 bits wide. */
export class StoredReceipt implements Receipt {
  readonly topic: string
  readonly partition: number
  readonly baseOffset: bigint

  constructor(topic: string, partition: number, baseOffset: bigint) {
    this.topic = topic
    this.partition = partition
    this.baseOffset = baseOffset
  }

  toJSON(): { topic: string; partition: number; baseOffset: string } {
    return { topic: this.topic, partition: this.partition, baseOffset: String(this.baseOffset) }
  }
}

/** What one send asks for by itself. */
export interface SendLimits {
  /** On the monotonic clock; a deadline of the producer's length from now on when left out. */
  readonly deadlineMs?: number | undefined
  /** Gives the record up when it fires. */
  readonly signal?: AbortSignal | undefined
  /** A promise for this record alone. */
  readonly isAlone?: boolean
  /** The application said when it happened; a time that nobody gave may be corrected. */
  readonly hasOwnTime?: boolean
}

function ignore(): void {}

export class SendPromise {
  readonly promise: Promise<Receipt>
  /** On the monotonic clock. */
  deadlineMs: number
  /** Takes one record only. */
  readonly isOwn: boolean
  /** Whether the deadline is not that of the producer. */
  hasOwnLimit = false
  /** Whether the application gave the time of the record; then it takes one record only. */
  hasOwnTime = false
  /** Why its sender gave it up before the deadline. */
  cancelled: { readonly reason: unknown } | undefined
  settled = false
  /** Batches that hold records of it. */
  #parts = 1
  #isSplit = false
  #receipt: Receipt | undefined
  #error: MqError | undefined
  #refused = 0
  #refusal: MqError | undefined
  #resolve!: (receipt: Receipt) => void
  #reject!: (error: MqError) => void

  constructor(deadlineMs: number, isOwn: boolean) {
    this.deadlineMs = deadlineMs
    this.isOwn = isOwn
    this.promise = new Promise((resolve, reject) => {
      this.#resolve = resolve
      this.#reject = reject
    })
    this.promise.catch(ignore)
  }

  /** Whether its records stand, or stood, in several batches: then one of them alone says nothing of the others. */
  get isSplit(): boolean {
    return this.#isSplit
  }

  /** Its records stand in one batch more. */
  split(): void {
    this.#parts++
    this.#isSplit = true
  }

  /** The records in one of its batches are stored. */
  stored(receipt: Receipt): void {
    this.#receipt ??= receipt
    this.#partSettled()
  }

  /** The records in one of its batches are not stored, or nobody knows. */
  failed(error: MqError): void {
    this.#error ??= error
    this.#partSettled()
  }

  /** Some of its records were refused; with none left in that batch, the part is settled. */
  refused(records: number, error: MqError, isLast: boolean): void {
    this.#refused += records
    this.#refusal ??= error
    if (isLast) this.#partSettled()
  }

  /** Settles it now, whatever comes of its records. */
  giveUp(error: MqError): void {
    if (this.settled) return
    this.settled = true
    this.#reject(error)
  }

  #partSettled(): void {
    this.#parts--
    if (this.#parts > 0 || this.settled) return
    this.settled = true
    const error = this.#outcome()
    if (error === undefined) this.#resolve(this.#receipt!)
    else this.#reject(error)
  }

  #outcome(): MqError | undefined {
    const refusal = this.#refusal
    if (refusal === undefined || this.isOwn) return refusal ?? this.#error
    // All that share it are refused, or not stored for another reason: that holds for every one of them.
    if (this.#receipt === undefined) return this.#error ?? refusal
    const { message, details } = refusal
    return new MqError(
      'MQ_SEND_UNCERTAIN',
      `${message}; others that were sent in the same moment are stored, and which of them the refused one is cannot be told`,
      { cause: refusal, details: { ...details, refused: this.#refused, othersStored: true, maybeStored: true } },
    )
  }
}
