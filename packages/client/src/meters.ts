/**
 * What is counted about consuming in one telemetry window.
 *
 * T1. Counts are taken as deltas: a window that was taken is forgotten, whether its report arrives or not.
 * T2. Latency is sampled so that it costs next to nothing at high rates and is exact at low ones.
 */
import type { ConsumerTelemetry } from '@mq/contract'
import { LatencyHistogram } from './latency-histogram.ts'

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

  fetched(wireBytes: number, uncompressedBytes = 0): void {
    this.#counts.wireBytes += wireBytes
    this.#counts.uncompressedBytes += uncompressedBytes
    this.#counts.batches++
  }

  requested(): void {
    this.#counts.fetchRequests++
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
    batches: 0,
    uncompressedBytes: 0,
    fetchRequests: 0,
  }
}
