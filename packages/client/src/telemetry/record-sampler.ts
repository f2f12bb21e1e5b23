/**
 * Sizes and keys of some of the records that are sent, at a bounded cost whatever the rate.
 *
 * S1. A batch is looked at after every so many records, so that a record's chance does not depend on how full its batch is; what
 *     is looked at counts for the records it stands for.
 * S2. At most MOST_LOOKS batches a window and LOOKED_AT records of each; beyond that the samples thin out.
 * S3. Records stay in the process: only sizes and what key-sketch.ts tells goes on.
 */
import type { KeySketch as ToldKeys } from '@mq/contract'
import { type EncodedRecords, sampleRecords } from '@mq/kafka'
import { hashOf, KeySketch } from './key-sketch.ts'
import { CountHistogram } from './latency-histogram.ts'

const MOST_LOOKS = 64
const LOOKED_AT = 32
const FEW_LOOKS = 16
/** Of a deep batch only the first part is walked. */
const MOST_APART = 4
const LARGEST_BYTES = 2 ** 27
const LONGEST_HASHED = 1_024

export class RecordSampler {
  readonly #sizes = new CountHistogram(LARGEST_BYTES)
  readonly #keys = new KeySketch()
  #every = 1
  #since = 0
  #looks = 0
  #weight = 1
  #any = false
  #keyedShare: number | undefined

  /** Of what was last seen; undefined before anything was. */
  get keyedShare(): number | undefined {
    return this.#keys.keyedShare ?? this.#keyedShare
  }

  sent(encoded: EncodedRecords): void {
    this.#since += encoded.count
    if (this.#since < this.#every) return
    const every = Math.min(MOST_APART, Math.max(1, Math.ceil(encoded.count / LOOKED_AT)))
    const looked = Math.min(LOOKED_AT, Math.ceil(encoded.count / every))
    this.#weight = Math.max(1, Math.round(this.#since / looked))
    this.#since = 0
    this.#any = true
    sampleRecords(encoded, every, looked, this.#look)
    if (++this.#looks < MOST_LOOKS) return
    this.#every = Math.max(this.#every, encoded.count) * 4
    this.#looks = MOST_LOOKS / 2
  }

  /** The window's samples, or undefined when nothing was looked at. */
  take(): { readonly recordSizes: string; readonly keys: ToldKeys } | undefined {
    if (!this.#any) return undefined
    if (this.#looks < FEW_LOOKS) this.#every = Math.max(1, this.#every >>> 1)
    this.#any = false
    this.#looks = 0
    this.#keyedShare = this.#keys.keyedShare
    const keys = this.#keys.take()
    return keys === undefined ? undefined : { recordSizes: this.#sizes.takeEncoded(), keys }
  }

  readonly #look = (bytes: Buffer, keyStart: number, keyBytes: number, contentBytes: number): void => {
    this.#sizes.record(contentBytes, this.#weight)
    const hash = keyBytes < 0 ? null : hashOf(bytes, keyStart, Math.min(keyBytes, LONGEST_HASHED))
    this.#keys.add(hash, this.#weight)
  }
}
