/**
 * One partition's way out: the open batch, the closed ones behind it, and the slot of the one batch that is being sent.
 *
 * P1. At most one batch is in the slot, and only the batch in the slot is ever sent. Order: slot, closed, open.
 * P2. A batch gets its (producer id, epoch, sequence) on entering the slot and keeps it over every retry, so that a second
 *     copy is recognised by the leader. It changes only by P4, P5 and P6.
 * P3. The next batch enters the slot only when the one before is stored, or is given up by P6.
 * P4. OUT_OF_ORDER_SEQUENCE: the leader looks for the batch among its last ones before it compares sequences, and ours is
 *     the last one we sent (P1). So this leader's log does not hold it: what was lost are older, acknowledged batches (an
 *     unclean election). The epoch rises by one, the batch becomes its first (sequence 0) and is sent again. A copy of the
 *     old attempt still under way is refused by the leader because its epoch is then the older one.
 * P5. UNKNOWN_PRODUCER_ID and INVALID_PRODUCER_EPOCH do not say whether an older attempt was stored. On a batch that is not
 *     ambiguous they are handled like P4 (for the epoch with a new producer id: somebody else raises ours). An ambiguous one
 *     is looked up in the log (`resolveAmbiguous`); if that cannot tell, its senders are told so (MQ_SEND_UNCERTAIN).
 * P6. A batch that is given up while it may be stored takes its epoch with it: the next batch starts a new epoch at
 *     sequence 0. Its sequence is therefore never used for other records, which the leader would drop as a duplicate, and a
 *     late copy cannot land behind newer records. If it is certainly not stored, its sequence is used again.
 * P7. At its deadline a record is given up at once. On the wire, or ambiguous, it stays in its batch and is uncertain, and the slot stays
 *     taken until the answer is known. Otherwise it is taken out of its batch, is not sent any more, and was never stored.
 * P8. MESSAGE_TOO_LARGE for a batch within our own limit means that the topic is sealed: with `onSealed` the partition halts
 *     with everything it holds, in order, for the owner to take. Without it the batch is split, down to single records.
 * P9. A partition on hold lets the batch that is on the wire come to its end, and sends nothing more until it is resumed.
 *     Taken over by its owner before that end, the batch is ambiguous, and an answer that still comes is ignored.
 * P10. A refusal that names records rejects those alone, the others are sent again in order; where none is named, halves are sent.
 *     After an ambiguous attempt all is uncertain, unless a broker answered that one and times are refused: they were no better before.
 * P11. A refusal for the times of records fails no record whose time nobody gave: those get a time that the brokers take, and the batch is
 *     sent again where it stood, under the same sequence (refused-times.ts).
 */
import { BATCH_OVERHEAD_BYTES, type MqError } from '@mq/contract'
import { backoffMs } from '@mq/contract/timing'
import { KafkaCode, toMqError } from '../protocol/kafka-errors.ts'
import type { RecordError } from '../protocol/produce-request.ts'
import type { Bytes } from '../records/batch-encoder.ts'
import { type IsGone, splitBatch, withoutRecords } from '../records/batch-parts.ts'
import type { EncodedHeaders } from '../records/record-headers.ts'
import { Accumulator } from './accumulator.ts'
import { giveUpRecords, refuseRecords } from './failed-records.ts'
import { type HeldBatch, type HeldFrom, heldBatch } from './held-batch.ts'
import { PartitionSequence } from './partition-sequence.ts'
import type { PendingBatch, Slice } from './pending-batch.ts'
import type { Outcome } from './produce-outcome.ts'
import { sortTimes } from './refused-times.ts'
import { messages, refusal, type SentTo, tooLarge, uncertain, withoutTopic } from './send-errors.ts'
import { type Receipt, StoredReceipt } from './send-promise.ts'
import type { SenderOwner } from './sender-shared.ts'
import { IDLE, type Slot } from './sender-slot.ts'

export class PartitionSender {
  readonly topic: string
  readonly partition: number
  readonly #shared: SenderOwner<PartitionSender>
  #slot: Slot = IDLE
  readonly #accumulator: Accumulator
  readonly #sequence: PartitionSequence
  #isOnHold = false
  /** Behind the last batch of ours that is stored. */
  #storedUpTo: bigint | undefined
  /** Whether the sender stands in the producer's list of those to look at. */
  queued = false

  constructor(topic: string, partition: number, shared: SenderOwner<PartitionSender>) {
    this.topic = topic
    this.partition = partition
    this.#shared = shared
    this.#sequence = new PartitionSequence(shared.ids)
    this.#accumulator = new Accumulator(shared, {
      opened: (dueAtMs) => shared.opened(this, dueAtMs),
      ready: () => shared.wake(this),
      trouble: (error) => shared.observer.onTrouble?.(topic, partition, error),
    })
  }

  get slot(): Slot {
    return this.#slot
  }

  /** Whether a record without a key may join the open batch. */
  takesMore(): boolean {
    return this.#accumulator.takesMore()
  }

  /**
   * Adds a record. Returns its batch, or null when the memory budget is spent (`shared.wantedBytes` says what is missing).
   * Throws MqError for a record that can never be sent.
   */
  append(
    key: Bytes | null,
    value: Bytes | null,
    headers: EncodedHeaders | undefined,
    timestampMs: number,
  ): PendingBatch | null {
    return this.#accumulator.append(key, value, headers, timestampMs)
  }

  /** Batches not yet resolved. */
  get backlog(): number {
    return this.#accumulator.size + ('batch' in this.#slot && this.#slot.batch !== null ? 1 : 0)
  }

  get unsettledRecords(): number {
    return this.#unsettled().reduce((sum, batch) => sum + batch.unsettledCount, 0)
  }

  /** The promises of everything not yet settled. */
  pending(): Promise<Receipt>[] {
    return this.#unsettled().flatMap((batch) => batch.slices.map(({ sent }) => sent.promise))
  }

  /** When this sender has to be looked at again if nothing else happens; Infinity when never. */
  dueAtMs(): number {
    const { closed, open } = this.#accumulator
    let due = Number.POSITIVE_INFINITY
    if (this.#slot.kind === 'backing-off') due = this.#slot.untilMs
    else if (this.#slot.kind === 'idle') {
      if (closed.length > 0) due = closed[0]!.wire.kind === 'ready' ? 0 : due
      else if (open !== null) due = open.openedAtMs + this.#shared.settings.lingerMs
    }
    return Math.min(due, this.earliestMs)
  }

  get earliestMs(): number {
    return Math.min(this.#unsettledInSlot()?.earliestMs ?? Number.POSITIVE_INFINITY, this.#accumulator.earliestMs)
  }

  /** A record that was appended has an earlier deadline than those before it. */
  expiresBy(deadlineMs: number): void {
    this.#accumulator.expiresBy(deadlineMs)
  }

  /** Whether `take` would give a batch now; closes the open one when it is its turn. */
  ready(nowMs: number): boolean {
    if (this.#slot.kind === 'backing-off') return nowMs >= this.#slot.untilMs
    if (this.#slot.kind !== 'idle') return false
    const { closed, open } = this.#accumulator
    if (closed.length === 0 && open !== null) {
      const isDue = nowMs >= open.openedAtMs + this.#shared.settings.lingerMs
      if (isDue || this.#shared.hurried()) this.#accumulator.close()
    }
    return closed[0]?.wire.kind === 'ready'
  }

  /** Puts the next batch into the slot, with its identity (P1, P2). Only after `ready`, and with a producer id at hand. */
  take(): PendingBatch {
    const batch = this.#slot.kind === 'backing-off' ? this.#slot.batch : this.#accumulator.shift()
    if (batch === undefined) throw new RangeError(`${this.topic}-${this.partition} has no batch to send`)
    this.#slot = { kind: 'in-flight', batch }
    if (batch.identity === null) batch.stamp(this.#sequence.give(batch.encoder.count))
    batch.attempts++
    batch.takenAtMs = this.#shared.deps.clock.monotonicMs()
    batch.isWritten = false
    return batch
  }

  /** Remembers what the oldest batch waits for, for the message at its deadline. */
  note(trouble: string): void {
    const oldest = this.#unsettledInSlot() ?? this.#accumulator.oldest
    if (oldest !== null) oldest.lastTrouble = withoutTopic(this.#to, trouble)
  }

  /** The attempt never left: no connection was to be had. */
  unsent(batch: PendingBatch, trouble: string): void {
    if (this.isSending(batch)) this.#retry(batch, trouble)
  }

  /** The attempt left, and no answer came. */
  unanswered(batch: PendingBatch, trouble: string): void {
    if (!this.isSending(batch)) return
    batch.ambiguous = true
    batch.isUnanswered = true
    this.#retry(batch, trouble)
  }

  answered(batch: PendingBatch, outcome: Outcome): void {
    if (!this.isSending(batch)) return
    switch (outcome.kind) {
      case 'stored':
        this.#stored(batch, outcome.baseOffset)
        return
      case 'again':
        if (outcome.stored === 'maybe') batch.ambiguous = true
        if (outcome.staleMetadata) this.#shared.markStale(this.topic)
        this.#retry(batch, outcome.trouble)
        return
      case 'final':
        if (outcome.stored === 'maybe') batch.ambiguous = true
        this.#giveUp(batch, toMqError(outcome.code, `send ${messages(batch.encoder.count, this.#to.label)}`))
        return
      case 'tooLarge':
        this.#tooLarge(batch)
        return
      case 'refused':
        this.#refused(batch, outcome.code, outcome.reason, outcome.records)
        return
      case 'sequenceRefused':
        this.#restart(batch, 'OUT_OF_ORDER_SEQUENCE_NUMBER (45)', false)
        return
      case 'stateUnknown':
        if (batch.ambiguous) this.#lookUp(batch, 'UNKNOWN_PRODUCER_ID (59)', false)
        else this.#restart(batch, 'UNKNOWN_PRODUCER_ID (59)', false)
        return
      case 'epochRefused':
        if (batch.ambiguous) this.#lookUp(batch, 'INVALID_PRODUCER_EPOCH (47)', true)
        else this.#restart(batch, 'INVALID_PRODUCER_EPOCH (47)', true)
    }
  }

  /** P7. Rejects what is past its deadline. */
  expire(nowMs: number): void {
    const batch = this.#unsettledInSlot()
    if (batch !== null && batch.earliestMs <= nowMs) this.#expireSlot(batch, batch.overdue(nowMs))
    this.#accumulator.expire(nowMs, (late, overdue) => {
      this.#giveUpSome(late, overdue, false)
      const gone = new Set(overdue.map(({ sent }) => sent))
      const rest = withoutRecords(late, (_, sent) => gone.has(sent))
      if (rest === undefined) this.#release(late)
      return rest
    })
  }

  /** A sender gave a record up. */
  cancel(nowMs: number): void {
    this.#unsettledInSlot()?.settledSome()
    this.#accumulator.expiresBy(Number.NEGATIVE_INFINITY)
    this.#accumulator.recount()
    this.expire(nowMs)
  }

  #expireSlot(batch: PendingBatch, overdue: readonly Slice[]): void {
    const { kind } = this.#slot
    const isWaiting = kind === 'backing-off' || kind === 'halted' || (kind === 'in-flight' && !batch.isWritten)
    this.#giveUpSome(batch, overdue, batch.ambiguous || !isWaiting)
    if (!isWaiting) return
    if (batch.settled) this.#drop(batch)
    else if (!batch.ambiguous && overdue.length > 0) {
      const gone = new Set(overdue.map(({ sent }) => sent))
      this.#sendRest(batch, (_, sent) => gone.has(sent))
    } else return
    if (kind === 'halted') this.#slot = { kind: 'halted', batch: null }
  }

  /** A batch that is certainly not stored leaves the slot; what is left of it stands first again. */
  #sendRest(batch: PendingBatch, isGone: IsGone, times?: ReadonlyMap<number, number>): void {
    const rest = withoutRecords(batch, isGone, times)
    if (rest !== undefined && times !== undefined) rest.onReleased = () => this.#release(batch)
    if (batch.identity !== null) this.#sequence.giveBack(batch.identity)
    if (rest === undefined) this.#release(batch)
    else this.#accumulator.putBack([rest])
    this.#free()
  }

  #giveUpSome(batch: PendingBatch, overdue: readonly Slice[], maybeStored: boolean): void {
    const { sendDeadlineMs, observer } = this.#shared
    giveUpRecords(batch, this.#to, overdue, sendDeadlineMs, maybeStored, (count, error) =>
      observer.onFailure?.(count, error),
    )
  }

  /** Rejects everything; what is on the wire stays on the wire. Returns how many records were given up. */
  abort(error: MqError): number {
    let records = 0
    const slot = this.#slot
    const waiting = this.#accumulator.takeAll()
    if ('batch' in slot && slot.batch !== null && !slot.batch.settled) {
      records += slot.batch.unsettledCount
      this.#fail(slot.batch, error)
      if (slot.kind === 'backing-off' || slot.kind === 'halted') this.#drop(slot.batch)
    }
    for (const batch of waiting) {
      records += batch.unsettledCount
      this.#fail(batch, error)
      this.#release(batch)
    }
    return records
  }

  /**
   * Everything a halted partition holds, in order (P8). The caller settles the batches from now on. The first may be
   * ambiguous: then its identity says what to look for in the sealed tail. The partition is empty afterwards and stays halted.
   */
  takeHeld(): PendingBatch[] {
    if (this.#slot.kind !== 'halted')
      throw new RangeError(`${this.topic}-${this.partition} is ${this.#slot.kind}, not halted`)
    const held = [...this.#unsettled()]
    this.#accumulator.takeAll()
    this.#slot = { kind: 'halted', batch: null }
    return held
  }

  /** P9 */
  hold(): void {
    this.#isOnHold = true
    if (this.#slot.kind === 'idle') this.#slot = { kind: 'halted', batch: null }
    else if (this.#slot.kind === 'backing-off') this.#slot = { kind: 'halted', batch: this.#slot.batch }
  }

  /** Everything a partition on hold has, in order, also what is on the wire (P9). The caller settles it from now on. */
  takeOver(): HeldBatch[] {
    this.hold()
    const slot = this.#slot
    if (slot.kind === 'in-flight' || slot.kind === 'resolving') {
      if (slot.batch.isWritten) slot.batch.ambiguous = true
      this.#slot = { kind: 'halted', batch: slot.batch }
    }
    const { topic, partition } = this
    const from: HeldFrom = {
      topic,
      partition,
      storedUpTo: this.#storedUpTo,
      discard: (batch) => {
        if (batch.pooled) this.#shared.pool.discard(batch.encoder.bytes)
        else batch.onReleased?.()
      },
      reportFound: (batch) => this.#reportStored(batch),
    }
    return this.takeHeld().map((batch) => heldBatch(batch, from))
  }

  /** Lets a halted partition go on as if the refusal had been passing: what it holds is sent again. */
  resume(): void {
    this.#isOnHold = false
    if (this.#slot.kind !== 'halted') return
    const { batch } = this.#slot
    this.#slot = batch === null ? IDLE : { kind: 'backing-off', batch, untilMs: 0 }
    this.#shared.wake(this)
  }

  /** Whether that batch is the one being sent. */
  isSending(batch: PendingBatch): boolean {
    return this.#slot.kind === 'in-flight' && this.#slot.batch === batch
  }

  #unsettledInSlot(): PendingBatch | null {
    const slot = this.#slot
    return 'batch' in slot && slot.batch !== null && !slot.batch.settled ? slot.batch : null
  }

  /** In order. */
  #unsettled(): PendingBatch[] {
    const { closed, open } = this.#accumulator
    const inSlot = this.#unsettledInSlot()
    return [...(inSlot === null ? [] : [inSlot]), ...closed, ...(open === null ? [] : [open])]
  }

  #stored(batch: PendingBatch, baseOffset: bigint): void {
    const late = batch.settled
    batch.resolve(new StoredReceipt(this.topic, this.partition, baseOffset))
    if (!late) this.#reportStored(batch)
    if (baseOffset >= 0n) this.#storedUpTo = baseOffset + BigInt(batch.encoder.count)
    this.#release(batch)
    this.#free()
  }

  #retry(batch: PendingBatch, trouble: string): void {
    batch.lastTrouble = withoutTopic(this.#to, trouble)
    if (batch.settled) this.#drop(batch)
    else if (this.#isOnHold) this.#slot = { kind: 'halted', batch }
    else {
      const { deps } = this.#shared
      const untilMs = deps.clock.monotonicMs() + backoffMs(batch.attempts, deps.random)
      this.#slot = { kind: 'backing-off', batch, untilMs }
      this.#shared.wake(this)
    }
  }

  /** P4, P5: a batch that the log does not hold gets a new identity and is sent again. */
  #restart(batch: PendingBatch, trouble: string, newId: boolean): void {
    this.#newIdentity(batch, newId)
    this.#retry(batch, trouble)
  }

  #newIdentity(batch: PendingBatch, newId: boolean): void {
    if (batch.ambiguous && batch.identity !== null) batch.formerIdentities = [...batch.formerIdentities, batch.identity]
    batch.identity = null
    if (newId) this.#sequence.forgetId()
    else this.#sequence.raiseEpoch()
  }

  #lookUp(batch: PendingBatch, trouble: string, newId: boolean): void {
    const { resolveAmbiguous } = this.#shared
    const identity = batch.identity!
    const isUncertain = (): void => {
      if (newId) this.#sequence.forgetId()
      const why = `the broker answered ${trouble} when they were sent again`
      this.#giveUp(batch, uncertain(this.#to, batch.unsettledCount, why))
    }
    if (resolveAmbiguous === undefined) {
      isUncertain()
      return
    }
    this.#slot = { kind: 'resolving', batch }
    resolveAmbiguous({ topic: this.topic, partition: this.partition, records: batch.encoder.count, ...identity }).then(
      (resolution) => {
        if (this.#slot.kind !== 'resolving' || this.#slot.batch !== batch) return
        if (resolution.kind === 'unknown') isUncertain()
        else if (resolution.kind === 'absent') this.#restart(batch, trouble, newId)
        else {
          if (newId) this.#sequence.forgetId()
          else this.#sequence.raiseEpoch()
          this.#stored(batch, resolution.baseOffset)
        }
      },
      () => {
        if (this.#slot.kind === 'resolving' && this.#slot.batch === batch) isUncertain()
      },
    )
  }

  /** P8 */
  #tooLarge(batch: PendingBatch): void {
    const { onSealed, settings } = this.#shared
    // The topic takes what any settings allowed: a limit that was lowered since says nothing of it.
    const limitBytes = Math.max(settings.maxMessageBytes, batch.settings?.maxMessageBytes ?? 0) + BATCH_OVERHEAD_BYTES
    batch.lastTrouble = 'MESSAGE_TOO_LARGE (10)'
    if (batch.settled) this.#drop(batch)
    else if (onSealed !== undefined && batch.wireBytes <= limitBytes) {
      this.#slot = { kind: 'halted', batch }
      onSealed(this.topic, this.partition)
    } else if (batch.encoder.count > 1 && !batch.ambiguous) {
      this.#split(batch)
    } else {
      this.#giveUp(batch, tooLarge(this.#to, batch.wireBytes, settings.maxMessageBytes))
    }
  }

  #split(batch: PendingBatch): void {
    const parts = splitBatch(batch, () => this.#release(batch))
    if (batch.identity !== null) this.#sequence.giveBack(batch.identity)
    this.#accumulator.putBack(parts)
    this.#free()
  }

  /** P10 */
  #refused(batch: PendingBatch, code: number, reason: string | null, records: readonly RecordError[]): void {
    const { count } = batch.encoder
    const named = new Map(records.filter(({ index }) => index >= 0 && index < count).map((one) => [one.index, one]))
    batch.lastTrouble = refusal(this.#to, count, code, reason).message
    const isKnown = !batch.ambiguous || (code === KafkaCode.INVALID_TIMESTAMP && !batch.isUnanswered)
    if (batch.settled || !isKnown) {
      const why = `what became of an earlier attempt is not known, and sent again they were refused: ${batch.lastTrouble}`
      if (batch.settled) this.#drop(batch)
      else this.#giveUp(batch, uncertain(this.#to, batch.unsettledCount, why))
      return
    }
    if (batch.ambiguous) this.#newIdentity(batch, false)
    batch.ambiguous = false
    const sorted = code === KafkaCode.INVALID_TIMESTAMP ? sortTimes(batch, this.#shared, named, reason) : undefined
    if (sorted !== undefined) this.#sendRest(batch, (index) => sorted.failed.has(index), sorted.times)
    else if (named.size === 0 && count > 1) this.#split(batch)
    else {
      this.#shared.isCautious = true
      if (named.size === 0) named.set(0, { index: 0, message: reason })
      const { observer } = this.#shared
      refuseRecords(batch, this.#to, code, reason, named, (count, error) => observer.onFailure?.(count, error))
      this.#sendRest(batch, (index) => named.has(index))
    }
  }

  #giveUp(batch: PendingBatch, error: MqError): void {
    this.#fail(batch, error)
    this.#drop(batch)
  }

  /** P6. The batch leaves the slot without being stored, as far as we know. */
  #drop(batch: PendingBatch): void {
    if (batch.identity !== null) {
      if (batch.ambiguous) this.#sequence.raiseEpoch()
      else this.#sequence.giveBack(batch.identity)
    }
    this.#release(batch)
    this.#free()
  }

  #release(batch: PendingBatch): void {
    if (batch.pooled) this.#shared.pool.release(batch.encoder.bytes)
    else batch.onReleased?.()
  }

  #free(): void {
    this.#slot = this.#isOnHold ? { kind: 'halted', batch: null } : IDLE
    this.#shared.wake(this)
  }

  get #to(): SentTo {
    const { topic, partition } = this
    return { label: this.#shared.label ?? topic, topic, partition }
  }

  #reportStored(batch: PendingBatch): void {
    const { observer, deps, settings } = this.#shared
    if (observer.onBatch === undefined) return
    observer.onBatch(batch.report(this.topic, this.partition, deps.clock.monotonicMs(), settings), batch.encoder)
  }

  #fail(batch: PendingBatch, error: MqError): void {
    if (batch.settled) return
    const count = batch.unsettledCount
    batch.reject(error)
    this.#shared.observer.onFailure?.(count, error)
  }
}
