/**
 * The place of batches in one partition's idempotent sequence: (producer id, epoch, sequence).
 *
 * S1. Sequences of one epoch are given out without gap or repetition, except that `giveBack` takes back the last ones given.
 * S2. Epochs of one id only rise; a new epoch and a new id start at sequence 0. The leader of the partition refuses older
 *     epochs from then on. No broker has to be asked: epochs of idempotent producers are compared per partition.
 * S3. An id whose epochs are used up, or on which somebody else raised the epoch, is retired.
 */
import { nextSequence, type ProducerIdentity } from '../records/batch-encoder.ts'
import type { ProducerIds } from './producer-ids.ts'

const NONE = -1n
const LAST_EPOCH = 0x7fff

export class PartitionSequence {
  readonly #ids: ProducerIds
  #producerId = NONE
  #producerEpoch = 0
  #next = 0

  constructor(ids: ProducerIds) {
    this.#ids = ids
  }

  /** The identity of the next batch. The producer's id must be at hand. */
  give(records: number): ProducerIdentity {
    if (this.#producerId === NONE) {
      const { producerId, producerEpoch } = this.#ids.current()
      this.#producerId = producerId
      this.#producerEpoch = producerEpoch
      this.#next = 0
    }
    const identity = { producerId: this.#producerId, producerEpoch: this.#producerEpoch, baseSequence: this.#next }
    this.#next = nextSequence(this.#next, records)
    return identity
  }

  /** The batch with that identity is certainly not stored, and it was the last one given. */
  giveBack(identity: ProducerIdentity): void {
    if (identity.producerId === this.#producerId && identity.producerEpoch === this.#producerEpoch) {
      this.#next = identity.baseSequence
    }
  }

  /** S2 */
  raiseEpoch(): void {
    if (this.#producerEpoch >= LAST_EPOCH) this.forgetId()
    else {
      this.#producerEpoch++
      this.#next = 0
    }
  }

  /** S3 */
  forgetId(): void {
    this.#ids.retire(this.#producerId)
    this.#producerId = NONE
  }
}
