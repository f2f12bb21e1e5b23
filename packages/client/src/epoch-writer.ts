/**
 * Writes one epoch of an mQ ID: its producer, its topic handle and its counts.
 *
 * Issue 4 adds the seal here: what a producer could not place because the epoch ended is taken out in order and handed to the
 * writer of the next one.
 */
import type { Epoch, ProducerSettings } from '@mq/contract'
import { type Cluster, type Deps, type MemoryBudget, Producer, type ProducerTopic } from '@mq/kafka'
import type { Logger } from './logger.ts'
import { ProducerMeter } from './meters.ts'
import type { Telemetry } from './telemetry.ts'

export interface EpochWriterOptions {
  readonly mqId: string
  readonly epoch: Epoch
  readonly settings: ProducerSettings
  readonly cluster: Cluster
  readonly budget: MemoryBudget
  readonly deps: Deps
  readonly logger: Logger
  readonly sendDeadlineMs: number
  readonly telemetry: Telemetry
}

export class EpochWriter {
  readonly #epoch: Epoch
  readonly producer: Producer
  readonly topic: ProducerTopic
  readonly #meter: ProducerMeter
  readonly #telemetry: Telemetry

  constructor(options: EpochWriterOptions) {
    const { mqId, epoch, settings, cluster, budget, deps, logger, sendDeadlineMs, telemetry } = options
    this.#epoch = epoch
    this.#telemetry = telemetry
    const meter = new ProducerMeter({ mqId, epoch: epoch.epoch, bufferBytes: () => budget.usedBytes })
    this.#meter = meter
    telemetry.addProducer(meter)
    this.producer = new Producer({
      cluster,
      settings,
      budget,
      deps,
      sendDeadlineMs,
      observer: {
        onBatch: (batch) => meter.sent(batch),
        onRequest: (throttledMs) => meter.requested(throttledMs),
        onFailure: (records, error) => {
          meter.failed(records)
          logger.error(`${records} records for ${mqId} were not acknowledged: ${error.message}`, {
            code: error.code,
            mqId,
            records,
          })
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
    this.topic = this.producer.topic(epoch.topic, epoch.partitions)
    this.#note(settings)
  }

  /** Whether this very epoch is the one written to; numbers start again when an mQ ID is deleted and declared anew. */
  writes(epoch: Epoch): boolean {
    const { epoch: number, cluster, topic, partitions } = this.#epoch
    return (
      epoch.epoch === number && epoch.cluster === cluster && epoch.topic === topic && epoch.partitions === partitions
    )
  }

  update(settings: ProducerSettings): void {
    this.producer.update(settings)
    this.#note(settings)
  }

  async close(deadlineMs?: number): Promise<void> {
    try {
      await this.producer.close(deadlineMs)
    } finally {
      this.#telemetry.removeProducer(this.#meter)
    }
  }

  #note(settings: ProducerSettings): void {
    this.#meter.codec = settings.codec
    this.#meter.lingerMs = settings.lingerMs
  }
}
