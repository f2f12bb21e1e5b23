/**
 * What a halted producer gives away: one batch, or one send that never got into a batch, with the promise its senders hold.
 *
 * G1. Held batches of one producer are in the order of their sends per partition, and sends that waited for memory come last.
 * G2. Whoever took one settles it: nobody else does, neither its deadline nor a late answer.
 * G3. `letGo` gives the memory back to the budget at once; the records stay readable, because the buffer is not used again.
 */
import type { MqError } from '@mq/contract'
import { type HeldRecord, recordsOf } from '../records/batch-parts.ts'
import type { PendingBatch } from './pending-batch.ts'
import type { TailQuestion } from './sealed-tail.ts'
import { type Receipt, StoredReceipt } from './send-promise.ts'
import type { WaitingSend } from './send-queue.ts'

/** Records that stand together and share a promise. */
export interface HeldPart {
  readonly count: number
  /** On the monotonic clock. */
  readonly deadlineMs: number
  /** Its sender gave it up: its deadline counts as over. */
  readonly isCancelled: boolean
  /** The application gave the time of its record. */
  readonly hasOwnTime: boolean
  readonly settled: boolean
  resolve(receipt: Receipt): void
  reject(error: MqError): void
}

export interface HeldBatch {
  readonly topic: string
  readonly partition: number
  readonly count: number
  /** In the order of the records. */
  readonly parts: readonly HeldPart[]
  /** What to look for in the log, when it may be stored already. */
  readonly question: TailQuestion | undefined
  readonly settled: boolean
  records(): HeldRecord[]
  /** It was found in the log. */
  found(baseOffset: bigint): void
  resolve(receipt: Receipt): void
  reject(error: MqError): void
  letGo(): void
}

export interface HeldFrom {
  readonly topic: string
  readonly partition: number
  /** Behind the last batch of this producer that is stored. */
  readonly storedUpTo: bigint | undefined
  discard(batch: PendingBatch): void
  reportFound(batch: PendingBatch): void
}

export function heldBatch(batch: PendingBatch, from: HeldFrom): HeldBatch {
  const { topic, partition } = from
  const { encoder } = batch
  let isKept = true
  let records: HeldRecord[] | undefined
  const read = (): HeldRecord[] => {
    records ??= recordsOf(batch)
    return records
  }
  const letGo = (): void => {
    if (isKept) from.discard(batch)
    isKept = false
  }
  const identities = [...batch.formerIdentities, ...(batch.identity === null ? [] : [batch.identity])]
  const question =
    batch.ambiguous && identities.length > 0
      ? {
          topic,
          partition,
          identities,
          records: encoder.count,
          fromOffset: from.storedUpTo,
          fromTimestampMs: read().reduce(
            (oldest, { timestampMs }) => Math.min(oldest, timestampMs),
            Number.MAX_SAFE_INTEGER,
          ),
        }
      : undefined
  return {
    topic,
    partition,
    count: encoder.count,
    parts: batch.slices.map(({ sent, count }) => ({
      count,
      get deadlineMs() {
        return sent.deadlineMs
      },
      get isCancelled() {
        return sent.cancelled !== undefined
      },
      hasOwnTime: sent.hasOwnTime,
      get settled() {
        return sent.settled
      },
      resolve: (receipt) => sent.stored(receipt),
      reject: (error) => sent.failed(error),
    })),
    question,
    get settled() {
      return batch.settled
    },
    records: read,
    found: (baseOffset) => {
      if (!batch.settled) from.reportFound(batch)
      batch.resolve(new StoredReceipt(topic, partition, baseOffset))
      letGo()
    },
    resolve: (receipt) => batch.resolve(receipt),
    reject: (error) => batch.reject(error),
    letGo,
  }
}

/** A send that waited for memory: it was certainly never sent. */
export function heldSend(send: WaitingSend): HeldBatch {
  const { key, value, headers, timestampMs, deadlineMs, limits, sender } = send
  const bytes = (part: string | Uint8Array | null): Buffer | null => (part === null ? null : Buffer.from(part))
  let isSettled = false
  const part: HeldPart = {
    count: 1,
    deadlineMs,
    hasOwnTime: limits?.hasOwnTime === true,
    get isCancelled() {
      return limits?.signal?.aborted === true
    },
    get settled() {
      return isSettled
    },
    resolve: (receipt) => {
      isSettled = true
      send.resolve(receipt)
    },
    reject: (error) => {
      isSettled = true
      send.reject(error)
    },
  }
  return {
    topic: sender.topic,
    partition: sender.partition,
    count: 1,
    parts: [part],
    question: undefined,
    get settled() {
      return isSettled
    },
    records: () => [{ key: bytes(key), value: bytes(value), headers, timestampMs }],
    found: () => {
      throw new RangeError('A send that was never sent cannot be found')
    },
    resolve: part.resolve,
    reject: part.reject,
    letGo: () => {},
  }
}
