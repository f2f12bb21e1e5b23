/**
 * What is counted about sending to one epoch in one telemetry window.
 *
 * T1. Counts are taken as deltas: a window that was taken is forgotten, whether its report arrives or not.
 * T2. Nothing is measured per record; records are looked at in samples (record-sampler.ts).
 * T3. A batch counts for the settings it was closed under. Each set of settings that was in force is reported by itself.
 * T4. What another thread compressed is counted by the speed that was measured for the codec; until there is one, by how long it took.
 */
import type { ProducerSettings, ProducerTelemetry } from '@mq/contract'
import type { BatchReport, Clock, EncodedRecords } from '@mq/kafka'
import { ProducerWindow } from './producer-window.ts'
import { RecordSampler } from './record-sampler.ts'
import type { ShadowCollector } from './shadow-collector.ts'

/** Settings told apart in one window; of more, the counts of the oldest are lost. */
const MOST_WINDOWS = 8
/** An append that took longer was interrupted by something else. */
const LONGEST_APPEND_US = 1_000
const APPENDS_REMEMBERED = 64

export interface ProducerMeterOptions {
  readonly mqId: string
  readonly epoch: number
  readonly clock: Clock
  readonly settings: ProducerSettings
  readonly trial?: number | null
  readonly shadow?: ShadowCollector
  bufferBytes(): number
  /** Under which brokers know the producer, newest last. */
  producerIds?(): readonly bigint[]
  /** How far the clock of this process is ahead of the brokers', while its times are corrected. */
  clockAheadMs?(): number | undefined
}

export class ProducerMeter {
  readonly #options: ProducerMeterOptions
  readonly #sampler = new RecordSampler()
  #windows: ProducerWindow[] = []
  #current: ProducerWindow
  #appendUs: number | undefined
  #appends = 0

  constructor(options: ProducerMeterOptions) {
    this.#options = options
    this.#current = this.#begin({ ...options.settings }, options.trial ?? null)
  }

  /** The settings in force, as the object by which their batches are known (T3). */
  get settings(): ProducerSettings {
    return this.#current.settings
  }

  /** Other settings from now on. @returns them as the object to produce with */
  use(settings: ProducerSettings, trial: number | null): ProducerSettings {
    const current = this.#current
    if (isSame(current, settings, trial)) return current.settings
    const nowMs = this.#options.clock.monotonicMs()
    current.activeMs += nowMs - current.sinceMs!
    current.sinceMs = null
    const known = this.#windows.find((window) => isSame(window, settings, trial))
    if (known === undefined) this.#current = this.#begin({ ...settings }, trial)
    else {
      known.sinceMs = nowMs
      this.#current = known
    }
    return this.#current.settings
  }

  sent(batch: BatchReport, encoded?: EncodedRecords): void {
    this.#windowOf(batch.settings).sent(batch, this.#options.bufferBytes())
    if (encoded === undefined) return
    this.#sampler.sent(encoded)
    this.#options.shadow?.offer(batch.partition, encoded)
  }

  requested(throttledMs: number): void {
    this.#current.counts.requests++
    this.#current.counts.throttledMs += throttledMs
  }

  failed(records: number): void {
    this.#current.counts.errors += records
  }

  appended(us: number): void {
    const took = Math.min(us, LONGEST_APPEND_US)
    this.#appends = Math.min(this.#appends + 1, APPENDS_REMEMBERED)
    this.#appendUs = (this.#appendUs ?? took) + (took - (this.#appendUs ?? took)) / this.#appends
  }

  /** The window's reports, one for each set of settings under which something happened. */
  take(): ProducerTelemetry[] {
    const { mqId, epoch, clock, shadow, producerIds, clockAheadMs } = this.#options
    const nowMs = clock.monotonicMs()
    const busy = this.#windows.filter((window) => !window.isEmpty)
    for (const window of this.#windows) if (window.isEmpty) window.skip(nowMs)
    if (busy.length === 0) return []
    const isKeyed = (this.#sampler.keyedShare ?? 0) > 0.5
    const ids = producerIds?.().map(String) ?? []
    const reports = busy.map((window): ProducerTelemetry => {
      const cpu = this.#cpuOf(window)
      return { mqId, epoch, ...window.take(nowMs, isKeyed), ...cpu, producerIds: ids }
    })
    // What a client knows of its records as such goes with the settings that are in force longest of all: the last.
    const last = reports.at(-1)!
    Object.assign(last, this.#sampler.take())
    const aheadMs = clockAheadMs?.()
    if (aheadMs !== undefined) last.clockAheadMs = Math.round(aheadMs)
    const samples = shadow?.take() ?? []
    if (samples.length > 0) last.shadow = samples
    return reports
  }

  /** T4 */
  #cpuOf(window: ProducerWindow): Pick<ProducerTelemetry, 'cpuUs' | 'compressUs'> {
    const { codec, codecLevel } = window.settings
    const speed = this.#options.shadow?.usPerByte(codec, codecLevel)
    const handedUs = speed === undefined ? window.handedUs : window.handedBytes * speed
    const compressUs = Math.round(window.ownCompressUs + handedUs)
    if (this.#appendUs === undefined) return { compressUs }
    return { compressUs, cpuUs: Math.round(window.counts.records * this.#appendUs) + compressUs }
  }

  #begin(settings: ProducerSettings, trial: number | null): ProducerWindow {
    if (this.#windows.length >= MOST_WINDOWS) {
      const oldest = this.#windows.findIndex((one) => one.isEmpty)
      this.#windows.splice(Math.max(0, oldest), 1)
    }
    const window = new ProducerWindow(settings, trial)
    window.sinceMs = this.#options.clock.monotonicMs()
    this.#windows.push(window)
    return window
  }

  #windowOf(settings: ProducerSettings): ProducerWindow {
    if (this.#current.settings === settings) return this.#current
    return this.#windows.find((window) => window.settings === settings) ?? this.#current
  }
}

function isSame(window: ProducerWindow, settings: ProducerSettings, trial: number | null): boolean {
  if (window.trial !== trial) return false
  const own = window.settings
  return (
    own.codec === settings.codec &&
    own.codecLevel === settings.codecLevel &&
    own.lingerMs === settings.lingerMs &&
    own.batchBytes === settings.batchBytes &&
    own.maxMessageBytes === settings.maxMessageBytes &&
    own.requestTimeoutMs === settings.requestTimeoutMs
  )
}
