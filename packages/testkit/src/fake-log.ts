/**
 * The log of one partition as a Kafka leader keeps it, with the check that makes producers idempotent.
 *
 * L1. A batch of a known (producer id, epoch) is looked for among that producer's last five first: found means duplicate.
 * L2. Then its sequence must follow the last one; a higher epoch must start at 0; a lower epoch is refused.
 * L3. A producer without state may start anywhere, as on brokers since Apache Kafka 2.5.
 */
import type { ReferenceBatch, ReferenceRecord } from './reference-batch.ts'

export interface StoredBatch extends ReferenceBatch {
  readonly baseOffset: bigint
}

interface ProducerState {
  epoch: number
  lastSequence: number
  recent: { baseSequence: number; count: number; baseOffset: bigint }[]
}

export type Appended = { readonly code: number; readonly baseOffset: bigint }

export class FakeLog {
  readonly batches: StoredBatch[] = []
  readonly #producers = new Map<bigint, ProducerState>()
  #nextOffset = 0n

  /** What a reader would get, oldest first. */
  get records(): ReferenceRecord[] {
    return this.batches.flatMap((batch) => batch.records)
  }

  get nextOffset(): bigint {
    return this.#nextOffset
  }

  append(batch: ReferenceBatch): Appended {
    const count = batch.records.length
    const state = this.#producers.get(batch.producerId)
    if (state !== undefined) {
      if (batch.producerEpoch < state.epoch) return { code: 47, baseOffset: -1n }
      if (batch.producerEpoch > state.epoch) {
        if (batch.baseSequence !== 0) return { code: 45, baseOffset: -1n }
      } else {
        const same = state.recent.find((one) => one.baseSequence === batch.baseSequence && one.count === count)
        if (same !== undefined) return { code: 0, baseOffset: same.baseOffset }
        const expected = state.lastSequence === 0x7fffffff ? 0 : state.lastSequence + 1
        if (batch.baseSequence !== expected) return { code: 45, baseOffset: -1n }
      }
    }
    const baseOffset = this.#nextOffset
    this.#nextOffset += BigInt(count)
    this.batches.push({ ...batch, baseOffset })
    const recent = state?.epoch === batch.producerEpoch ? state.recent.slice(-4) : []
    const lastSequence = (batch.baseSequence + count - 1) % 0x80000000
    recent.push({ baseSequence: batch.baseSequence, count, baseOffset })
    this.#producers.set(batch.producerId, { epoch: batch.producerEpoch, lastSequence, recent })
    return { code: 0, baseOffset }
  }

  /** Loses the newest batches, as an unclean election does; the producers' state goes back with them. */
  loseLast(batches: number): void {
    const kept = this.batches.slice(0, Math.max(0, this.batches.length - batches))
    this.batches.length = 0
    this.#producers.clear()
    this.#nextOffset = 0n
    for (const batch of kept) this.append(batch)
  }

  /** Forgets who wrote what, as after `producer.id.expiration.ms`. */
  forgetProducers(): void {
    this.#producers.clear()
  }
}
