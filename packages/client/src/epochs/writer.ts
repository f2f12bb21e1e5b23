/**
 * Writes one epoch of an mQ ID: its producer, its topic handle and its counts.
 *
 * W1. When the epoch ends, the writer is put on hold, and what it could not place is taken out in order for the next one.
 * W2. A refusal that only a sealed topic gives is never a failed send: it is told to the owner, who asks for the binding.
 * W3. Settings change between batches and by nothing else: no reconnecting, no reordering; a trial's are set and taken back alike.
 */
import { type Binding, type Epoch, type ProducerSettings, settingsFor } from '@mq/contract'
import {
  type Ahead,
  type BrokerClock,
  type Cluster,
  type Deps,
  type HeldBatch,
  type HeldRecord,
  type MemoryBudget,
  Producer,
  type ProducerTopic,
  type Receipt,
  type Resolution,
  type SendLimits,
  searchTail,
  type TailQuestion,
} from '@mq/kafka'
import { FailureThrottle } from '../base/failure-throttle.ts'
import type { Logger } from '../base/logger.ts'
import { ProducerMeter } from '../telemetry/producer-meter.ts'
import type { ShadowCollector } from '../telemetry/shadow-collector.ts'
import type { Telemetry } from '../telemetry/telemetry.ts'
import type { SendFailures } from './send-failures.ts'

export interface EpochWriterOptions {
  readonly mqId: string
  readonly epoch: Epoch
  readonly binding: Binding
  /** This process, as a trial names it. */
  readonly instance: string
  readonly shadow?: ShadowCollector | undefined
  readonly cluster: Cluster
  readonly budget: MemoryBudget
  readonly deps: Deps
  readonly logger: Logger
  readonly failures: SendFailures
  readonly sendDeadlineMs: number
  readonly telemetry: Telemetry
  readonly clocks: { readonly brokers: BrokerClock; readonly reference: BrokerClock }
  /** The clock of this process is so wrong that its times are corrected. */
  onWrongClock?(ahead: Ahead): void
  /** The cluster slows this client down for its quota. */
  onThrottled?(throttleMs: number): void
  /** W2 */
  onSealed(writer: EpochWriter): void
}

export class EpochWriter {
  readonly #options: EpochWriterOptions
  readonly #epoch: Epoch
  readonly producer: Producer
  readonly topic: ProducerTopic
  /** Records whose sends failed, since it was made. */
  failedRecords = 0
  readonly #meter: ProducerMeter
  #settings: ProducerSettings
  readonly #telemetry: Telemetry

  constructor(options: EpochWriterOptions) {
    const { mqId, epoch, binding, instance, cluster, budget, deps, logger, sendDeadlineMs, telemetry } = options
    const { producer: settings, trial } = settingsFor(binding, instance)
    this.#options = options
    this.#epoch = epoch
    this.#telemetry = telemetry
    const meter = new ProducerMeter({
      mqId,
      epoch: epoch.epoch,
      clock: deps.clock,
      settings,
      trial,
      ...(options.shadow === undefined ? {} : { shadow: options.shadow }),
      bufferBytes: () => budget.usedBytes,
      producerIds: () => this.producer.producerIds,
      clockAheadMs: () => this.producer.wrongClock?.ms,
    })
    this.#meter = meter
    telemetry.addProducer(meter)
    const unreachable = new FailureThrottle(deps.clock)
    this.producer = new Producer({
      cluster,
      settings: meter.settings,
      budget,
      deps,
      sendDeadlineMs,
      label: mqId,
      timestamps: binding.timestamps,
      clocks: options.clocks,
      onSealed: () => options.onSealed(this),
      observer: {
        onBatch: (batch, encoded) => meter.sent(batch, encoded),
        onAppend: (us) => meter.appended(us),
        onRequest: (throttledMs) => {
          meter.requested(throttledMs)
          if (throttledMs > 0) options.onThrottled?.(throttledMs)
        },
        onFailure: (records, error) => {
          meter.failed(records)
          this.failedRecords += records
          options.failures.failed(records, error)
        },
        onWrongClock: (ahead) => options.onWrongClock?.(ahead),
        onUnreachable: (error) => {
          if (!unreachable.failed()) return
          logger.warn(`Sending to ${mqId} waits: ${error.message}`, { code: error.code, mqId })
        },
        onTrouble: (_, partition, error) => {
          logger.warn(`Sending to ${mqId}, partition ${partition}: ${error.message}`, {
            code: error.code,
            mqId,
            partition,
          })
        },
      },
    })
    this.#settings = meter.settings
    this.topic = this.producer.topic(epoch.topic, epoch.partitions)
    this.update(binding)
  }

  get epoch(): number {
    return this.#epoch.epoch
  }

  /** Whether this very epoch is the one written to; numbers start again when an mQ ID is deleted and declared anew. */
  writes(epoch: Epoch): boolean {
    const { epoch: number, cluster, topic, partitions } = this.#epoch
    return (
      epoch.epoch === number && epoch.cluster === cluster && epoch.topic === topic && epoch.partitions === partitions
    )
  }

  /** The settings of a newer binding, or those of its trial if this process takes part (W3). */
  update(binding: Binding): void {
    const { producer: settings, trial } = settingsFor(binding, this.#options.instance)
    const { codec, codecLevel } = settings
    const { shadow } = this.#options
    if (shadow !== undefined) shadow.current = { codec, codecLevel: codecLevel ?? null }
    const used = this.#meter.use(settings, trial)
    this.producer.limit(binding.timestamps)
    if (used !== this.#settings) this.producer.update(used)
    this.#settings = used
  }

  /** Connects before the first send. */
  warm(): void {
    void this.producer.warm(this.topic)
  }

  /** Whether a partition stands still because its leader refuses what a sealed topic refuses. */
  get isRefused(): boolean {
    return this.topic.senders.some(({ slot }) => slot.kind === 'halted')
  }

  /** Records that wait for an answer, or to leave. */
  get unsettledRecords(): number {
    return this.topic.senders.reduce((sum, { unsettledRecords }) => sum + unsettledRecords, 0)
  }

  hold(): void {
    this.producer.hold(this.topic)
  }

  resume(): void {
    this.producer.resume(this.topic)
  }

  /** Resolves when every answer that was under way has come. */
  answered(): Promise<void> {
    return this.producer.answered()
  }

  /** Everything that is not known to be stored, in order (W1). Only closing is left to do afterwards. */
  takeOver(): HeldBatch[] {
    return this.producer.takeOver(this.topic)
  }

  adopt(record: HeldRecord, limits: SendLimits): Promise<Receipt> {
    return this.producer.adopt(this.topic, record, limits)
  }

  /** What was held elsewhere has waited long enough: it leaves without linger. */
  hurry(): void {
    void this.producer.flush()
  }

  placed(): Promise<void> {
    return this.producer.placed()
  }

  /** Whether the sealed log holds a batch. @param ended the epoch as the newest binding has it, if it still does */
  find(question: TailQuestion, ended: Epoch | undefined, signal: AbortSignal): Promise<Resolution> {
    const { cluster, deps, logger, mqId } = this.#options
    const end = ended?.endOffsets?.[question.partition]
    return searchTail(question, {
      cluster,
      deps,
      signal,
      endOffset: end === undefined ? undefined : BigInt(end),
      onTrouble: (error) =>
        logger.warn(`Looking for a batch of ${mqId} in its old epoch: ${error.message}`, { code: error.code, mqId }),
    })
  }

  async close(deadlineMs?: number): Promise<void> {
    try {
      await this.producer.close(deadlineMs)
    } finally {
      this.#telemetry.removeProducer(this.#meter)
    }
  }
}
