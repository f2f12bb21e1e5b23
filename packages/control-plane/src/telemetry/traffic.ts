/**
 * The traffic of mQ IDs, from the reports of their clients.
 *
 * T1. Memory is bounded by the number of registered mQ IDs: reports on unknown ones are counted and dropped.
 * T2. A report is placed by when it arrives, not by the clock of its sender; a window longer than MAX_SPREAD_MS counts
 *     as that long. A skewed or lying clock can neither fill the past nor the future.
 * T3. Counts no process can reach are refused with the report that holds them.
 * T4. Roll-ups of 5 minutes and 1 hour go to the store; a store that cannot be written loses roll-ups, never the process.
 */
import { type ConsumerTelemetry, MqError, type ProducerTelemetry, type TelemetryReport } from '@mq/contract'
import type { Deps } from '@mq/kafka'
import { Sketch } from './sketch.ts'
import { addConsumer, addProducer, emptySlice, MAX_GROUPS, mergeSlice, type Slice } from './slice.ts'

export const WINDOW_MS = 10_000
const RATE_WINDOWS = 6
const KEPT_WINDOWS = 7
export const MAX_SPREAD_MS = 60_000
const MAX_INSTANCES = 20_000
const INSTANCE_AWAY_MS = 60_000
/** Ten times what one process was ever measured to send. */
const MAX_MESSAGES_PER_SECOND = 20_000_000
const MAX_BYTES_PER_SECOND = 100e9

interface IdTraffic {
  /** By window number; at most KEPT_WINDOWS. */
  readonly windows: Map<number, Slice>
  fiveMinutes: { startMs: number; slice: Slice }
  /** Latest lag each instance told, by group: lag is a level, not a count. */
  readonly lag: Map<string, Map<string, { records: number; atMs: number }>>
}

export interface FinishedRollup {
  readonly mqId: string
  readonly windowStartMs: number
  readonly slice: Slice
}

export const FIVE_MINUTES_MS = 300_000

export interface TrafficOptions {
  readonly deps: Deps
  readonly isKnown: (mqId: string) => boolean
}

export class Traffic {
  readonly #options: TrafficOptions
  readonly #ids = new Map<string, IdTraffic>()
  readonly #instances = new Map<string, { app: string; atMs: number }>()
  #finished: FinishedRollup[] = []
  #reports = 0
  #unknownIds = 0

  constructor(options: TrafficOptions) {
    this.#options = options
  }

  get reports(): number {
    return this.#reports
  }

  get unknownIds(): number {
    return this.#unknownIds
  }

  /** Processes that reported within the last minute. */
  instances(): number {
    const since = this.#options.deps.clock.nowMs() - INSTANCE_AWAY_MS
    for (const [key, one] of this.#instances) if (one.atMs < since) this.#instances.delete(key)
    return this.#instances.size
  }

  /** Takes one report, whole or not at all (T3). */
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
    const windows = Math.max(1, Math.round(spread / WINDOW_MS))
    for (const { one, latency } of producers) {
      const traffic = this.#traffic(one.mqId, now)
      if (traffic === undefined) continue
      for (let back = 0; back < windows; back++) {
        addProducer(window(traffic, now, back), one, 1 / windows)
      }
      window(traffic, now, 0).sendLatency.merge(latency)
      addProducer(traffic.fiveMinutes.slice, one, 1)
      traffic.fiveMinutes.slice.sendLatency.merge(latency)
    }
    for (const { one, latency } of consumers) {
      const traffic = this.#traffic(one.mqId, now)
      if (traffic === undefined) continue
      for (let back = 0; back < windows; back++) {
        addConsumer(window(traffic, now, back), one, 1 / windows, back === 0 ? latency : undefined)
      }
      addConsumer(traffic.fiveMinutes.slice, one, 1, latency)
      if (one.lagRecords !== null) keepLag(traffic, one.group, instance, one.lagRecords, now)
    }
  }

  /** The last minute of an mQ ID, or null when nothing reported. */
  lastMinute(mqId: string): { windowMs: number; slice: Slice; lag: Map<string, number> } | null {
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
    const lag = new Map<string, number>()
    for (const [group, instances] of traffic.lag) {
      const fresh = [...instances.values()].filter((one) => one.atMs > now - INSTANCE_AWAY_MS)
      if (fresh.length > 0)
        lag.set(
          group,
          fresh.reduce((sum, one) => sum + one.records, 0),
        )
    }
    return { windowMs: RATE_WINDOWS * WINDOW_MS, slice, lag }
  }

  /** Messages a second sent over the last minute, or null when nothing reported. */
  messagesPerSecond(mqId: string): number | null {
    const minute = this.lastMinute(mqId)
    return minute === null ? null : minute.slice.producer.records / (minute.windowMs / 1_000)
  }

  /** Roll-ups that are complete, or all of them at the end; each is handed out once. */
  takeFinished(all = false): FinishedRollup[] {
    const now = this.#options.deps.clock.nowMs()
    for (const [mqId, traffic] of this.#ids) {
      if (!this.#options.isKnown(mqId)) this.#ids.delete(mqId)
      else if (all || now >= traffic.fiveMinutes.startMs + FIVE_MINUTES_MS) this.#finish(mqId, traffic, now)
    }
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
      traffic = { windows: new Map(), fiveMinutes: { startMs: floorTo(now), slice: emptySlice() }, lag: new Map() }
      this.#ids.set(mqId, traffic)
    } else if (now >= traffic.fiveMinutes.startMs + FIVE_MINUTES_MS || now < traffic.fiveMinutes.startMs) {
      this.#finish(mqId, traffic, now)
    }
    return traffic
  }

  #finish(mqId: string, traffic: IdTraffic, now: number): void {
    const { startMs, slice } = traffic.fiveMinutes
    if (slice.producer.records > 0 || slice.groups.size > 0) {
      this.#finished.push({ mqId, windowStartMs: startMs, slice })
    }
    traffic.fiveMinutes = { startMs: floorTo(now), slice: emptySlice() }
  }
}

function floorTo(now: number): number {
  return Math.floor(now / FIVE_MINUTES_MS) * FIVE_MINUTES_MS
}

function window(traffic: IdTraffic, now: number, back: number): Slice {
  const number = Math.floor(now / WINDOW_MS) - back
  let slice = traffic.windows.get(number)
  if (slice === undefined) {
    slice = emptySlice()
    traffic.windows.set(number, slice)
    if (traffic.windows.size > KEPT_WINDOWS) {
      for (const old of [...traffic.windows.keys()].sort((a, b) => a - b).slice(0, -KEPT_WINDOWS)) {
        traffic.windows.delete(old)
      }
    }
  }
  return slice
}

function keepLag(traffic: IdTraffic, group: string, instance: string, records: number, atMs: number): void {
  let instances = traffic.lag.get(group)
  if (instances === undefined) {
    if (traffic.lag.size >= MAX_GROUPS) return
    instances = new Map()
    traffic.lag.set(group, instances)
  }
  for (const [key, one] of instances) if (one.atMs <= atMs - INSTANCE_AWAY_MS) instances.delete(key)
  if (instances.has(instance) || instances.size < MAX_INSTANCES) instances.set(instance, { records, atMs })
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
