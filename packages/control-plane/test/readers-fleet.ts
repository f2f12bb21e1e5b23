/**
 * Readers of one mQ ID in numbers: members of groups that follow its binding and report what the model says their ways to fetch do, with a
 * wobble, on a clock the test moves: once a second, or in the usual timing every ten, each at its own moment, what they read under
 * different settings apart. What they claim and what is true can be made to differ.
 */
import assert from 'node:assert/strict'
import type { TestContext } from 'node:test'
import { usualTimes } from '@mq/autopilot'
import {
  Binding,
  type ConsumerSettings,
  type ConsumerTelemetry,
  Decision,
  type Epoch,
  type ProducerTelemetry,
  settingsFor,
} from '@mq/contract'
import { clusterModel, type Prediction, predict, priceBook, type Workload } from '@mq/economics'
import { build, encodeIntoCompressedBase64 } from 'hdr-histogram-js'
import type { ControlPlaneOptions } from '../src/control-plane-options.ts'
import { FakeKafka } from './fake-kafka.ts'
import { type Harness, movableClock, startHarness, telemetryReport } from './harness.ts'

export const ID = 'orders.placed'
const SECOND_MS = 1_000
const PRODUCERS = 4
const RECORD_BYTES = 400
/** What readers whom nobody configured ask for: an answer at once, and another one a moment later when there is nothing. */
export const HASTY = { fetchMinBytes: 1, fetchMaxWaitMs: 2 } as const
/** Where the tuning loop leaves producers of this traffic, so that only ways to fetch are left to look at. */
const TUNED = { codec: 'zstd', codecLevel: 6, lingerMs: 200, batchBytes: 16_384 } as const

export interface Reader {
  readonly instance: string
  readonly group: string
}

export interface ReadersOptions {
  /** Members of each group. */
  readonly groups: Readonly<Record<string, number>>
  /** Which process a member is; one of its own when left out. */
  readonly instanceOf?: (group: string, nth: number) => string
  /** Of all producers together. */
  readonly recordsPerSecond?: number
  /** What a reader reports instead, on the settings it runs on. */
  readonly tells?: (
    reader: Reader,
    settings: ConsumerSettings,
    trial: number | null,
    honest: ConsumerTelemetry,
  ) => Partial<ConsumerTelemetry>
  /** Whether settings change nothing of how it fetches. */
  readonly isIndifferent?: boolean
  /** Readers of clients that say nothing of their settings. */
  readonly isOld?: (reader: Reader) => boolean
  /** What records really take of what the model says. */
  readonly slowness?: number
  readonly timing?: 'dev' | 'usual'
}

/** What was read under one set of settings since the last report. */
interface Stretch {
  readonly settings: ConsumerSettings
  readonly trial: number | null
  seconds: number
}

export class ReadersFleet {
  readonly kafka = new FakeKafka()
  readonly clock = movableClock()
  /** Those that read; a test may take some away. */
  readers: readonly Reader[]
  /** Instances that ever ran on a trial. */
  readonly touched = new Set<string>()
  plane!: Harness
  second = 0
  readonly #options: ReadersOptions
  readonly #latencies = new Map<string, string>()
  readonly #predictions = new Map<string, Prediction>()
  readonly #stretches = new Map<string, Stretch[]>()
  readonly #every: { readonly report: number; readonly tick: number; readonly propose: number }

  constructor(options: ReadersOptions) {
    this.#options = options
    const { telemetryMs, tickMs, proposeMs } = usualTimes
    this.#every =
      options.timing === 'usual'
        ? { report: telemetryMs / SECOND_MS, tick: tickMs / SECOND_MS, propose: proposeMs / SECOND_MS }
        : { report: 1, tick: 1, propose: 2 }
    const name = options.instanceOf ?? ((group: string, nth: number) => `${group}-${String(nth).padStart(3, '0')}`)
    this.readers = Object.entries(options.groups).flatMap(([group, members]) =>
      Array.from({ length: members }, (_, nth) => ({ instance: name(group, nth), group })),
    )
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

  /** An mQ ID whose readers fetch as nobody would have them. */
  async declare(
    settings: Partial<ConsumerSettings> = HASTY,
    intent: Record<string, unknown> = { latencyP99Ms: '500ms' },
  ): Promise<void> {
    const made = await this.plane.call('PUT', `/v1/ids/${ID}`, { intent })
    assert.equal(made.status, 200, made.text)
    const { registry } = this.plane
    const record = registry.get(ID)
    assert.ok(record?.state === 'active')
    const { revision: _revision, updatedAtMs: _updated, ...change } = record
    await registry.publish(
      {
        ...change,
        spec: {
          ...record.spec,
          producer: { ...record.spec.producer, ...TUNED },
          consumer: { ...record.spec.consumer, ...settings },
        },
      },
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

  /** The newest about ways to fetch. */
  async fetching(): Promise<Decision | undefined> {
    return (await this.decisions()).find(({ kind }) => kind === 'consumer-settings')
  }

  /** Lets time pass, second by second, until the newest decision about ways to fetch is in one of the states. */
  async until(seconds: number, ...states: string[]): Promise<Decision | undefined> {
    for (let passed = 0; passed < seconds; passed++) {
      const newest = await this.fetching()
      if (newest !== undefined && states.includes(newest.state)) return newest
      await this.pass()
    }
    return this.fetching()
  }

  async run(seconds: number): Promise<void> {
    for (let passed = 0; passed < seconds; passed++) await this.pass()
  }

  async pass(): Promise<void> {
    this.second++
    this.clock.advance(SECOND_MS)
    this.#report()
    if (this.second % this.#every.tick === 0) await this.engine.tick()
    if (this.second % this.#every.propose === 0) await this.engine.propose()
  }

  #report(): void {
    const { binding } = this
    const open = binding.epochs.find(({ state }) => state === 'open')
    if (open === undefined) return
    const rate = this.#options.recordsPerSecond ?? 1_000
    this.kafka.append(open.topic, this.second % open.partitions, BigInt(rate))
    for (let nth = 0; nth < PRODUCERS; nth++) this.#produced(binding, open, rate / PRODUCERS, nth)
    const members = Map.groupBy(this.readers, ({ group }) => group)
    const told = new Map<string, ConsumerTelemetry[]>()
    for (const [nth, reader] of this.readers.entries()) {
      const { consumer, trial } = settingsFor(binding, reader.instance)
      if (trial !== null) this.touched.add(reader.instance)
      const key = `${reader.group} ${reader.instance}`
      const stretches = this.#stretches.get(key) ?? []
      this.#stretches.set(key, stretches)
      const known = stretches.find(({ settings, trial: of }) => of === trial && isSame(settings, consumer))
      if (known === undefined) stretches.push({ settings: consumer, trial, seconds: 1 })
      else known.seconds++
      if ((this.second + nth) % this.#every.report !== 0) continue
      this.#stretches.delete(key)
      const share = rate / members.get(reader.group)!.length
      const entries = stretches.map((one) => this.#read(reader, nth, open, share, one))
      told.set(reader.instance, [...(told.get(reader.instance) ?? []), ...entries])
    }
    for (const [instance, consumers] of told) this.#take(binding, instance, { consumers })
  }

  #take(
    binding: Binding,
    instance: string,
    parts: { producers?: ProducerTelemetry[]; consumers?: ConsumerTelemetry[] },
    seconds = this.#every.report,
  ): void {
    this.plane.traffic.take(
      telemetryReport({
        app: 'shop',
        instance,
        windowMs: seconds * SECOND_MS,
        windowStartMs: this.clock.clock.nowMs() - seconds * SECOND_MS,
        bindings: [{ mqId: ID, incarnation: binding.incarnation, revision: binding.revision }],
        ...parts,
      }),
    )
  }

  #read(
    reader: Reader,
    nth: number,
    open: Epoch,
    share: number,
    { settings, trial, seconds }: Stretch,
  ): ConsumerTelemetry {
    const { groups, slowness = 1, isIndifferent, isOld, tells } = this.#options
    const group = { group: reader.group, members: groups[reader.group]! }
    const did = this.#did(open, isIndifferent === true ? { ...settings, ...HASTY } : settings, group)
    const wobble = 1 + ((((this.second * 31 + nth * 17) % 13) - 6) * 0.5) / 100
    const records = Math.round(share * seconds)
    const batches = Math.max(1, Math.round(records / did.recordsPerBatch))
    const honest: ConsumerTelemetry = {
      mqId: ID,
      group: reader.group,
      epoch: open.epoch,
      records,
      recordBytes: records * RECORD_BYTES,
      wireBytes: Math.max(batches * 61, Math.round(records * did.wireBytesPerRecord)),
      handlerErrors: 0,
      redeliveries: 0,
      commits: seconds,
      rebalances: 0,
      lagRecords: 5,
      endToEndLatencyUs: this.latency(did.endToEndP99Ms * slowness * wobble, records),
      batches,
      uncompressedBytes: records * (RECORD_BYTES + 10),
      fetchRequests: Math.max(1, Math.round((did.fetchRequestsPerSecond / group.members) * seconds * wobble)),
      activeMs: seconds * SECOND_MS,
      fetchMinBytes: settings.fetchMinBytes,
      fetchMaxWaitMs: settings.fetchMaxWaitMs,
      trial,
    }
    const told = { ...honest, ...tells?.(reader, settings, trial, honest) }
    if (isOld?.(reader) !== true) return told
    const { activeMs: _active, fetchMinBytes: _bytes, fetchMaxWaitMs: _wait, trial: _trial, ...plain } = told
    return plain
  }

  /** What the model says of one group alone. */
  #did(
    open: Epoch,
    { fetchMinBytes, fetchMaxWaitMs }: ConsumerSettings,
    group: { readonly group: string; readonly members: number },
  ): Prediction {
    const { producer } = this.binding
    const rate = this.#options.recordsPerSecond ?? 1_000
    const key = JSON.stringify([open, producer, fetchMinBytes, fetchMaxWaitMs, group])
    const known = this.#predictions.get(key)
    if (known !== undefined) return known
    const workload: Workload = {
      recordsPerSecond: rate,
      peakMultiple: 1,
      recordBytes: RECORD_BYTES,
      framedBytes: RECORD_BYTES + 10,
      producers: PRODUCERS,
      keyed: true,
      busiestPartitionShare: 1 / open.partitions,
      dispersion: 1,
      groups: [group],
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
        codec: producer.codec,
        codecLevel: producer.codecLevel ?? null,
        lingerMs: producer.lingerMs,
        batchBytes: producer.batchBytes,
        fetchMinBytes,
        fetchMaxWaitMs,
        followerFetch: false,
      },
      clusterModel({ name: 'main', book: priceBook('aws-us-east-1') }),
    )
    this.#predictions.set(key, did)
    return did
  }

  /** Producers, steady and honest, once a second. */
  #produced(binding: Binding, open: Epoch, share: number, nth: number): void {
    const { producer } = binding
    const did = this.#did(open, binding.consumer, { group: 'any', members: 1 })
    const instance = `sender-${nth}`
    const { trial } = settingsFor(binding, instance)
    const records = Math.round(share)
    const batches = Math.max(1, Math.round(records / did.recordsPerBatch))
    const one: ProducerTelemetry = {
      mqId: ID,
      epoch: open.epoch,
      records,
      batches,
      requests: batches,
      recordBytes: records * RECORD_BYTES,
      batchBytesUncompressed: records * (RECORD_BYTES + 10) + batches * 61,
      batchBytesWire: Math.max(batches * 61, Math.round(records * did.wireBytesPerRecord)),
      retries: 0,
      errors: 0,
      throttledMs: 0,
      bufferBytesMax: 100_000,
      codec: producer.codec,
      codecLevel: producer.codecLevel ?? null,
      lingerMs: producer.lingerMs,
      sendLatencyUs: this.latency(did.sendP99Ms, records),
      activeMs: SECOND_MS,
      batchBytesLimit: producer.batchBytes,
      trial,
      cpuUs: Math.round(records * did.producerCpuUsPerRecord),
      compressUs: 0,
    }
    this.#take(binding, instance, { producers: [one] }, 1)
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

function isSame(a: ConsumerSettings, b: ConsumerSettings): boolean {
  return a.fetchMinBytes === b.fetchMinBytes && a.fetchMaxWaitMs === b.fetchMaxWaitMs
}
