/**
 * What was sent under one set of settings in one window.
 *
 * R1. Costs per batch are a few additions and two histogram entries; nothing is done per record.
 * R2. Arrivals: with Poisson arrivals at rate r, a batch that was open for t holds 1 + r t records on average, however it
 *     came to be closed; what it holds beyond r t are the records that arrived together with its first.
 */
import type { ProducerSettings, ProducerTelemetry } from '@mq/contract'
import type { BatchReport } from '@mq/kafka'
import { CountHistogram, LatencyHistogram } from './latency-histogram.ts'

const DEEPEST = 2 ** 20
const MOST_PARTITIONS = 64

interface PartitionCounts {
  records: number
  openMs: number
}

export class ProducerWindow {
  readonly settings: ProducerSettings
  /** The decision whose trial the settings are. */
  readonly trial: number | null
  readonly #latency = new LatencyHistogram()
  readonly #depths = new CountHistogram(DEEPEST)
  readonly #partitions = new Map<number, PartitionCounts>()
  counts = noCounts()
  ownCompressUs = 0
  handedBytes = 0
  handedUs = 0
  /** How long it was in force, save what runs since `sinceMs`. */
  activeMs = 0
  sinceMs: number | null = null

  constructor(settings: ProducerSettings, trial: number | null) {
    this.settings = settings
    this.trial = trial
  }

  get isEmpty(): boolean {
    return this.counts.records === 0 && this.counts.errors === 0
  }

  sent(batch: BatchReport, bufferBytes: number): void {
    const { counts } = this
    counts.records += batch.records
    counts.batches++
    counts.recordBytes += batch.recordBytes
    counts.batchBytesUncompressed += batch.uncompressedBytes
    counts.batchBytesWire += batch.wireBytes
    counts.retries += batch.retries
    if (bufferBytes > counts.bufferBytesMax) counts.bufferBytesMax = bufferBytes
    this.ownCompressUs += batch.compression.ownUs
    this.handedBytes += batch.compression.handedBytes
    this.handedUs += batch.compression.handedUs
    this.#latency.record(batch.latencyMs, batch.records)
    this.#depths.record(batch.records)
    const partition = this.#partitions.get(batch.partition)
    if (partition === undefined) {
      this.#partitions.set(batch.partition, { records: batch.records, openMs: batch.openMs })
    } else {
      partition.records += batch.records
      partition.openMs += batch.openMs
    }
  }

  /** The window ends, and nothing was sent. */
  skip(nowMs: number): void {
    this.activeMs = 0
    if (this.sinceMs !== null) this.sinceMs = nowMs
  }

  /** The window's counts; the next window starts empty. @param nowMs monotonic */
  take(nowMs: number, isKeyed: boolean): WindowReport {
    const { counts, settings, trial } = this
    if (this.sinceMs !== null) {
      this.activeMs += nowMs - this.sinceMs
      this.sinceMs = nowMs
    }
    const activeMs = Math.max(1, this.activeMs)
    const partitions = [...this.#partitions]
    const report: WindowReport = {
      ...counts,
      requests: counts.requests || counts.batches,
      throttledMs: Math.round(counts.throttledMs),
      codec: settings.codec,
      codecLevel: settings.codecLevel ?? null,
      lingerMs: settings.lingerMs,
      batchBytesLimit: Math.min(settings.batchBytes, settings.maxMessageBytes),
      trial,
      activeMs: Math.round(activeMs),
      sendLatencyUs: this.#latency.takeEncoded(),
      batchDepths: this.#depths.takeEncoded(),
      partitionsSeen: partitions.length,
      partitionRecords: partitions
        .map(([partition, { records }]): [number, number] => [partition, records])
        .sort(([, a], [, b]) => b - a)
        .slice(0, MOST_PARTITIONS),
      dispersion: this.#dispersion(activeMs, isKeyed),
    }
    this.counts = noCounts()
    this.activeMs = 0
    this.ownCompressUs = 0
    this.handedBytes = 0
    this.handedUs = 0
    this.#partitions.clear()
    return report
  }

  /** R2. Records with a key arrive at their partition; those without go to one partition after the other, all together. */
  #dispersion(activeMs: number, isKeyed: boolean): number {
    const { records, batches } = this.counts
    if (batches === 0) return 1
    let explained = 0
    for (const one of this.#partitions.values()) {
      explained += ((isKeyed ? one.records : records) / activeMs) * one.openMs
    }
    return Math.min(records / batches, Math.max(0, (records - explained) / batches))
  }
}

export type WindowReport = Omit<ProducerTelemetry, 'mqId' | 'epoch'>

function noCounts() {
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
