/**
 * The traffic of one mQ ID in memory: the last minute in windows of 10 s, the five minutes under way, and what was before, fading.
 *
 * I1. What was before counts less and less: each five minutes by a tenth. Half of what it was is gone after half an hour.
 * I2. How many keys there are is known of the last hour or two, then forgotten: registers only rise.
 * I3. Partitions belong to an epoch: with a newer one their shares begin anew.
 * I4. A window that no report can reach any more is packed as it will be stored: it takes a hundredth of the room.
 * I5. Watched is what reports cover: from the start of the first window in which something was sent to the end of the last. What a
 *     sender did since its last report is not known yet; only a report that is overdue by a whole window makes the time silence.
 */
import type { ConsumerTelemetry, ProducerTelemetry } from '@mq/contract'
import { CodecFindings } from './codec-findings.ts'
import { mergeRegisters } from './shape.ts'
import type { Sketch } from './sketch.ts'
import { addConsumer, addProducer, addShape, emptySlice, MAX_GROUPS, mergeSlice, type Slice } from './slice.ts'
import { decodeSlice, encodeSlice, NameTable } from './slice-codec.ts'

export const WINDOW_MS = 10_000
export const FIVE_MINUTES_MS = 300_000
const KEPT_WINDOWS = 7
const MAX_INSTANCES = 20_000
export const INSTANCE_AWAY_MS = 60_000
/** A report that is a whole window late is not waited for any more (I5). */
const OVERDUE_WINDOWS = 2
const FADE = 0.9
const PEAKS_KEPT = 12
const KEYS_KEPT = 12
/** Below this share of a record nothing is left worth keeping. */
const FADED_RECORDS = 0.5

export interface TenSeconds {
  readonly startMs: number
  readonly slice: Slice
}

export interface FinishedFive {
  readonly startMs: number
  /** Null when nothing happened, and only windows of before are left to tell. */
  readonly slice: Slice | null
  readonly tens: readonly TenSeconds[]
}

/** One entry of a report, decoded. */
export interface SentPart {
  readonly one: ProducerTelemetry
  readonly latency: Sketch
  readonly depths: Sketch | undefined
  readonly sizes: Sketch | undefined
}

/** A process that sent, and its last report. */
interface Sender {
  atMs: number
  windowMs: number
  recordsPerMs: number
}

/** How long a process sent in the window of its report. */
export interface SentTime {
  readonly windowMs: number
  /** Under these settings. */
  readonly activeMs: number
  /** Under all that were told of so far; less than the window for a sender that began in it. */
  readonly coveredMs: number
}

export class IdTraffic {
  /** By window number; at most KEPT_WINDOWS. */
  readonly windows = new Map<number, Slice>()
  readonly findings = new CodecFindings()
  /** Processes that sent, and those that read by group, with when they last said so; lag is a level, not a count. */
  readonly senders = new Map<string, Sender>()
  readonly readers = new Map<string, Map<string, { records: number | null; atMs: number }>>()
  outliers = 0
  /** `sentMs`: of all senders together. */
  #five: { startMs: number; sinceMs: number; sentMs: number; slice: Slice }
  #past = emptySlice(true)
  #pastMs = 0
  #pastSentMs = 0
  /** Nothing was watched before something was sent (I5). */
  #hasBegun = false
  #peaks: number[] = []
  #peak = 0
  #keysBefore = new Uint8Array(256)
  #fives = 0
  #epoch = 0
  #tensUpTo: number
  #tens: TenSeconds[] = []
  #names = new NameTable()

  constructor(nowMs: number) {
    this.#five = { startMs: floorTo(nowMs), sinceMs: nowMs, sentMs: 0, slice: emptySlice(true) }
    this.#tensUpTo = Math.floor(nowMs / WINDOW_MS) - KEPT_WINDOWS
  }

  sent(part: SentPart, instance: string, zone: string | undefined, nowMs: number, time: SentTime): void {
    const { one, latency } = part
    const windows = windowsOf(time.windowMs)
    this.#cover(instance, one.records, nowMs, time)
    for (let back = 0; back < windows; back++) addProducer(this.#window(nowMs, back), one, 1 / windows)
    this.#window(nowMs, 0).sendLatency.merge(latency)
    const { slice } = this.#five
    addProducer(slice, one, 1)
    slice.sendLatency.merge(latency)
    if (one.epoch > this.#epoch) this.#beginEpoch(one.epoch)
    // I3: what a straggler still sends to an older epoch has other partitions.
    addShape(slice, one.epoch < this.#epoch ? { ...one, partitionRecords: [], partitionsSeen: 0 } : one, part, zone)
    if (one.shadow !== undefined) this.outliers += this.findings.take(instance, one.shadow, nowMs)
  }

  read(one: ConsumerTelemetry, latency: Sketch, instance: string, nowMs: number, windows: number): void {
    for (let back = 0; back < windows; back++) {
      addConsumer(this.#window(nowMs, back), one, 1 / windows, back === 0 ? latency : undefined)
    }
    addConsumer(this.#five.slice, one, 1, latency)
    let instances = this.readers.get(one.group)
    if (instances === undefined) {
      if (this.readers.size >= MAX_GROUPS) return
      instances = new Map()
      this.readers.set(one.group, instances)
    }
    for (const [key, { atMs }] of instances) if (atMs <= nowMs - INSTANCE_AWAY_MS) instances.delete(key)
    if (instances.has(instance) || instances.size < MAX_INSTANCES) {
      instances.set(instance, { records: one.lagRecords, atMs: nowMs })
    }
  }

  isFiveOver(nowMs: number): boolean {
    return nowMs >= this.#five.startMs + FIVE_MINUTES_MS || nowMs < this.#five.startMs
  }

  /** Ends the five minutes under way; undefined when nothing happened in them. @param all also windows that may still change */
  finish(nowMs: number, all: boolean): FinishedFive | undefined {
    const { startMs, sinceMs, sentMs, slice } = this.#five
    const endMs = Math.min(Math.max(nowMs, startMs), startMs + FIVE_MINUTES_MS)
    this.#notePeaks()
    const elapsed = Math.max(1, Math.floor((nowMs - startMs) / FIVE_MINUTES_MS))
    this.#fade(slice, this.#hasBegun ? endMs - sinceMs : 0, sentMs, all ? 0 : elapsed)
    const nextMs = Math.max(endMs, floorTo(nowMs))
    this.#five = { startMs: floorTo(nowMs), sinceMs: nextMs, sentMs: 0, slice: emptySlice(true) }
    for (const [key, { atMs }] of this.senders) if (atMs <= nowMs - INSTANCE_AWAY_MS) this.senders.delete(key)
    this.#takeTens(all ? Number.POSITIVE_INFINITY : Math.floor(nowMs / WINDOW_MS) - KEPT_WINDOWS)
    const tens = this.#tens
    this.#tens = []
    this.#names = new NameTable()
    if (!isEmpty(slice)) return { startMs, slice, tens }
    return tens.length === 0 ? undefined : { startMs, slice: null, tens }
  }

  /** Everything that is still remembered, how long that was (I1, I5), and how many sent at the same time on average. */
  watched(nowMs: number): {
    readonly slice: Slice
    readonly ms: number
    readonly sendersAtOnce: number
    readonly peakRecords: number
  } {
    this.#notePeaks()
    const slice = emptySlice(true)
    mergeSlice(slice, this.#past)
    mergeSlice(slice, this.#five.slice)
    mergeRegisters(slice.shape!.registers, this.#keysBefore)
    const ms = Math.max(1, this.#pastMs + nowMs - this.#five.sinceMs - this.#untoldMs(nowMs))
    const sendersAtOnce = (this.#pastSentMs + this.#five.sentMs) / ms
    return { slice, ms, sendersAtOnce, peakRecords: Math.max(this.#peak, ...this.#peaks, 0) }
  }

  /** I5 */
  #cover(instance: string, records: number, nowMs: number, { windowMs, activeMs, coveredMs }: SentTime): void {
    const five = this.#five
    // Another process may have begun earlier, and told of it later.
    if (!this.#hasBegun) five.sinceMs = nowMs - coveredMs
    else if (this.#pastMs === 0) five.sinceMs = Math.min(five.sinceMs, nowMs - coveredMs)
    this.#hasBegun = true
    five.sentMs += activeMs
    const known = this.senders.get(instance)
    const isSame = known?.atMs === nowMs
    const recordsPerMs = records / windowMs + (isSame ? known!.recordsPerMs : 0)
    if (known !== undefined || this.senders.size < MAX_INSTANCES) {
      this.senders.set(instance, { atMs: nowMs, windowMs, recordsPerMs })
    }
  }

  /** The time at the end that reports still to come will tell of: the mean over the senders, by what they send. */
  #untoldMs(nowMs: number): number {
    let sum = 0
    let weight = 0
    for (const { atMs, windowMs, recordsPerMs } of this.senders.values()) {
      const untoldMs = nowMs - atMs
      if (untoldMs < 0 || untoldMs >= windowMs * OVERDUE_WINDOWS) continue
      sum += untoldMs * recordsPerMs
      weight += recordsPerMs
    }
    return weight > 0 ? sum / weight : 0
  }

  #fade(slice: Slice, ms: number, sentMs: number, steps: number): void {
    const factor = FADE ** steps
    const past = emptySlice(true)
    if (this.#past.producer.records * factor > FADED_RECORDS || this.#past.groups.size > 0) {
      mergeSlice(past, this.#past, factor)
    }
    mergeSlice(past, slice)
    // I2
    this.#fives += Math.max(1, steps)
    if (this.#fives >= KEYS_KEPT) {
      this.#fives = 0
      this.#keysBefore = Uint8Array.from(past.shape!.registers)
      past.shape!.registers.fill(0)
    }
    for (const [group, { counts }] of past.groups) if (counts.records < FADED_RECORDS) past.groups.delete(group)
    this.#past = past
    this.#pastMs = this.#pastMs * factor + ms
    this.#pastSentMs = this.#pastSentMs * factor + sentMs
    this.#peaks = [...this.#peaks, this.#peak].slice(-PEAKS_KEPT)
    this.#peak = 0
  }

  #beginEpoch(epoch: number): void {
    this.#epoch = epoch
    for (const { shape } of [this.#past, this.#five.slice]) {
      shape!.partitions.clear()
      shape!.partitionsSeen = 0
    }
  }

  #notePeaks(): void {
    for (const slice of this.windows.values()) this.#peak = Math.max(this.#peak, slice.producer.records)
  }

  #window(nowMs: number, back: number): Slice {
    const number = Math.floor(nowMs / WINDOW_MS) - back
    let slice = this.windows.get(number)
    if (slice !== undefined) return slice
    slice = emptySlice()
    this.windows.set(number, slice)
    if (this.windows.size > KEPT_WINDOWS) {
      const numbers = [...this.windows.keys()].sort((a, b) => a - b)
      this.#takeTens(numbers.at(-KEPT_WINDOWS)!)
      for (const old of numbers.slice(0, -KEPT_WINDOWS)) {
        this.#peak = Math.max(this.#peak, this.windows.get(old)!.producer.records)
        this.windows.delete(old)
      }
    }
    return slice
  }

  /** Windows that no report can reach any more, for the store. */
  #takeTens(before: number): void {
    for (const number of [...this.windows.keys()].sort((a, b) => a - b)) {
      if (number >= before || number < this.#tensUpTo) continue
      const slice = this.windows.get(number)!
      if (!isEmpty(slice)) this.#tens.push(packed(number * WINDOW_MS, slice, this.#names))
      this.#tensUpTo = number + 1
    }
  }
}

/** I4 */
function packed(startMs: number, slice: Slice, names: NameTable): TenSeconds {
  const bytes = Uint8Array.from(encodeSlice(slice, names))
  return {
    startMs,
    get slice() {
      return decodeSlice(bytes, names)
    },
  }
}

function isEmpty({ producer, groups }: Slice): boolean {
  return producer.records === 0 && producer.errors === 0 && groups.size === 0
}

/** Windows of 10 s that one report is spread over. */
export function windowsOf(spreadMs: number): number {
  return Math.max(1, Math.round(spreadMs / WINDOW_MS))
}

function floorTo(nowMs: number): number {
  return Math.floor(nowMs / FIVE_MINUTES_MS) * FIVE_MINUTES_MS
}
