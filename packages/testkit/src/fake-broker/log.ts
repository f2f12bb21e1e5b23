/**
 * The log of one partition as a Kafka leader keeps it, with the check that makes producers idempotent.
 *
 * L1. A batch of a known (producer id, epoch) is looked for among that producer's last five first: found means duplicate.
 * L2. Then its sequence must follow the last one; a higher epoch must start at 0; a lower epoch is refused.
 * L3. A producer without state may start anywhere, as on brokers since Apache Kafka 2.5. One without an id is not checked.
 * L4. Stored bytes are those that came, but for what a leader writes outside the checksum: base offset and leader epoch.
 */
import type { ReferenceBatch, ReferenceRecord } from '../reference-batch.ts'
import { Code } from './codes.ts'

export interface StoredBatch extends ReferenceBatch {
  readonly baseOffset: bigint
  readonly leaderEpoch: number
  /** As a fetch gets it (L4). */
  readonly stored: Buffer
}

export interface Appended {
  readonly code: number
  readonly baseOffset: bigint
}

export interface RecordTime {
  readonly offset: bigint
  readonly timestampMs: bigint
  readonly leaderEpoch: number
}

interface ProducerState {
  epoch: number
  lastSequence: number
  lastTimestampMs: bigint
  recent: { baseSequence: number; count: number; baseOffset: bigint }[]
}

const NO_PRODUCER = -1n
const LEADER_EPOCH_AT = 12
const MAX_SEQUENCE = 0x7fffffff

export class FakeLog {
  readonly batches: StoredBatch[] = []
  /** Offsets below it are gone. */
  startOffset = 0n
  /** Of whoever leads now. */
  leaderEpoch = 0
  readonly #producers = new Map<bigint, ProducerState>()
  #nextOffset = 0n

  /** What a reader would get, oldest first. */
  get records(): ReferenceRecord[] {
    return this.batches.flatMap((batch) => batch.records)
  }

  get nextOffset(): bigint {
    return this.#nextOffset
  }

  append(batch: ReferenceBatch, bytes: Buffer): Appended {
    const count = batch.records.length
    const refused = batch.producerId === NO_PRODUCER ? undefined : this.#check(batch)
    if (refused !== undefined) return refused
    const baseOffset = this.#nextOffset
    this.#nextOffset += BigInt(count)
    const stored = Buffer.from(bytes)
    stored.writeBigInt64BE(baseOffset, 0)
    stored.writeInt32BE(this.leaderEpoch, LEADER_EPOCH_AT)
    this.batches.push({ ...batch, baseOffset, leaderEpoch: this.leaderEpoch, stored })
    if (batch.producerId !== NO_PRODUCER) this.#remember(batch, baseOffset)
    return { code: Code.NONE, baseOffset }
  }

  /** What a fetch from the offset on gets: whole batches up to that size, and at least one. */
  read(offset: bigint, maxBytes: number): Buffer {
    const parts: Buffer[] = []
    let bytes = 0
    for (const { stored, baseOffset, records } of this.batches) {
      if (baseOffset + BigInt(records.length) <= offset) continue
      if (parts.length > 0 && bytes + stored.length > maxBytes) break
      parts.push(stored)
      bytes += stored.length
    }
    return Buffer.concat(parts)
  }

  /** The first record that is not older. */
  firstFrom(timestampMs: bigint): RecordTime | undefined {
    return this.#times().find((one) => one.timestampMs >= timestampMs)
  }

  newest(): RecordTime | undefined {
    return this.#times().reduce<RecordTime | undefined>(
      (newest, one) => (newest === undefined || one.timestampMs > newest.timestampMs ? one : newest),
      undefined,
    )
  }

  /** Where the records end that were written under the epoch, or under the newest one before it. */
  endOfEpoch(epoch: number): { readonly leaderEpoch: number; readonly endOffset: bigint } {
    if (epoch >= this.leaderEpoch) return { leaderEpoch: this.leaderEpoch, endOffset: this.#nextOffset }
    const last = this.batches.findLast((batch) => batch.leaderEpoch <= epoch)
    if (last === undefined) return { leaderEpoch: -1, endOffset: -1n }
    return { leaderEpoch: last.leaderEpoch, endOffset: last.baseOffset + BigInt(last.records.length) }
  }

  /** Who wrote here, newest sequence of each. */
  producers(): { id: bigint; epoch: number; lastSequence: number; lastTimestampMs: bigint }[] {
    return [...this.#producers].map(([id, { epoch, lastSequence, lastTimestampMs }]) => ({
      ...{ id, epoch, lastSequence, lastTimestampMs },
    }))
  }

  /** Loses the newest batches, as an unclean election does; the producers' state goes back with them. */
  loseLast(batches: number): void {
    const kept = this.batches.slice(0, Math.max(0, this.batches.length - batches))
    this.batches.length = 0
    this.#producers.clear()
    this.#nextOffset = this.startOffset
    const now = this.leaderEpoch
    for (const batch of kept) {
      this.leaderEpoch = batch.leaderEpoch
      this.append(batch, batch.stored)
    }
    this.leaderEpoch = now
  }

  /** Removes whole batches below the offset, as retention does. */
  removeBefore(offset: bigint): void {
    while (
      this.batches[0] !== undefined &&
      this.batches[0].baseOffset + BigInt(this.batches[0].records.length) <= offset
    ) {
      this.batches.shift()
    }
    this.startOffset = offset
  }

  /** Forgets who wrote what, as after `producer.id.expiration.ms`. */
  forgetProducers(): void {
    this.#producers.clear()
  }

  /** @returns the answer to a batch that is not appended */
  #check(batch: ReferenceBatch): Appended | undefined {
    const state = this.#producers.get(batch.producerId)
    if (state === undefined) return undefined
    if (batch.producerEpoch < state.epoch) return { code: Code.INVALID_PRODUCER_EPOCH, baseOffset: -1n }
    const outOfOrder = { code: Code.OUT_OF_ORDER_SEQUENCE_NUMBER, baseOffset: -1n }
    if (batch.producerEpoch > state.epoch) return batch.baseSequence === 0 ? undefined : outOfOrder
    const { length } = batch.records
    const same = state.recent.find((one) => one.baseSequence === batch.baseSequence && one.count === length)
    if (same !== undefined) return { code: Code.NONE, baseOffset: same.baseOffset }
    const expected = state.lastSequence === MAX_SEQUENCE ? 0 : state.lastSequence + 1
    return batch.baseSequence === expected ? undefined : outOfOrder
  }

  #remember(batch: ReferenceBatch, baseOffset: bigint): void {
    const state = this.#producers.get(batch.producerId)
    const count = batch.records.length
    const recent = state?.epoch === batch.producerEpoch ? state.recent.slice(-4) : []
    const lastSequence = (batch.baseSequence + count - 1) % (MAX_SEQUENCE + 1)
    recent.push({ baseSequence: batch.baseSequence, count, baseOffset })
    const lastTimestampMs = batch.maxTimestampMs
    this.#producers.set(batch.producerId, { epoch: batch.producerEpoch, lastSequence, lastTimestampMs, recent })
  }

  #times(): RecordTime[] {
    return this.batches.flatMap(({ records, baseOffset, leaderEpoch }) =>
      records.map(({ timestampMs, offsetDelta }) => ({
        ...{ offset: baseOffset + BigInt(offsetDelta), timestampMs, leaderEpoch },
      })),
    )
  }
}
