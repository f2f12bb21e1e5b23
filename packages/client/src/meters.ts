/**
 * What is counted about sending and consuming in one telemetry window.
 *
 * T1. Counts are taken as deltas: a window that was taken is forgotten, whether its report arrives or not.
 * T2. Nothing is measured per record on the sending side; on the consuming side latency is sampled so that it costs
 *     next to nothing at high rates and is exact at low ones.
 */
import type { Codec, ConsumerTelemetry, ProducerTelemetry } from '@mq/contract'
import { LatencyHistogram } from './latency-histogram.ts'

export interface SentBatch {
  readonly records: number
  readonly recordBytes: number
  readonly uncompressedBytes: number
  readonly wireBytes: number
  readonly retries: number
  readonly latencyMs: number
}

export interface ProducerMeterOptions {
  readonly mqId: string
  readonly epoch: number
  bufferBytes(): number
  /** Under which brokers know the producer, newest last. */
  producerIds?(): readonly bigint[]
}

export class ProducerMeter {
  readonly #options: ProducerMeterOptions
  readonly #latency = new LatencyHistogram()
  #counts = noProducerCounts()
  codec: Codec = 'none'
  lingerMs = 0

  constructor(options: ProducerMeterOptions) {
    this.#options = options
  }

  sent(batch: SentBatch): void {
    const counts = this.#counts
    counts.records += batch.records
    counts.batches++
    counts.recordBytes += batch.recordBytes
    counts.batchBytesUncompressed += batch.uncompressedBytes
    counts.batchBytesWire += batch.wireBytes
    counts.retries += batch.retries
    counts.bufferBytesMax = Math.max(counts.bufferBytesMax, this.#options.bufferBytes())
    this.#latency.record(batch.latencyMs, batch.records)
  }

  requested(throttledMs: number): void {
    this.#counts.requests++
    this.#counts.throttledMs += throttledMs
  }

  failed(records: number): void {
    this.#counts.errors += records
  }

  /** The window's report, or `undefined` when nothing happened. */
  take(): ProducerTelemetry | undefined {
    const counts = this.#counts
    if (counts.records === 0 && counts.errors === 0) return undefined
    this.#counts = noProducerCounts()
    return {
      mqId: this.#options.mqId,
      epoch: this.#options.epoch,
      ...counts,
      requests: counts.requests || counts.batches,
      throttledMs: Math.round(counts.throttledMs),
      codec: this.codec,
      lingerMs: this.lingerMs,
      sendLatencyUs: this.#latency.takeEncoded(),
      producerIds: this.#options.producerIds?.().map(String) ?? [],
    }
  }
}

function noProducerCounts() {
  return {
    records: 0,
    batches: 0,
    requests: 0,
    recordBytes: 0,
    batchBytesUncompressed: 0,
    batchBytesWire: 0,
    retries: 0,
    errors: 0,
    throttledMs: 0,
    bufferBytesMax: 0,
  }
}

export interface ConsumerMeterOptions {
  readonly mqId: string
  readonly group: string
  readonly epoch: number
  lagRecords(): number | null
}

/** Above this many records in a window, one in 64 is timed. */
const SAMPLE_ALL_BELOW = 10_000
const SAMPLE_MASK = 63

export class ConsumerMeter {
  readonly #options: ConsumerMeterOptions
  readonly #latency = new LatencyHistogram()
  #counts = noConsumerCounts()

  constructor(options: ConsumerMeterOptions) {
    this.#options = options
  }

  /** Counts a record handed to the handler. @returns whether its latency is to be recorded */
  delivered(recordBytes: number): boolean {
    const counts = this.#counts
    counts.records++
    counts.recordBytes += recordBytes
    return counts.records < SAMPLE_ALL_BELOW || (counts.records & SAMPLE_MASK) === 0
  }

  latency(endToEndMs: number): void {
    this.#latency.record(endToEndMs)
  }

  fetched(wireBytes: number): void {
    this.#counts.wireBytes += wireBytes
  }

  handlerFailed(): void {
    this.#counts.handlerErrors++
  }

  redelivered(): void {
    this.#counts.redeliveries++
  }

  committed(): void {
    this.#counts.commits++
  }

  rebalanced(): void {
    this.#counts.rebalances++
  }

  take(): ConsumerTelemetry {
    const counts = this.#counts
    this.#counts = noConsumerCounts()
    const { mqId, group, epoch } = this.#options
    const lagRecords = this.#options.lagRecords()
    return { mqId, group, epoch, ...counts, lagRecords, endToEndLatencyUs: this.#latency.takeEncoded() }
  }
}

function noConsumerCounts() {
  return {
    records: 0,
    recordBytes: 0,
    wireBytes: 0,
    handlerErrors: 0,
    redeliveries: 0,
    commits: 0,
    rebalances: 0,
  }
}
