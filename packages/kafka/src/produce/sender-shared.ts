/** What the partition senders of one producer share, and what they tell their owner. */
import type { ProducerSettings } from '@mq/contract'
import type { Deps } from '@mq/contract/timing'
import type { AmbiguousBatch, Resolution } from './ambiguous-batch.ts'
import type { BufferPool } from './buffer-pool.ts'
import type { Compress } from './pending-batch.ts'
import type { ProducerIds } from './producer-ids.ts'
import type { ProducerObserver } from './producer-observer.ts'
import type { RecordTime } from './record-time.ts'

export interface SenderShared {
  settings: ProducerSettings
  readonly deps: Deps
  readonly pool: BufferPool
  readonly ids: ProducerIds
  readonly sendDeadlineMs: number
  /** What applications call the topic, for messages. */
  readonly label: string | undefined
  readonly compress: Compress
  readonly time: RecordTime
  readonly observer: ProducerObserver
  readonly onSealed: ((topic: string, partition: number) => void) | undefined
  readonly resolveAmbiguous: ((batch: AmbiguousBatch) => Promise<Resolution>) | undefined
  /** Whether records are to have a promise each: Kafka has refused some by name. */
  isCautious: boolean
  /** The capacity that the last refused record asked for. */
  wantedBytes: number
  /** Linger does not count: somebody waits for a flush or for memory. */
  hurried(): boolean
  markStale(topic: string): void
}

/** The producer, as its senders see it. */
export interface SenderOwner<Sender> extends SenderShared {
  /** The sender may have something to send now. */
  wake(sender: Sender): void
  /** The sender holds a batch from now on, which is due at that time. */
  opened(sender: Sender, dueAtMs: number): void
}
