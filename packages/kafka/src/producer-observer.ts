/** What a producer tells about itself: sizes and times of batches, never their contents. */
import type { MqError } from '@mq/contract'

/** A batch that is stored. */
export interface BatchReport {
  readonly topic: string
  readonly partition: number
  readonly records: number
  /** Keys and values, without any framing. */
  readonly recordBytes: number
  readonly uncompressedBytes: number
  readonly wireBytes: number
  readonly retries: number
  /** From the oldest record to the answer. */
  readonly latencyMs: number
}

export interface ProducerObserver {
  onBatch?(report: BatchReport): void
  /** Records whose senders got an error. */
  onFailure?(records: number, error: MqError): void
  /** A produce request was answered; the broker held it back that long for a quota. */
  onRequest?(throttledMs: number): void
  /** Something that was got around and that somebody may want to know. */
  onTrouble?(topic: string, partition: number, error: MqError): void
}
