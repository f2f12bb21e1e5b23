/**
 * What was read under one set of settings in one window.
 *
 * R1. Nothing is done per record but to add to counts and, for some of them, to a histogram.
 */
import type { ConsumerSettings, ConsumerTelemetry } from '@mq/contract'
import { LatencyHistogram } from './latency-histogram.ts'

export class ConsumerWindow {
  readonly settings: ConsumerSettings
  /** The decision whose trial the settings are. */
  readonly trial: number | null
  readonly latency = new LatencyHistogram()
  readonly counts = noConsumerCounts()
  /** How long it was in force, save what runs since `sinceMs`. */
  activeMs = 0
  sinceMs: number | null

  /** @param nowMs monotonic */
  constructor(settings: ConsumerSettings, trial: number | null, nowMs: number) {
    this.settings = settings
    this.trial = trial
    this.sinceMs = nowMs
  }

  get isEmpty(): boolean {
    return Object.values(this.counts).every((count) => count === 0)
  }

  isOf({ fetchMinBytes, fetchMaxWaitMs, readAheadBytes, isolation }: ConsumerSettings, trial: number | null): boolean {
    const { settings } = this
    return (
      this.trial === trial &&
      settings.fetchMinBytes === fetchMinBytes &&
      settings.fetchMaxWaitMs === fetchMaxWaitMs &&
      settings.readAheadBytes === readAheadBytes &&
      settings.isolation === isolation
    )
  }

  /** Other settings are in force from now on. */
  end(nowMs: number): void {
    if (this.sinceMs !== null) this.activeMs += nowMs - this.sinceMs
    this.sinceMs = null
  }

  report(nowMs: number): ReadReport {
    const activeMs = this.activeMs + (this.sinceMs === null ? 0 : nowMs - this.sinceMs)
    const { fetchMinBytes, fetchMaxWaitMs } = this.settings
    return {
      ...this.counts,
      endToEndLatencyUs: this.latency.takeEncoded(),
      activeMs: Math.round(activeMs),
      fetchMinBytes,
      fetchMaxWaitMs,
      trial: this.trial,
    }
  }

  /** The window is over; the next one starts empty. */
  clear(nowMs: number): void {
    Object.assign(this.counts, noConsumerCounts())
    this.activeMs = 0
    if (this.sinceMs !== null) this.sinceMs = nowMs
  }
}

export type ReadReport = Omit<ConsumerTelemetry, 'mqId' | 'group' | 'epoch' | 'lagRecords' | 'failingRecords'>

function noConsumerCounts() {
  return {
    records: 0,
    recordBytes: 0,
    wireBytes: 0,
    handlerErrors: 0,
    redeliveries: 0,
    deadLetters: 0,
    commits: 0,
    rebalances: 0,
    batches: 0,
    uncompressedBytes: 0,
    fetchRequests: 0,
    throttledMs: 0,
  }
}
