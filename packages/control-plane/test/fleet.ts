/**
 * Clients of one mQ ID in numbers: they follow its binding and report what the model says their settings do, with a wobble, on a clock
 * the test moves: once a second, or in the usual timing every ten, each at its own moment. What they claim and what brokers get can be
 * made to differ.
 */
import assert from 'node:assert/strict'
import type { TestContext } from 'node:test'
import { usualTimes } from '@mq/autopilot'
import {
  Binding,
  type Codec,
  Decision,
  MqError,
  type ProducerSettings,
  type ProducerTelemetry,
  type ShadowSample,
  settingsFor,
} from '@mq/contract'
import { assumedCurve, clusterModel, GRID, predict, priceBook, type Workload } from '@mq/economics'
import { build, encodeIntoCompressedBase64 } from 'hdr-histogram-js'
import type { ControlPlaneOptions } from '../src/control-plane-options.ts'
import { FakeKafka } from './fake-kafka.ts'
import { type Harness, movableClock, startHarness, telemetryReport } from './harness.ts'

export const ID = 'orders.placed'
const SECOND_MS = 1_000
const BATCH_HEADER_BYTES = 61

export interface Truth {
  /** Bytes of a compressed record: of every codec, or of those that are named. */
  readonly compression?: number | Partial<Record<Codec, number>>
  /** CPU of producers for a record. */
  readonly cpu?: number
  /** What a send takes. */
  readonly latency?: number
}

export interface FleetOptions {
  readonly instances: number
  readonly ratePerInstance?: number
  readonly recordBytes?: number
  /** What one instance reports instead, on the settings it runs on. */
  readonly tells?: (
    instance: string,
    settings: ProducerSettings,
    trial: number | null,
    honest: ProducerTelemetry,
  ) => Partial<ProducerTelemetry>
  /** Whether settings change what is sent at all. */
  readonly isIndifferent?: boolean
  /** Records a second of each instance, by the second. */
  readonly rateAt?: (second: number) => number
  readonly lagRecords?: (onTrial: boolean) => number
  /** By how much the world differs from the model that predicts it: measured over predicted; 1 where left out. */
  readonly truth?: Truth
  /** Whether clients tell what codecs do with their records. */
  readonly measuresCodecs?: boolean
  /** What a send really takes of what the model says. */
  readonly slowness?: number | ((second: number) => number)
  /** The cluster behind each name; one for all when left out. */
  readonly kafkas?: Readonly<Record<string, FakeKafka>>
  readonly timing?: 'dev' | 'usual'
}

/** Bytes of a record that a codec really makes, over what the model says. */
export function bytesFactor({ compression = 1 }: Truth = {}, codec: Codec): number {
  if (codec === 'none') return 1
  return typeof compression === 'number' ? compression : (compression[codec] ?? 1)
}

export class Fleet {
  readonly kafka: FakeKafka
  readonly clock = movableClock()
  readonly names: readonly string[]
  /** Instances that ever ran on a trial. */
  readonly touched = new Set<string>()
  plane!: Harness
  second = 0
  /** What really went out, whatever is told. */
  sentBytes = 0
  readonly #options: FleetOptions
  readonly #latencies = new Map<string, string>()
  /** In seconds: how often clients report, and how often the engine looks and proposes. */
  readonly #every: { readonly report: number; readonly tick: number; readonly propose: number }
  /** What an instance sends with in the window it is in: the settings of its first moment. */
  readonly #window = new Map<string, ReturnType<typeof settingsFor>>()

  constructor(options: FleetOptions, kafka = new FakeKafka()) {
    this.kafka = kafka
    this.#options = options
    const { telemetryMs, tickMs, proposeMs } = usualTimes
    this.#every =
      options.timing === 'usual'
        ? { report: telemetryMs / SECOND_MS, tick: tickMs / SECOND_MS, propose: proposeMs / SECOND_MS }
        : { report: 1, tick: 1, propose: 2 }
    this.names = Array.from({ length: options.instances }, (_, index) => `shop-${String(index).padStart(3, '0')}`)
  }

  async start(t: TestContext, options: Partial<ControlPlaneOptions> = {}): Promise<Harness> {
    this.plane = await startHarness(t, {
      kafka: this.kafka,
      deps: this.clock,
      timing: this.#options.timing ?? 'dev',
      // The test does what timers would do.
      ...options,
      loopTimes: { tickMs: 3_600_000, proposeMs: 3_600_000, ...options.loopTimes },
    })
    await this.plane.clusters.checkAll()
    return this.plane
  }

  /** An mQ ID on the settings of a client nobody configured. */
  async declareBadly(
    intent: Record<string, unknown> = { latencyP99Ms: '500ms' },
    settings?: Partial<ProducerSettings>,
  ): Promise<void> {
    const made = await this.plane.call('PUT', `/v1/ids/${ID}`, { intent })
    assert.equal(made.status, 200, made.text)
    await this.spoil(settings)
  }

  async spoil(settings: Partial<ProducerSettings> = { codec: 'none', lingerMs: 0, batchBytes: 16_384 }): Promise<void> {
    const { registry } = this.plane
    const record = registry.get(ID)
    assert.ok(record?.state === 'active')
    const { revision: _revision, updatedAtMs: _updated, ...change } = record
    const { codecLevel: _level, ...producer } = record.spec.producer
    const bad = { ...producer, ...settings }
    await registry.publish(
      { ...change, spec: { ...record.spec, producer: bad } },
      { kind: 'change', subject: ID, actor: 'test', why: 'badly configured', before: null, after: null },
    )
  }

  get binding(): Binding {
    return Binding.parse(this.plane.registry.binding(ID))
  }

  get engine() {
    return this.plane.deciding.engine
  }

  async decisions(): Promise<Decision[]> {
    const answer = await this.plane.call('GET', `/v1/decisions?id=${ID}`)
    assert.equal(answer.status, 200, answer.text)
    return answer.body.decisions.map((one: unknown) => Decision.parse(one))
  }

  async decision(number: number): Promise<Decision> {
    const answer = await this.plane.call('GET', `/v1/decisions/${number}`)
    assert.equal(answer.status, 200, answer.text)
    return Decision.parse(answer.body)
  }

  /** Lets time pass, second by second, with reports and looks. */
  async run(seconds: number, until: () => Promise<boolean> | boolean = () => false): Promise<number> {
    for (let passed = 0; passed < seconds; passed++) {
      if (await until()) return passed
      await this.pass()
    }
    return seconds
  }

  async pass(): Promise<void> {
    this.second++
    this.clock.advance(SECOND_MS)
    this.report()
    if (this.second % this.#every.tick === 0) await this.engine.tick()
    if (this.second % this.#every.propose !== 0) return
    await this.engine.propose().catch((error: unknown) => {
      // A store that fails is a matter of the test; timers would try again.
      if (!(error instanceof MqError) || error.code !== 'MQ_STORE_FAILED') throw error
    })
  }

  /** Lets the brokers be looked at: what the log holds is what was sent. */
  watchLogs(): void {
    const { watcher } = this.plane.costing
    watcher.topic = (() => ({ leaderBytes: this.sentBytes, configs: null })) as unknown as typeof watcher.topic
    const look = () => ({ startedAtMs: this.clock.clock.nowMs(), brokers: [1, 2, 3], racks: null, topics: [] })
    watcher.observation = look as unknown as typeof watcher.observation
  }

  report(): void {
    const { binding } = this
    const open = binding.epochs.find(({ state }) => state === 'open')
    if (open === undefined) return
    const kafka = this.#options.kafkas?.[open.cluster] ?? this.kafka
    const producers = this.names.length
    const rate = this.#options.rateAt?.(this.second) ?? this.#options.ratePerInstance ?? 500
    const recordBytes = this.#options.recordBytes ?? 400
    const seconds = this.#every.report
    for (const [nth, instance] of this.names.entries()) {
      if ((this.second - 1 + nth) % seconds === 0) this.#window.set(instance, settingsFor(binding, instance))
      const current = this.#window.get(instance)
      if (current === undefined || (this.second + nth) % seconds !== 0) continue
      const { producer, trial } = current
      if (trial !== null) this.touched.add(instance)
      const honest = this.#honest(nth, rate, recordBytes, producers, open, producer, trial)
      this.sentBytes += honest.batchBytesWire
      if (honest.records > 0) kafka.append(open.topic, this.second % open.partitions, BigInt(honest.records))
      const told = { ...honest, ...this.#options.tells?.(instance, producer, trial, honest) }
      this.plane.traffic.take(
        telemetryReport({
          app: 'shop',
          instance,
          windowMs: seconds * SECOND_MS,
          windowStartMs: this.clock.clock.nowMs() - seconds * SECOND_MS,
          bindings: [{ mqId: ID, incarnation: binding.incarnation, revision: binding.revision }],
          producers: [told],
          consumers:
            nth > 0 ? [] : [this.#consumer(open.epoch, seconds * rate * producers, recordBytes, binding.trial != null)],
        }),
      )
    }
  }

  #honest(
    nth: number,
    rate: number,
    recordBytes: number,
    producers: number,
    open: { readonly epoch: number; readonly partitions: number },
    settings: ProducerSettings,
    trial: number | null,
  ): ProducerTelemetry {
    const seen =
      this.#options.isIndifferent === true
        ? { ...settings, codec: 'none' as const, lingerMs: 0, batchBytes: 16_384 }
        : settings
    const workload: Workload = {
      recordsPerSecond: Math.max(1, rate * producers),
      peakMultiple: 1,
      recordBytes,
      framedBytes: recordBytes + 10,
      producers,
      keyed: true,
      busiestPartitionShare: 1 / open.partitions,
      dispersion: 1,
      groups: [{ group: 'billing', members: 1 }],
      curves: [],
      retainedBytes: null,
      observedMs: 0,
      records: 0,
      source: 'measured',
    }
    const did = predict(
      workload,
      {
        cluster: 'main',
        partitions: open.partitions,
        replication: 3,
        retentionMs: 86_400_000,
        localRetentionMs: null,
        codec: seen.codec,
        codecLevel: seen.codecLevel ?? null,
        lingerMs: seen.lingerMs,
        batchBytes: seen.batchBytes,
        fetchMinBytes: 1,
        fetchMaxWaitMs: 500,
        followerFetch: false,
      },
      clusterModel({ name: 'main', book: priceBook('aws-us-east-1') }),
    )
    const { cpu = 1, latency = 1 } = this.#options.truth ?? {}
    const wireBytes = did.wireBytesPerRecord * bytesFactor(this.#options.truth, seen.codec)
    // A few percent of change from window to window, the same at every run.
    const wobble = 1 + ((((this.second * 31 + nth * 17) % 13) - 6) * 0.5) / 100
    const records = Math.round(rate * this.#every.report)
    const batches = Math.max(records > 0 ? 1 : 0, Math.round(records / Math.max(1, did.recordsPerBatch)))
    const uncompressed = records * (recordBytes + 10) + batches * 61
    return {
      mqId: ID,
      epoch: open.epoch,
      records,
      batches,
      requests: batches,
      recordBytes: records * recordBytes,
      batchBytesUncompressed: uncompressed,
      batchBytesWire: Math.min(uncompressed, Math.max(batches * 61, Math.round(records * wireBytes * wobble))),
      retries: 0,
      errors: 0,
      throttledMs: 0,
      bufferBytesMax: 100_000,
      codec: settings.codec,
      codecLevel: settings.codecLevel ?? null,
      lingerMs: settings.lingerMs,
      sendLatencyUs: this.latency(Math.min(did.sendP99Ms * latency * this.#slowness(), 60_000) * wobble, records),
      activeMs: this.#every.report * SECOND_MS,
      batchBytesLimit: settings.batchBytes,
      trial,
      cpuUs: Math.round(records * did.producerCpuUsPerRecord * cpu * wobble),
      compressUs: 0,
      ...(this.#options.measuresCodecs === true ? { shadow: this.#shadow(recordBytes + 10) } : {}),
    }
  }

  /** What codecs really do with the records, as clients measure it beside the data path. */
  #shadow(framedBytes: number): ShadowSample[] {
    return GRID.codecs.flatMap(({ codec, codecLevel }) =>
      codec === 'none'
        ? []
        : assumedCurve(codec, codecLevel, framedBytes).points.map(
            ({ depth, uncompressedBytes, compressedBytes, compressUs, decompressUs }) => ({
              ...{ codec, codecLevel, depth, batches: 10, decompressUs },
              uncompressedBytes: uncompressedBytes + BATCH_HEADER_BYTES,
              compressedBytes:
                Math.min(uncompressedBytes, compressedBytes * bytesFactor(this.#options.truth, codec)) +
                BATCH_HEADER_BYTES,
              compressUs: compressUs * (this.#options.truth?.cpu ?? 1),
            }),
          ),
    )
  }

  #slowness(): number {
    const { slowness = 1 } = this.#options
    return typeof slowness === 'number' ? slowness : slowness(this.second)
  }

  #consumer(epoch: number, records: number, recordBytes: number, isTrial: boolean) {
    return {
      mqId: ID,
      group: 'billing',
      epoch,
      records,
      recordBytes: records * recordBytes,
      wireBytes: records * recordBytes,
      handlerErrors: 0,
      redeliveries: 0,
      commits: 1,
      rebalances: 0,
      lagRecords: this.#options.lagRecords?.(isTrial) ?? 5,
      endToEndLatencyUs: this.latency(30, records),
    }
  }

  latency(p99Ms: number, records: number): string {
    const key = `${Math.round(p99Ms)} ${records}`
    const known = this.#latencies.get(key)
    if (known !== undefined) return known
    const histogram = build({ bitBucketSize: 32, numberOfSignificantValueDigits: 2, autoResize: true })
    const slow = Math.ceil(records * 0.02)
    if (records > slow) histogram.recordValueWithCount(Math.max(1, Math.round(p99Ms * 500)), records - slow)
    if (slow > 0) histogram.recordValueWithCount(Math.max(1, Math.round(p99Ms * 1_000)), slow)
    const encoded = encodeIntoCompressedBase64(histogram)
    this.#latencies.set(key, encoded)
    return encoded
  }
}
