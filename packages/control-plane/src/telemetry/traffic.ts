/**
 * The traffic of mQ IDs, from the reports of their clients.
 *
 * T1. Memory is bounded by the number of registered mQ IDs: reports on unknown ones are counted and dropped.
 * T2. A report is placed by when it arrives, not by the clock of its sender; a window longer than MAX_SPREAD_MS counts
 *     as that long. A skewed or lying clock can neither fill the past nor the future.
 * T3. Counts no process can reach are refused with the report that holds them.
 * T4. Roll-ups of 10 seconds, 5 minutes and 1 hour go to the store; a store that cannot be written loses roll-ups, never the process.
 * T5. What contradicts itself is an outlier: that part of the report is left out, and counted.
 */
import { type ConsumerTelemetry, MqError, type ProducerTelemetry, type TelemetryReport } from '@mq/contract'
import type { Deps } from '@mq/kafka'
import { IdTraffic, INSTANCE_AWAY_MS, type SentPart, type TenSeconds, WINDOW_MS, windowsOf } from './id-traffic.ts'
import { InstanceLog, windowOf } from './instance-log.ts'
import { type InstanceWindow, profileOf, type TrafficProfile } from './profile.ts'
import { type ReaderWindow, readerKey, readerWindowOf } from './reader-window.ts'
import { Sketch } from './sketch.ts'
import { emptySlice, mergeSlice, type Slice } from './slice.ts'
import { Totals } from './totals.ts'

export { FIVE_MINUTES_MS, WINDOW_MS } from './id-traffic.ts'

const RATE_WINDOWS = 6
export const MAX_SPREAD_MS = 60_000
const MAX_INSTANCES = 20_000
/** Ten times what one process was ever measured to send. */
const MAX_MESSAGES_PER_SECOND = 20_000_000
const MAX_BYTES_PER_SECOND = 100e9
const MAX_REQUESTS_PER_SECOND = 1_000_000
/** No process has more processors. */
const MAX_PROCESSORS = 1_024
/** No batch is shorter. */
const BATCH_HEADER_BYTES = 61
/** mQ IDs whose five minutes are ended in one go: ending takes a moment for each, and requests wait meanwhile. */
const FINISHED_AT_ONCE = 1_000

export interface FinishedRollup {
  readonly mqId: string
  readonly windowStartMs: number
  /** Null when only windows of 10 s are left to tell. */
  readonly slice: Slice | null
  readonly tens: readonly TenSeconds[]
}

export interface TrafficOptions {
  readonly deps: Deps
  readonly isKnown: (mqId: string) => boolean
}

export class Traffic {
  /** What was reported since the start. */
  readonly totals = new Totals()
  readonly #options: TrafficOptions
  readonly #ids = new Map<string, IdTraffic>()
  readonly #instances = new Map<string, { app: string; atMs: number }>()
  readonly #sent = new InstanceLog<InstanceWindow>()
  readonly #read = new InstanceLog<ReaderWindow>()
  #finished: FinishedRollup[] = []
  #reports = 0
  #unknownIds = 0
  #outliers = 0

  constructor(options: TrafficOptions) {
    this.#options = options
  }

  get reports(): number {
    return this.#reports
  }

  get unknownIds(): number {
    return this.#unknownIds
  }

  /** Parts of reports that were left out (T5). */
  get outliers(): number {
    return this.#outliers
  }

  /** Processes that reported within the last minute. */
  instances(): number {
    const since = this.#options.deps.clock.nowMs() - INSTANCE_AWAY_MS
    for (const [key, one] of this.#instances) if (one.atMs < since) this.#instances.delete(key)
    return this.#instances.size
  }

  /** Takes one report, whole or not at all (T3), save outliers (T5). */
  take(report: TelemetryReport): void {
    const now = this.#options.deps.clock.nowMs()
    const producers = report.producers.map((one) => ({ one, latency: readSketch(one.mqId, one.sendLatencyUs) }))
    const consumers = report.consumers.map((one) => ({ one, latency: readSketch(one.mqId, one.endToEndLatencyUs) }))
    for (const { one } of producers) checkProducer(one, report.windowMs)
    for (const { one } of consumers) checkConsumer(one, report.windowMs)

    this.#reports++
    const instance = `${report.app}/${report.instance}`
    if (this.#instances.has(instance) || this.#instances.size < MAX_INSTANCES) {
      this.#instances.set(instance, { app: report.app, atMs: now })
    }
    const spread = Math.min(report.windowMs, MAX_SPREAD_MS)
    const windows = windowsOf(spread)
    /** One process is one sender, however many settings and epochs it sent under. */
    const told = new Map<string, number>()
    for (const { one, latency } of producers) {
      const traffic = this.#traffic(one.mqId, now)
      if (traffic === undefined) continue
      const outliers = traffic.outliers
      const part = partOf(one, latency, report.windowMs)
      if (part === undefined) traffic.outliers++
      else {
        const before = told.get(one.mqId) ?? 0
        const activeMs = Math.max(0, Math.min(one.activeMs ?? spread, spread - before))
        const coveredMs = before + activeMs
        told.set(one.mqId, coveredMs)
        traffic.sent(part, instance, report.zone, now, { windowMs: spread, activeMs, coveredMs })
        this.#sent.add(one.mqId, report.instance, windowOf(report, part.one, now), now)
        this.totals.sent(one)
        traffic.outliers += part.dropped
      }
      this.#outliers += traffic.outliers - outliers
    }
    for (const { one, latency } of consumers) {
      const traffic = this.#traffic(one.mqId, now)
      if (traffic === undefined) continue
      if (!canBeRead(one, latency)) {
        traffic.outliers++
        this.#outliers++
        continue
      }
      traffic.read(one, latency, instance, now, windows)
      this.totals.handled(one)
      const window = readerWindowOf(report, one, now)
      if (window !== undefined) this.#read.add(one.mqId, readerKey(window), window, now)
    }
  }

  /** The last minute of an mQ ID, or null when nothing reported. */
  lastMinute(mqId: string): { windowMs: number; slice: Slice } | null {
    const traffic = this.#ids.get(mqId)
    if (traffic === undefined) return null
    const now = this.#options.deps.clock.nowMs()
    const current = Math.floor(now / WINDOW_MS)
    const slice = emptySlice()
    let any = false
    for (const [number, one] of traffic.windows) {
      if (number <= current - RATE_WINDOWS || number > current) continue
      any = true
      mergeSlice(slice, one)
    }
    if (!any) return null
    return { windowMs: RATE_WINDOWS * WINDOW_MS, slice }
  }

  /** Messages a second sent over the last minute, or null when nothing reported. */
  messagesPerSecond(mqId: string): number | null {
    const minute = this.lastMinute(mqId)
    return minute === null ? null : minute.slice.producer.records / (minute.windowMs / 1_000)
  }

  /** What is known of the traffic of an mQ ID; null when it sent nothing for so long that nothing is left. */
  profile(mqId: string): TrafficProfile | null {
    const traffic = this.#ids.get(mqId)
    return traffic === undefined ? null : profileOf(mqId, traffic, this.#options.deps.clock.nowMs())
  }

  /** What single processes sent since then, one entry for each report and set of settings, oldest first. */
  instanceWindows(mqId: string, sinceMs: number): readonly InstanceWindow[] {
    return this.#sent.windows(mqId, sinceMs, this.#options.deps.clock.nowMs())
  }

  /** What single processes read since then, one entry for each report, group and set of settings, oldest first. */
  readerWindows(mqId: string, sinceMs: number): readonly ReaderWindow[] {
    return this.#read.windows(mqId, sinceMs, this.#options.deps.clock.nowMs())
  }

  /** Roll-ups that are complete, or all of them at the end; each is handed out once. */
  takeFinished(all = false): FinishedRollup[] {
    const now = this.#options.deps.clock.nowMs()
    let ended = 0
    for (const [mqId, traffic] of this.#ids) {
      if (!this.#options.isKnown(mqId)) this.#ids.delete(mqId)
      else if (all || (ended < FINISHED_AT_ONCE && traffic.isFiveOver(now))) {
        ended++
        this.#finish(mqId, traffic, now, all)
      }
    }
    this.totals.forget(this.#options.isKnown)
    this.#sent.prune(now, this.#options.isKnown)
    this.#read.prune(now, this.#options.isKnown)
    const finished = this.#finished
    this.#finished = []
    return finished
  }

  #traffic(mqId: string, now: number): IdTraffic | undefined {
    if (!this.#options.isKnown(mqId)) {
      this.#unknownIds++
      return undefined
    }
    let traffic = this.#ids.get(mqId)
    if (traffic === undefined) {
      traffic = new IdTraffic(now)
      this.#ids.set(mqId, traffic)
    } else if (traffic.isFiveOver(now)) this.#finish(mqId, traffic, now, false)
    return traffic
  }

  #finish(mqId: string, traffic: IdTraffic, now: number, all: boolean): void {
    const five = traffic.finish(now, all)
    if (five !== undefined) {
      this.#finished.push({ mqId, windowStartMs: five.startMs, slice: five.slice, tens: five.tens })
    }
  }
}

/** The decoded entry, without those parts that contradict the rest; undefined when all of it does (T5). */
function partOf(
  one: ProducerTelemetry,
  latency: Sketch,
  windowMs: number,
): (SentPart & { readonly dropped: number }) | undefined {
  const { records, batches, recordBytes, batchBytesUncompressed, batchBytesWire } = one
  const isPossible =
    batches <= records && recordBytes <= batchBytesUncompressed && batchBytesWire <= batchBytesUncompressed
  if (!isPossible) return undefined
  let dropped = 0
  const atMost = (encoded: string | undefined, most: number): Sketch | undefined => {
    if (encoded === undefined) return undefined
    try {
      const sketch = Sketch.decode(encoded)
      if (sketch.total <= most) return sketch
    } catch {
      // Counted below.
    }
    dropped++
    return undefined
  }
  // Sampled records stand for as many as were sent, within a batch or two.
  const depths = atMost(one.batchDepths, batches * 1.01 + 1)
  const sizes = atMost(one.recordSizes, records * 2 + 1_024)
  const mostUs = windowMs * 1_000 * MAX_PROCESSORS
  const { cpuUs, ...rest } = one
  if (cpuUs === undefined || cpuUs <= mostUs) return { one, latency, depths, sizes, dropped }
  return { one: rest, latency, depths, sizes, dropped: dropped + 1 }
}

function readSketch(mqId: string, encoded: string): Sketch {
  try {
    return Sketch.decode(encoded)
  } catch (error) {
    throw new MqError('MQ_REQUEST_INVALID', `the latency histogram of '${mqId}' cannot be read`, { cause: error })
  }
}

function checkProducer(one: ProducerTelemetry, windowMs: number): void {
  checkRate(one.mqId, 'records', one.records, windowMs, MAX_MESSAGES_PER_SECOND)
  checkRate(one.mqId, 'recordBytes', one.recordBytes, windowMs, MAX_BYTES_PER_SECOND)
  checkRate(one.mqId, 'batchBytesWire', one.batchBytesWire, windowMs, MAX_BYTES_PER_SECOND)
  checkRate(one.mqId, 'batchBytesUncompressed', one.batchBytesUncompressed, windowMs, MAX_BYTES_PER_SECOND)
}

function checkConsumer(one: ConsumerTelemetry, windowMs: number): void {
  checkRate(one.mqId, 'records', one.records, windowMs, MAX_MESSAGES_PER_SECOND)
  checkRate(one.mqId, 'recordBytes', one.recordBytes, windowMs, MAX_BYTES_PER_SECOND)
  checkRate(one.mqId, 'wireBytes', one.wireBytes, windowMs, MAX_BYTES_PER_SECOND)
  checkRate(one.mqId, 'batches', one.batches ?? 0, windowMs, MAX_MESSAGES_PER_SECOND)
  checkRate(one.mqId, 'fetchRequests', one.fetchRequests ?? 0, windowMs, MAX_REQUESTS_PER_SECOND)
}

/** Whether what an entry says of reading can be true together (T5): what is handed out in a window may have come in the one before. */
function canBeRead({ records, batches = 0, wireBytes }: ConsumerTelemetry, latency: Sketch): boolean {
  return wireBytes >= batches * BATCH_HEADER_BYTES && latency.total <= records * 1.01 + 1
}

function checkRate(mqId: string, what: string, count: number, windowMs: number, perSecond: number): void {
  // A short window may end with the whole of a burst, so it counts as a second at least.
  const limit = (Math.max(windowMs, 1_000) / 1_000) * perSecond
  if (count > limit) {
    throw new MqError(
      'MQ_REQUEST_INVALID',
      `'${mqId}' reports ${count} ${what} in ${windowMs} ms: no process does that`,
    )
  }
}
