/**
 * Real batches of one mQ ID, copied now and then for a round of shadow measurements, and what the last round found.
 *
 * C1. Nothing is copied but while a round collects; a round ends with MOST_RECORDS records, MOST_BYTES bytes or COLLECT_MS, and
 *     only a sent batch makes it go on: an idle mQ ID costs nothing.
 * C2. The room for copies is bounded for all mQ IDs together.
 * C3. What is told are the last numbers for each codec, level and depth, once, and as soon as they are there: a round takes its time.
 */
import type { Codec, ShadowSample } from '@mq/contract'
import { type Clock, type EncodedRecords, type ProbeBatch, recordsWithin } from '@mq/kafka'

const MOST_RECORDS = 4_096
const MOST_BYTES = 1_048_576
const COLLECT_MS = 2_000
/** From one round to the next: soon again, because the first sees little, and then seldom. */
const RESTS_MS = [15_000, 60_000, 300_000]
const BATCH_HEADER_BYTES = 61

/** Room for copies, shared by all mQ IDs of a connection. */
export interface ShadowRoom {
  usedBytes: number
  readonly limitBytes: number
}

export class ShadowCollector {
  readonly #clock: Clock
  readonly #room: ShadowRoom
  readonly #onReady: (collector: ShadowCollector) => void
  #batches: ProbeBatch[] = []
  #records = 0
  #bytes = 0
  #isCollecting = true
  #sinceMs: number | null = null
  #restUntilMs = 0
  #rounds = 0
  #found: readonly ShadowSample[] = []
  readonly #untold = new Map<string, ShadowSample>()
  /** The settings in force: a candidate, too. */
  current: { readonly codec: Codec; readonly codecLevel: number | null } = { codec: 'none', codecLevel: null }

  constructor(clock: Clock, room: ShadowRoom, onReady: (collector: ShadowCollector) => void) {
    this.#clock = clock
    this.#room = room
    this.#onReady = onReady
  }

  /** A batch was stored: the round takes a copy if it has use for one. */
  offer(partition: number, encoded: EncodedRecords): void {
    if (!this.#isCollecting) return
    const nowMs = this.#clock.monotonicMs()
    if (nowMs < this.#restUntilMs) return
    this.#sinceMs ??= nowMs
    const { count, bytes } = recordsWithin(encoded, MOST_BYTES - this.#bytes)
    if (count > 0 && this.#reserve(bytes)) {
      // A copy of its own memory: it is handed to another thread.
      const copy = new Uint8Array(bytes)
      copy.set(encoded.records().subarray(0, bytes))
      this.#batches.push({ partition, count, baseTimestampMs: encoded.baseTimestampMs, records: copy })
      this.#records += count
      this.#bytes += bytes
    } else if (this.#batches.length === 0) {
      // No room, or a record larger than all of it: the next round may find better.
      this.#rest()
      return
    }
    const isEnough = this.#records >= MOST_RECORDS || count < encoded.count
    if (!isEnough && nowMs - this.#sinceMs < COLLECT_MS) return
    this.#isCollecting = false
    this.#onReady(this)
  }

  /** The copies of the round, which are the caller's from now on, until `done`. */
  batches(): readonly ProbeBatch[] {
    const batches = this.#batches
    this.#batches = []
    return batches
  }

  /** Part of a round, to be told (C3). */
  tell(found: readonly ShadowSample[]): void {
    for (const one of found) this.#untold.set(`${one.codec} ${one.codecLevel} ${one.depth}`, one)
  }

  /** Ends the round. @param found all of it, told or not */
  done(found: readonly ShadowSample[]): void {
    if (found.length > 0) this.#found = found
    this.#rest()
  }

  /** What was found and not told yet (C3). */
  take(): ShadowSample[] {
    const untold = [...this.#untold.values()]
    this.#untold.clear()
    return untold
  }

  /** CPU of compressing one byte as last measured, at the greatest depth; undefined when it was not. */
  usPerByte(codec: Codec, level: number | undefined): number | undefined {
    const wanted = levelOf(codec, level ?? null)
    let deepest: ShadowSample | undefined
    for (const sample of this.#found) {
      if (sample.codec !== codec || levelOf(codec, sample.codecLevel) !== wanted) continue
      if (deepest === undefined || sample.depth > deepest.depth) deepest = sample
    }
    if (deepest === undefined) return undefined
    return deepest.compressUs / Math.max(1, deepest.uncompressedBytes - BATCH_HEADER_BYTES)
  }

  close(): void {
    this.#isCollecting = false
    this.#room.usedBytes -= this.#bytes
    this.#bytes = 0
    this.#batches = []
  }

  #reserve(bytes: number): boolean {
    if (this.#room.usedBytes + bytes > this.#room.limitBytes) return false
    this.#room.usedBytes += bytes
    return true
  }

  #rest(): void {
    this.#room.usedBytes -= this.#bytes
    this.#bytes = 0
    this.#records = 0
    this.#batches = []
    this.#sinceMs = null
    this.#isCollecting = true
    const restMs = RESTS_MS[Math.min(this.#rounds, RESTS_MS.length - 1)]!
    this.#restUntilMs = this.#clock.monotonicMs() + restMs
    this.#rounds++
  }
}

/** The level a codec runs at: without one, gzip's and zstd's own default. */
export function levelOf(codec: Codec, level: number | null): number | null {
  if (codec === 'zstd') return level ?? 3
  if (codec === 'gzip') return level === null || level === -1 ? 6 : level
  return null
}
