/** What a producer tells about itself: sizes and times of batches; their contents only for a look, within the process. */
import type { MqError, ProducerSettings } from '@mq/contract'
import type { Ahead } from '../net/broker-clock.ts'

/** The records of a stored batch, uncompressed: valid during the call that brings them, and never to be changed. */
export interface EncodedRecords {
  readonly count: number
  readonly baseTimestampMs: number
  records(): Buffer
}

/** What compressing a batch took. */
export interface CompressionWork {
  /** On the calling thread. */
  readonly ownUs: number
  /** Bytes that were compressed on another thread, and from handing them over to having them: CPU and waiting. */
  readonly handedBytes: number
  readonly handedUs: number
}

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
  /** From the oldest record to the closing of the batch. */
  readonly openMs: number
  /** Those the batch was closed under. */
  readonly settings: ProducerSettings
  readonly compression: CompressionWork
}

export interface ProducerObserver {
  onBatch?(report: BatchReport, encoded: EncodedRecords): void
  /** One append in some hundreds was timed: encoding a record, with its share of opening and closing batches. */
  onAppend?(us: number): void
  /** Records whose senders got an error. */
  onFailure?(records: number, error: MqError): void
  /** A produce request was answered; the broker held it back that long for a quota. */
  onRequest?(throttledMs: number): void
  /** Something that was got around and that somebody may want to know. */
  onTrouble?(topic: string, partition: number, error: MqError): void
  /** The clock of this process is so wrong that records without a time carry that of the brokers from now on. */
  onWrongClock?(ahead: Ahead): void
  /** The leader of a partition could not be connected to; what it was to get waits and is tried again. */
  onUnreachable?(error: MqError): void
}
