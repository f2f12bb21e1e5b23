/**
 * Reports of this process to the control plane, every 10 seconds and on close.
 *
 * T3. A report that fails is lost and nothing else: sending and consuming never notice. Changes of epoch in it go into the next one: they
 *     happen when the control plane is away, too, and it asks about them when it is back.
 * T4. At most one report is under way.
 * T5. A meter that is removed is in one more report: what happened since the last one is not forgotten at close.
 * T6. How often is for the control plane to say, in its answers; without a word of it, every 10 seconds.
 */
import { type HeldTelemetry, TELEMETRY_MS, type TelemetryReport } from '@mq/contract'
import type { Deps, TimerHandle } from '@mq/kafka'
import type { BindingStore } from '../bindings/store.ts'
import type { ConsumerMeter } from './consumer-meter.ts'
import type { ProducerMeter } from './producer-meter.ts'

const MAX_METERS = 1_000
const MAX_MIGRATIONS = 1_000
/** What the control plane can ask of this client and not of those before it. */
const FEATURES = ['group-hold']
const CLOSE_LIMIT_MS = 2_000

type Migrations = NonNullable<TelemetryReport['migrations']>
export type ProducerMigration = Migrations['producers'][number]
export type ConsumerMigration = Migrations['consumers'][number]

export interface TelemetryOptions {
  readonly app: string
  readonly instance: string
  readonly version: string
  /** Where this process runs. */
  readonly zone?: string | undefined
  readonly host?: string | undefined
  readonly store: BindingStore
  readonly deps: Deps
  readonly intervalMs?: number
  /** @returns how often reports are wanted from now on, when the answer says so */
  send(report: TelemetryReport, limitMs: number): Promise<number | undefined>
}

export class Telemetry {
  readonly #options: TelemetryOptions
  readonly #producers = new Set<ProducerMeter>()
  readonly #consumers = new Set<ConsumerMeter>()
  readonly #leavingProducers = new Set<ProducerMeter>()
  readonly #leavingConsumers = new Set<ConsumerMeter>()
  readonly #holders: (() => HeldTelemetry | undefined)[] = []
  #migrations: Migrations = { producers: [], consumers: [] }
  #timer: TimerHandle | undefined
  readonly #startedAtMs: number
  #windowStartMs: number
  #windowStartedAtMs: number
  #cpu = process.cpuUsage()
  #closed = false
  #intervalMs: number

  constructor(options: TelemetryOptions) {
    this.#options = options
    this.#intervalMs = options.intervalMs ?? TELEMETRY_MS
    this.#startedAtMs = Math.max(0, Math.round(options.deps.clock.nowMs()))
    this.#windowStartMs = options.deps.clock.nowMs()
    this.#windowStartedAtMs = options.deps.clock.monotonicMs()
    this.#arm()
  }

  addProducer(meter: ProducerMeter): void {
    this.#producers.add(meter)
  }

  addConsumer(meter: ConsumerMeter): void {
    this.#consumers.add(meter)
  }

  removeProducer(meter: ProducerMeter): void {
    if (this.#producers.delete(meter)) this.#leavingProducers.add(meter)
  }

  removeConsumer(meter: ConsumerMeter): void {
    if (this.#consumers.delete(meter)) this.#leavingConsumers.add(meter)
  }

  /** What says which sends wait, asked at the end of each window. */
  addHolder(holder: () => HeldTelemetry | undefined): void {
    this.#holders.push(holder)
  }

  /** A change of epoch that ended, for the next report. */
  producerMigrated(move: ProducerMigration): void {
    if (this.#migrations.producers.length < MAX_MIGRATIONS) this.#migrations.producers.push(move)
  }

  consumerMigrated(move: ConsumerMigration): void {
    if (this.#migrations.consumers.length < MAX_MIGRATIONS) this.#migrations.consumers.push(move)
  }

  /** Ends the window and says what happened in it. */
  take(): TelemetryReport {
    const { app, instance, version, zone, host, store, deps } = this.#options
    const nowMs = deps.clock.monotonicMs()
    const cpu = process.cpuUsage(this.#cpu)
    const migrations = this.#migrations
    const held = this.#holders.flatMap((holder) => holder() ?? []).slice(0, MAX_METERS)
    this.#migrations = { producers: [], consumers: [] }
    const report: TelemetryReport = {
      app,
      instance,
      version,
      windowStartMs: Math.round(this.#windowStartMs),
      windowMs: Math.max(1, Math.round(nowMs - this.#windowStartedAtMs)),
      cpuUs: cpu.user + cpu.system,
      rssBytes: process.memoryUsage.rss(),
      ...(zone === undefined ? {} : { zone }),
      ...(host === undefined ? {} : { host }),
      startedAtMs: this.#startedAtMs,
      features: FEATURES,
      bindings: store.all().map(({ mqId, incarnation, revision }) => ({ mqId, incarnation, revision })),
      producers: [...this.#leavingProducers, ...this.#producers].flatMap((meter) => meter.take()).slice(0, MAX_METERS),
      consumers: [...this.#leavingConsumers, ...this.#consumers].flatMap((meter) => meter.take()).slice(0, MAX_METERS),
      ...(migrations.producers.length + migrations.consumers.length === 0 ? {} : { migrations }),
      ...(held.length === 0 ? {} : { held }),
    }
    this.#leavingProducers.clear()
    this.#leavingConsumers.clear()
    this.#windowStartMs = deps.clock.nowMs()
    this.#windowStartedAtMs = nowMs
    this.#cpu = process.cpuUsage()
    return report
  }

  /** Sends the last window. */
  async close(limitMs = CLOSE_LIMIT_MS): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    if (this.#timer !== undefined) this.#options.deps.timers.clearTimeout(this.#timer)
    await this.#report(Math.min(limitMs, CLOSE_LIMIT_MS))
  }

  #arm(): void {
    const intervalMs = this.#intervalMs
    this.#timer = this.#options.deps.timers.setTimeout(() => {
      void this.#report(intervalMs).finally(() => {
        if (!this.#closed) this.#arm()
      })
    }, intervalMs)
    this.#timer.unref()
  }

  async #report(limitMs: number): Promise<void> {
    const report = this.take()
    if (report.bindings.length === 0) return
    try {
      const wantedMs = await this.#options.send(report, limitMs)
      if (wantedMs !== undefined) this.#intervalMs = wantedMs
    } catch {
      // T3: the control plane may be away for days, and the push stream has already said so.
      const { producers, consumers } = report.migrations ?? { producers: [], consumers: [] }
      this.#migrations = {
        producers: [...producers, ...this.#migrations.producers].slice(0, MAX_MIGRATIONS),
        consumers: [...consumers, ...this.#migrations.consumers].slice(0, MAX_MIGRATIONS),
      }
    }
  }
}
