/**
 * What is counted about consuming in one telemetry window.
 *
 * T1. Counts are taken as deltas: a window that was taken is forgotten, whether its report arrives or not.
 * T2. Latency is sampled so that it costs next to nothing at high rates and is exact at low ones.
 * T3. Everything counts for the settings in force at that moment, and each set of settings that was in force is reported by itself;
 *     the one in force is always reported, also when nothing was read: that is how one knows that somebody reads.
 */
import type { ConsumerSettings, ConsumerTelemetry } from '@mq/contract'
import type { Clock, FetchedRecord } from '@mq/kafka'
import { ConsumerWindow } from './consumer-window.ts'
import { FailingMessages } from './failing-messages.ts'

export interface ConsumerMeterOptions {
  readonly mqId: string
  readonly group: string
  readonly epoch: number
  readonly clock: Clock
  readonly settings: ConsumerSettings
  readonly trial?: number | null
  lagRecords(): number | null
  /** Records that failed and are not finished. */
  failingRecords?(): number
  unfinishedRecords?(): number
}

/** Settings told apart in one window; of more, the counts of the oldest are lost. */
const MOST_WINDOWS = 8
/** Above this many records in a window, one in 64 is timed. */
const SAMPLE_ALL_BELOW = 10_000
const SAMPLE_MASK = 63

export class ConsumerMeter {
  readonly #options: ConsumerMeterOptions
  /** Those of this window, the one in force among them. */
  #windows: ConsumerWindow[]
  #current: ConsumerWindow
  readonly #failing: FailingMessages
  /** In this window, on whatever settings. */
  #records = 0

  constructor(options: ConsumerMeterOptions) {
    this.#options = options
    this.#current = new ConsumerWindow({ ...options.settings }, options.trial ?? null, options.clock.monotonicMs())
    this.#windows = [this.#current]
    this.#failing = new FailingMessages(options.clock)
  }

  /** Other settings from now on. */
  use(settings: ConsumerSettings, trial: number | null): void {
    if (this.#current.isOf(settings, trial)) return
    const nowMs = this.#options.clock.monotonicMs()
    this.#current.end(nowMs)
    const known = this.#windows.find((window) => window.isOf(settings, trial))
    if (known !== undefined) {
      known.sinceMs = nowMs
      this.#current = known
      return
    }
    this.#current = new ConsumerWindow({ ...settings }, trial, nowMs)
    this.#windows = [...this.#windows, this.#current].slice(-MOST_WINDOWS)
  }

  /** Counts a record handed to the handler. @returns whether its latency is to be recorded */
  delivered(recordBytes: number): boolean {
    const { counts } = this.#current
    counts.records++
    counts.recordBytes += recordBytes
    const nth = ++this.#records
    // In this order, as otherwise code that was optimised while it had seen less than so many is thrown away then.
    return (nth & SAMPLE_MASK) === 0 || nth < SAMPLE_ALL_BELOW
  }

  latency(endToEndMs: number): void {
    this.#current.latency.record(endToEndMs)
  }

  fetched(wireBytes: number, uncompressedBytes = 0): void {
    const { counts } = this.#current
    counts.wireBytes += wireBytes
    counts.uncompressedBytes += uncompressedBytes
    counts.batches++
  }

  requested(): void {
    this.#current.counts.fetchRequests++
  }

  throttled(throttleMs: number): void {
    this.#current.counts.throttledMs += throttleMs
  }

  handlerFailed(): void {
    this.#current.counts.handlerErrors++
  }

  /** A handler failed, and its record is to be handed out again. @param keyHash null for one that is ordered with no other */
  recordFailed(record: FetchedRecord, keyHash: string | null, attempt: number, error: unknown): void {
    this.handlerFailed()
    this.#failing.failed(record, keyHash, attempt, error)
  }

  /** A record that failed is finished, or belongs to another process now. */
  failedNoMore(partition: number, offset: bigint): void {
    this.#failing.over(partition, offset)
  }

  deadLettered(): void {
    this.#current.counts.deadLetters++
  }

  redelivered(): void {
    this.#current.counts.redeliveries++
  }

  committed(): void {
    this.#current.counts.commits++
  }

  rebalanced(): void {
    this.#current.counts.rebalances++
  }

  /** The window's reports, the settings in force last (T3). */
  take(): ConsumerTelemetry[] {
    const { mqId, group, epoch, clock, unfinishedRecords } = this.#options
    const nowMs = clock.monotonicMs()
    const current = this.#current
    const told = [...this.#windows.filter((window) => window !== current && !window.isEmpty), current]
    const reports = told.map((window) => {
      // How far behind it is now says nothing of settings that are not in force any more.
      const lagRecords = window === current ? this.#options.lagRecords() : null
      const failingRecords = window === current ? (this.#options.failingRecords?.() ?? 0) : 0
      const report = { mqId, group, epoch, ...window.report(nowMs), lagRecords, failingRecords }
      if (window !== current || unfinishedRecords === undefined) return report
      const failing = this.#failing.told()
      return { ...report, unfinishedRecords: unfinishedRecords(), ...(failing.length === 0 ? {} : { failing }) }
    })
    current.clear(nowMs)
    this.#windows = [current]
    this.#records = 0
    return reports
  }
}
