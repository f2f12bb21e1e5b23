/**
 * Shadow measurement: what other codecs, levels and batch depths would make of the application's own traffic.
 *
 * S1. All measuring happens on another thread, which exists only while there is something to measure, and within the CPU budget.
 * S2. Copies of records are bounded in memory, go to that thread of this process, and nowhere else. What is told are numbers.
 * S3. Rounds of different mQ IDs wait in line; a round is measured step by step, so that none holds the budget for long.
 * S4. Where no thread can be had, nothing is measured, and nothing else suffers.
 */
import type { Codec, ShadowSample } from '@mq/contract'
import { type Deps, PROBE_CANDIDATES, PROBE_DEPTHS, type ProbeBatch, type ProbeCandidate, pause } from '@mq/kafka'
import { ShadowBudget } from './shadow-budget.ts'
import { levelOf, ShadowCollector, type ShadowRoom } from './shadow-collector.ts'

const ROOM_BYTES = 16 * 1_048_576
/** An idle thread is let go after this long; a new one costs its start. */
const KEEP_THREAD_MS = 30_000
/** Failures in a row after which nothing is measured any more (S4). */
const MOST_FAILURES = 3
/** CPU a step is taken to need before it was ever measured, generously. */
const START_US = 100_000
const SLICE_US = 30
const MOST_SLICES = 32
const SLICED_RECORDS = 256
const FIRST_US_PER_BYTE: Readonly<Record<Codec, number>> = {
  none: 0.001,
  snappy: 0.02,
  lz4: 0.02,
  zstd: 0.02,
  gzip: 0.04,
}
const MARGIN = 1.5
/** Usual depths first: from two of them the others follow well, and whoever waits for a first finding has the one that counts. */
const FIRST_DEPTHS: readonly number[] = [64, 16, 256]
const DEPTHS: readonly number[] = [...FIRST_DEPTHS, ...PROBE_DEPTHS.filter((depth) => !FIRST_DEPTHS.includes(depth))]

export interface ProbePort {
  load(batches: readonly ProbeBatch[]): Promise<number>
  measure(
    candidate: ProbeCandidate,
    depth: number,
  ): Promise<{ readonly sample: ShadowSample | null; readonly cpuUs: number }>
  close(): Promise<void>
}

export interface ShadowOptions {
  readonly deps: Deps
  openProbe(): ProbePort
}

export class Shadow {
  readonly #options: ShadowOptions
  readonly #collectors = new Map<string, ShadowCollector>()
  readonly #ready: ShadowCollector[] = []
  readonly #room: ShadowRoom = { usedBytes: 0, limitBytes: ROOM_BYTES }
  readonly #budget: ShadowBudget
  readonly #closed = new AbortController()
  /** What steps really took, over what they were taken to need. */
  readonly #usPerByte = new Map<string, number>()
  #probe: ProbePort | undefined
  #running: Promise<void> | undefined
  #wake: (() => void) | undefined
  /** Whether nothing waits to be measured, and the thread is kept for a while. */
  #isIdle = false
  #failures = 0

  constructor(options: ShadowOptions) {
    this.#options = options
    this.#budget = new ShadowBudget(options.deps.clock)
  }

  /** CPU used so far, in microseconds. */
  get usedUs(): number {
    return this.#budget.usedUs
  }

  collector(mqId: string): ShadowCollector {
    let collector = this.#collectors.get(mqId)
    if (collector === undefined) {
      collector = new ShadowCollector(this.#options.deps.clock, this.#room, (ready) => {
        // S2: what nobody will measure is not kept.
        if (this.#isOver) {
          ready.close()
          return
        }
        this.#ready.push(ready)
        if (this.#running === undefined) this.#running = this.#run()
        else if (this.#isIdle) this.#wake?.()
      })
      this.#collectors.set(mqId, collector)
    }
    return collector
  }

  async close(): Promise<void> {
    this.#closed.abort()
    for (const collector of this.#collectors.values()) collector.close()
    await this.#letGo()
    await this.#running
  }

  async #run(): Promise<void> {
    for (;;) {
      if (this.#isOver) {
        for (const one of this.#ready.splice(0)) one.close()
        break
      }
      const collector = this.#ready.shift()
      if (collector !== undefined) {
        await this.#round(collector)
        continue
      }
      this.#isIdle = true
      await this.#pause(KEEP_THREAD_MS)
      this.#isIdle = false
      if (this.#ready.length === 0) break
    }
    await this.#letGo()
    this.#running = undefined
    if (this.#ready.length > 0 && !this.#isOver) this.#running = this.#run()
  }

  get #isOver(): boolean {
    return this.#closed.signal.aborted || this.#failures >= MOST_FAILURES
  }

  async #round(collector: ShadowCollector): Promise<void> {
    const found: ShadowSample[] = []
    try {
      const batches = collector.batches()
      const records = batches.reduce((sum, { count }) => sum + count, 0)
      const bytes = batches.reduce((sum, one) => sum + one.records.length, 0)
      if (!(await this.#afford(this.#probe === undefined ? START_US : 1_000 + bytes * 0.02))) return
      this.#probe ??= this.#options.openProbe()
      this.#budget.spend(await this.#probe.load(batches))
      for (const depth of DEPTHS.filter((each) => each <= records)) {
        const before = found.length
        for (const candidate of candidatesOf(collector)) {
          const sample = await this.#step(candidate, depth, bytes, records)
          if (this.#closed.signal.aborted) return
          if (sample !== null) found.push(sample)
        }
        collector.tell(found.slice(before))
      }
      this.#failures = 0
    } catch {
      // S4: told by what is missing in the telemetry; a thread that works again goes on.
      this.#failures++
      await this.#letGo()
    } finally {
      collector.done(found)
    }
  }

  async #step(candidate: ProbeCandidate, depth: number, bytes: number, records: number): Promise<ShadowSample | null> {
    const slices = Math.min(MOST_SLICES, Math.max(1, Math.ceil(SLICED_RECORDS / depth)))
    const stepBytes = Math.min(1, (slices * depth) / records) * bytes
    const key = `${candidate.codec} ${candidate.codecLevel}`
    const usPerByte = this.#usPerByte.get(key) ?? FIRST_US_PER_BYTE[candidate.codec]
    const fixedUs = slices * SLICE_US
    if (!(await this.#afford((fixedUs + stepBytes * usPerByte) * MARGIN))) return null
    const { sample, cpuUs } = await this.#probe!.measure(candidate, depth)
    this.#budget.spend(cpuUs)
    if (sample !== null && depth >= 64) this.#usPerByte.set(key, Math.max(0, cpuUs - fixedUs) / stepBytes)
    return sample
  }

  /** Waits until the budget allows it; false when it never does, or when it is over. */
  async #afford(estimateUs: number): Promise<boolean> {
    for (;;) {
      const waitMs = this.#budget.waitMs(estimateUs)
      if (waitMs === null || this.#closed.signal.aborted) return false
      if (waitMs === 0) return true
      await this.#pause(waitMs)
    }
  }

  /** Ends early when it is over, or when `#wake` is called; keeps no process alive. */
  async #pause(delayMs: number): Promise<void> {
    const woken = new AbortController()
    this.#wake = () => woken.abort()
    await pause(this.#options.deps, delayMs, AbortSignal.any([this.#closed.signal, woken.signal]), false)
    this.#wake = undefined
  }

  async #letGo(): Promise<void> {
    const probe = this.#probe
    this.#probe = undefined
    await probe?.close().catch(() => {})
  }
}

function candidatesOf({ current }: ShadowCollector): readonly ProbeCandidate[] {
  const { codec } = current
  const level = levelOf(codec, current.codecLevel)
  const isKnown = PROBE_CANDIDATES.some((one) => one.codec === codec && levelOf(codec, one.codecLevel) === level)
  return isKnown ? PROBE_CANDIDATES : [...PROBE_CANDIDATES, { codec, codecLevel: level }]
}
