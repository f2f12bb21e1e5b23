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
 * P7. At its deadline a batch is rejected at once. If it is on the wire, the slot stays taken until the answer is known.
 * P8. MESSAGE_TOO_LARGE for a batch within our own limit means that the topic is sealed: with `onSealed` the partition halts
 *     with everything it holds, in order, for the owner to take. Without it the batch is split, down to single records.
 */
import { MqError, type ProducerSettings } from '@mq/contract'
import { backoffMs } from './backoff.ts'
import {
  type Bytes,
  HEADER_BYTES,
  type Headers,
  nextSequence,
  type ProducerIdentity,
  SEALED_TOPIC_BYTES,
} from './batch-encoder.ts'
import { splitBatch } from './batch-parts.ts'
import { BufferPool } from './buffer-pool.ts'
import type { Deps } from './deps.ts'
import { toMqError } from './kafka-errors.ts'
import { type Compress, PendingBatch, type Receipt } from './pending-batch.ts'
import type { Outcome } from './produce-outcome.ts'
import type { ProducerIds } from './producer-ids.ts'
import type { ProducerObserver } from './producer-observer.ts'

export interface AmbiguousBatch extends ProducerIdentity {
  readonly topic: string
  readonly partition: number
  readonly records: number
}
export type Resolution =
  | { readonly kind: 'stored'; readonly baseOffset: bigint }
  | { readonly kind: 'absent' }
  | { readonly kind: 'unknown' }

/** What the senders of one producer share. */
export interface SenderShared {
  settings: ProducerSettings
  readonly deps: Deps
  readonly pool: BufferPool
  readonly ids: ProducerIds
  readonly sendDeadlineMs: number
  readonly compress: Compress
  readonly observer: ProducerObserver
  readonly onSealed: ((topic: string, partition: number) => void) | undefined
  readonly resolveAmbiguous: ((batch: AmbiguousBatch) => Promise<Resolution>) | undefined
  /** The capacity that the last refused record asked for. */
  wantedBytes: number
  /** Linger does not count: somebody waits for a flush or for memory. */
  hurried(): boolean
  /** The sender may have something to send now. */
  wake(sender: PartitionSender): void
  /** The sender holds a batch from now on, which is due at that time. */
  opened(sender: PartitionSender, dueAtMs: number): void
  markStale(topic: string): void
}

export type Slot =
  | { readonly kind: 'idle' }
  | { readonly kind: 'in-flight'; readonly batch: PendingBatch }
  | { readonly kind: 'backing-off'; readonly batch: PendingBatch; readonly untilMs: number }
  | { readonly kind: 'resolving'; readonly batch: PendingBatch }
  | { readonly kind: 'halted'; readonly batch: PendingBatch | null }

const IDLE: Slot = { kind: 'idle' }
const LAST_EPOCH = 0x7fff
const FIRST_BUFFER_BYTES = 4_096

export class PartitionSender {
  readonly topic: string
  readonly partition: number
  readonly #shared: SenderShared
  #slot: Slot = IDLE
  #closed: PendingBatch[] = []
  #open: PendingBatch | null = null
  #limitBytes = 0
  /** Size of the last full batch: the next one starts with that much room. */
  #usualBytes = FIRST_BUFFER_BYTES
  #producerId = -1n
  #producerEpoch = 0
  #nextSequence = 0
  /** Whether the sender stands in the producer's list of those to look at. */
  queued = false

  constructor(topic: string, partition: number, shared: SenderShared) {
    this.topic = topic
    this.partition = partition
    this.#shared = shared
  }

  get slot(): Slot {
    return this.#slot
  }

  /** Whether one more record like those before fits into an open batch; a batch that is full for such records is closed. */
  takesMore(): boolean {
    const open = this.#open
    if (open === null) return false
    const { length, count } = open.encoder
    if (length + (length - HEADER_BYTES) / count <= this.#limitBytes) return true
    this.#close(open)
    return false
  }

  /** Batches not yet resolved. */
  get backlog(): number {
    return (
      this.#closed.length + (this.#open === null ? 0 : 1) + ('batch' in this.#slot && this.#slot.batch !== null ? 1 : 0)
    )
  }

  get unsettledRecords(): number {
    let records = this.#open?.encoder.count ?? 0
    for (const batch of this.#closed) records += batch.encoder.count
    if ('batch' in this.#slot && this.#slot.batch !== null && !this.#slot.batch.settled) {
      records += this.#slot.batch.encoder.count
    }
    return records
  }

  /**
   * Adds a record. Returns its batch, or null when the memory budget is spent (`shared.wantedBytes` says what is missing).
   * Throws MqError for a record that can never be sent.
   */
  append(
    key: Bytes | null,
    value: Bytes | null,
    headers: Headers | undefined,
    timestampMs: number,
  ): PendingBatch | null {
    const open = this.#open
    if (open !== null) {
      const needed = open.encoder.tryAppend(key, value, headers, timestampMs, this.#limitBytes)
      if (needed === 0) return open
      if (needed <= this.#limitBytes) {
        const grown = this.#shared.pool.acquire(
          Math.min(this.#limitBytes, Math.max(needed, open.encoder.bytes.length * 4)),
        )
        if (grown !== null) {
          this.#shared.pool.release(open.encoder.moveTo(grown))
          if (open.encoder.tryAppend(key, value, headers, timestampMs, this.#limitBytes) === 0) return open
        }
      }
      this.#close(open)
    }
    return this.#openWith(key, value, headers, timestampMs)
  }

  #openWith(
    key: Bytes | null,
    value: Bytes | null,
    headers: Headers | undefined,
    timestampMs: number,
  ): PendingBatch | null {
    const { settings, pool, deps } = this.#shared
    this.#limitBytes = Math.max(Math.min(settings.batchBytes, settings.maxMessageBytes), SEALED_TOPIC_BYTES + 1)
    let room = Math.min(this.#limitBytes, this.#usualBytes)
    for (;;) {
      const buffer = pool.acquire(room)
      if (buffer === null) {
        this.#shared.wantedBytes = BufferPool.capacityFor(room)
        return null
      }
      const openedAtMs = deps.clock.monotonicMs()
      const batch = new PendingBatch(buffer, openedAtMs, true)
      let needed: number
      try {
        needed = batch.encoder.tryAppend(key, value, headers, timestampMs, settings.maxMessageBytes)
      } catch (error) {
        pool.release(buffer)
        throw error
      }
      if (needed === 0) {
        this.#open = batch
        this.#shared.opened(this, openedAtMs + settings.lingerMs)
        return batch
      }
      pool.release(buffer)
      if (needed > settings.maxMessageBytes) {
        throw new MqError(
          'MQ_MESSAGE_TOO_LARGE',
          `The message takes ${needed - HEADER_BYTES} bytes and ${HEADER_BYTES} of framing: more than maxMessageBytes = ${settings.maxMessageBytes} allow`,
          { details: { bytes: needed, maxMessageBytes: settings.maxMessageBytes } },
        )
      }
      room = needed
    }
  }

  #close(batch: PendingBatch): void {
    const { settings, compress, observer } = this.#shared
    this.#open = null
    this.#usualBytes = Math.max(FIRST_BUFFER_BYTES, batch.encoder.length)
    this.#closed.push(batch)
    this.#seal(batch, settings, compress, observer)
  }

  #seal(batch: PendingBatch, settings: ProducerSettings, compress: Compress, observer: ProducerObserver): void {
    batch.seal(settings.codec, settings.codecLevel, compress, (trouble) => {
      if (trouble !== undefined)
        observer.onTrouble?.(this.topic, this.partition, toMqError(trouble, `compress with ${settings.codec}`))
      this.#shared.wake(this)
    })
    if (batch.wire.kind === 'ready') this.#shared.wake(this)
  }

  /** When this sender has to be looked at again if nothing else happens; Infinity when never. */
  dueAtMs(): number {
    let due = Number.POSITIVE_INFINITY
    if (this.#slot.kind === 'backing-off') due = this.#slot.untilMs
    else if (this.#slot.kind === 'idle') {
      if (this.#closed.length > 0) due = this.#closed[0]!.wire.kind === 'ready' ? 0 : due
      else if (this.#open !== null) due = this.#open.openedAtMs + this.#shared.settings.lingerMs
    }
    const oldest = this.#oldest()
    return oldest === null ? due : Math.min(due, oldest.openedAtMs + this.#shared.sendDeadlineMs)
  }

  #oldest(): PendingBatch | null {
    if ('batch' in this.#slot && this.#slot.batch !== null && !this.#slot.batch.settled) return this.#slot.batch
    return this.#closed[0] ?? this.#open
  }

  /** Whether `take` would give a batch now; closes the open one when it is its turn. */
  ready(nowMs: number): boolean {
    if (this.#slot.kind === 'backing-off') return nowMs >= this.#slot.untilMs
    if (this.#slot.kind !== 'idle') return false
    const open = this.#open
    if (this.#closed.length === 0 && open !== null) {
      if (nowMs >= open.openedAtMs + this.#shared.settings.lingerMs || this.#shared.hurried()) this.#close(open)
    }
    return this.#closed[0]?.wire.kind === 'ready'
  }

  /** Puts the next batch into the slot, with its identity (P1, P2). Only after `ready`, and with a producer id at hand. */
  take(): PendingBatch {
    const batch = this.#slot.kind === 'backing-off' ? this.#slot.batch : this.#closed.shift()
    if (batch === undefined) throw new RangeError(`${this.topic}-${this.partition} has no batch to send`)
    this.#slot = { kind: 'in-flight', batch }
    if (batch.identity === null) {
      if (this.#producerId === -1n) this.#startEpoch(this.#shared.ids.current())
      const baseSequence = this.#nextSequence
      batch.stamp({ producerId: this.#producerId, producerEpoch: this.#producerEpoch, baseSequence })
      this.#nextSequence = nextSequence(baseSequence, batch.encoder.count)
    }
    batch.attempts++
    return batch
  }

  /** The attempt never left: no connection was to be had. */
  unsent(batch: PendingBatch, trouble: string): void {
    this.#retry(batch, trouble)
  }

  /** The attempt left, and no answer came. */
  unanswered(batch: PendingBatch, trouble: string): void {
    batch.ambiguous = true
    this.#retry(batch, trouble)
  }

  answered(batch: PendingBatch, outcome: Outcome): void {
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
        this.#giveUp(
          batch,
          toMqError(outcome.code, `send ${batch.encoder.count} records to ${this.topic}-${this.partition}`),
        )
        return
      case 'tooLarge':
        this.#tooLarge(batch)
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
    const before = nowMs - this.#shared.sendDeadlineMs
    const slot = this.#slot
    if ('batch' in slot && slot.batch !== null && !slot.batch.settled && slot.batch.openedAtMs <= before) {
      const { batch } = slot
      this.#fail(batch, this.#late(batch))
      if (slot.kind === 'backing-off') this.#drop(batch)
      else if (slot.kind === 'halted') {
        this.#drop(batch)
        this.#slot = { kind: 'halted', batch: null }
      }
    }
    while (this.#closed.length > 0 && this.#closed[0]!.openedAtMs <= before) this.#discard(this.#closed.shift()!)
    const open = this.#open
    if (open !== null && open.openedAtMs <= before) {
      this.#open = null
      this.#discard(open)
    }
  }

  /** Rejects everything; what is on the wire stays on the wire. Returns how many records were given up. */
  abort(error: MqError): number {
    let records = 0
    const slot = this.#slot
    const waiting = [...this.#closed, ...(this.#open === null ? [] : [this.#open])]
    this.#closed = []
    this.#open = null
    if ('batch' in slot && slot.batch !== null && !slot.batch.settled) {
      records += slot.batch.encoder.count
      this.#fail(slot.batch, error)
      if (slot.kind === 'backing-off' || slot.kind === 'halted') this.#drop(slot.batch)
    }
    for (const batch of waiting) {
      records += batch.encoder.count
      this.#fail(batch, error)
      this.#release(batch)
    }
    return records
  }

  /** The promises of everything not yet settled. */
  pending(): Promise<Receipt>[] {
    const batches = [...this.#closed]
    if ('batch' in this.#slot && this.#slot.batch !== null && !this.#slot.batch.settled) batches.push(this.#slot.batch)
    if (this.#open !== null) batches.push(this.#open)
    return batches.map((batch) => batch.promise)
  }

  /**
   * Everything a halted partition holds, in order (P8). The caller settles the batches from now on. The first may be
   * ambiguous: then its identity says what to look for in the sealed tail. The partition is empty afterwards and stays halted.
   */
  takeHeld(): PendingBatch[] {
    if (this.#slot.kind !== 'halted')
      throw new RangeError(`${this.topic}-${this.partition} is ${this.#slot.kind}, not halted`)
    const held = this.#slot.batch === null || this.#slot.batch.settled ? [] : [this.#slot.batch]
    held.push(...this.#closed)
    if (this.#open !== null) held.push(this.#open)
    this.#slot = { kind: 'halted', batch: null }
    this.#closed = []
    this.#open = null
    return held
  }

  /** Lets a halted partition go on as if the refusal had been passing: what it holds is sent again. */
  resume(): void {
    if (this.#slot.kind !== 'halted') return
    const { batch } = this.#slot
    this.#slot = batch === null ? IDLE : { kind: 'backing-off', batch, untilMs: 0 }
    this.#shared.wake(this)
  }

  #stored(batch: PendingBatch, baseOffset: bigint): void {
    const late = batch.settled
    batch.resolve({ topic: this.topic, partition: this.partition, baseOffset })
    if (!late) this.#reportStored(batch)
    this.#release(batch)
    this.#free()
  }

  #retry(batch: PendingBatch, trouble: string): void {
    batch.lastTrouble = trouble
    if (batch.settled) {
      this.#drop(batch)
      return
    }
    const { deps } = this.#shared
    const untilMs = deps.clock.monotonicMs() + backoffMs(batch.attempts, deps.random)
    this.#slot = { kind: 'backing-off', batch, untilMs }
    this.#shared.wake(this)
  }

  /** P4, P5: a batch that the log does not hold gets a new identity and is sent again. */
  #restart(batch: PendingBatch, trouble: string, newId: boolean): void {
    batch.identity = null
    if (newId) this.#forgetId()
    else this.#raiseEpoch()
    this.#retry(batch, trouble)
  }

  #lookUp(batch: PendingBatch, trouble: string, newId: boolean): void {
    const { resolveAmbiguous } = this.#shared
    const identity = batch.identity!
    const uncertain = (): void => {
      if (newId) this.#forgetId()
      this.#giveUp(
        batch,
        new MqError(
          'MQ_SEND_UNCERTAIN',
          `${batch.encoder.count} records for ${this.topic}-${this.partition} may or may not be stored: the broker answered ${trouble} to a repeated send`,
          { details: { topic: this.topic, partition: this.partition, records: batch.encoder.count } },
        ),
      )
    }
    if (resolveAmbiguous === undefined) {
      uncertain()
      return
    }
    this.#slot = { kind: 'resolving', batch }
    const { topic, partition } = this
    resolveAmbiguous({ topic, partition, records: batch.encoder.count, ...identity }).then(
      (resolution) => {
        if (resolution.kind === 'unknown') uncertain()
        else if (resolution.kind === 'absent') this.#restart(batch, trouble, newId)
        else {
          if (newId) this.#forgetId()
          else this.#raiseEpoch()
          this.#stored(batch, resolution.baseOffset)
        }
      },
      () => uncertain(),
    )
  }

  /** P8 */
  #tooLarge(batch: PendingBatch): void {
    const { onSealed, settings, compress, observer } = this.#shared
    batch.lastTrouble = 'MESSAGE_TOO_LARGE (10)'
    if (batch.settled) this.#drop(batch)
    else if (onSealed !== undefined && batch.wireBytes <= settings.maxMessageBytes) {
      this.#slot = { kind: 'halted', batch }
      onSealed(this.topic, this.partition)
    } else if (batch.encoder.count > 1 && !batch.ambiguous) {
      const parts = splitBatch(batch, () => this.#release(batch))
      this.#nextSequence = batch.identity!.baseSequence
      this.#closed.unshift(...parts)
      for (const part of parts) this.#seal(part, settings, compress, observer)
      this.#free()
    } else {
      this.#giveUp(
        batch,
        new MqError(
          'MQ_MESSAGE_TOO_LARGE',
          `The topic ${this.topic} takes no batch of ${batch.wireBytes} bytes, although maxMessageBytes is ${settings.maxMessageBytes}`,
          { details: { bytes: batch.wireBytes, maxMessageBytes: settings.maxMessageBytes } },
        ),
      )
    }
  }

  #giveUp(batch: PendingBatch, error: MqError): void {
    this.#fail(batch, error)
    this.#drop(batch)
  }

  /** P6. The batch leaves the slot without being stored, as far as we know. */
  #drop(batch: PendingBatch): void {
    if (batch.identity !== null) {
      if (batch.ambiguous) this.#raiseEpoch()
      else if (batch.identity.producerEpoch === this.#producerEpoch) this.#nextSequence = batch.identity.baseSequence
    }
    this.#release(batch)
    this.#free()
  }

  /** A batch that was never sent. */
  #discard(batch: PendingBatch): void {
    this.#fail(batch, this.#late(batch))
    this.#release(batch)
  }

  #release(batch: PendingBatch): void {
    if (batch.pooled) this.#shared.pool.release(batch.encoder.bytes)
  }

  #free(): void {
    this.#slot = IDLE
    this.#shared.wake(this)
  }

  #raiseEpoch(): void {
    if (this.#producerEpoch >= LAST_EPOCH) this.#forgetId()
    else {
      this.#producerEpoch++
      this.#nextSequence = 0
    }
  }

  #forgetId(): void {
    this.#shared.ids.retire(this.#producerId)
    this.#producerId = -1n
  }

  #startEpoch(id: { readonly producerId: bigint; readonly producerEpoch: number }): void {
    this.#producerId = id.producerId
    this.#producerEpoch = id.producerEpoch
    this.#nextSequence = 0
  }

  #late(batch: PendingBatch): MqError {
    const count = batch.encoder.count
    const why = batch.lastTrouble === '' ? '' : `; the last trouble was ${batch.lastTrouble}`
    const sent = batch.attempts === 0 ? 'were not sent' : `were not acknowledged after ${batch.attempts} attempts`
    return new MqError(
      'MQ_SEND_TIMEOUT',
      `${count} records for ${this.topic}-${this.partition} ${sent} within ${this.#shared.sendDeadlineMs} ms${why}`,
      {
        details: {
          topic: this.topic,
          partition: this.partition,
          records: count,
          maybeStored: batch.ambiguous || (this.#slot.kind === 'in-flight' && this.#slot.batch === batch),
        },
      },
    )
  }

  #reportStored(batch: PendingBatch): void {
    this.#shared.observer.onBatch?.({
      topic: this.topic,
      partition: this.partition,
      records: batch.encoder.count,
      recordBytes: batch.encoder.contentBytes,
      uncompressedBytes: batch.encoder.length,
      wireBytes: batch.wireBytes,
      retries: batch.attempts - 1,
      latencyMs: this.#shared.deps.clock.monotonicMs() - batch.openedAtMs,
    })
  }

  #fail(batch: PendingBatch, error: MqError): void {
    if (batch.settled) return
    batch.reject(error)
    this.#shared.observer.onFailure?.(batch.encoder.count, error)
  }
}
