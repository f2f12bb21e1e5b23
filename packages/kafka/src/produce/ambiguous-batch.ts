/** A batch that was sent and never answered, and what the log of its partition says about it afterwards. */
import type { ProducerIdentity } from '../records/batch-encoder.ts'

/** A batch of which nobody said whether it is stored. */
export interface AmbiguousBatch extends ProducerIdentity {
  readonly topic: string
  readonly partition: number
  readonly records: number
}
/** What the log says about it. */
export type Resolution =
  | { readonly kind: 'stored'; readonly baseOffset: bigint }
  | { readonly kind: 'absent' }
  | { readonly kind: 'unknown' }
