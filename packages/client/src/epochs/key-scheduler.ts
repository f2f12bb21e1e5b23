/**
 * Runs handlers for fetched records: in order per key, in parallel across keys, with a bound.
 *
 * K1. At most `concurrency` handlers run at a time.
 * K2. Records of one key run one after the other, in the order they were added; a failed one runs again before any later one of its key.
 * K3. A failing key holds back only itself: other keys go on, until `maxParked` records wait behind busy keys.
 * K4. Every record of a live batch ends in exactly one `finished`; records of a batch that is not live any more are dropped.
 * K5. A handler that returns no promise costs no promise, no timer and no lane.
 * K6. The event loop is given back after a slice of time, however fast handlers are.
 * K7. Whenever time may have passed, `onTurn` is called before the next record is started: it may find that batches are not live any
 *     more.
 * K8. While no key is busy, records run in stretches (`runStretch`), so that a handler that returns no promise costs little more than
 *     its call. A stretch is no longer than what is run between two looks at the clock.
 *
 * Keys are 32-bit hashes, seeded per partition by the batch: two keys that collide are run as one, which is slower and never wrong.
 */
import type { Deps } from '@mq/kafka'

/** The hash of a record that is ordered with no other. */
export const FREE = -1
const UNHASHED = -2
const SLICE_MS = 8
const CLOCK_EVERY = 16

export interface RecordPlace {
  readonly partition: number
  readonly offset: bigint
  readonly keyHash: number
}

/** A handler that runs, and since how many ticks. */
export interface RunningHandler {
  readonly batch: WorkBatch
  readonly index: number
  readonly attempt: number
  readonly ticks: number
}

/** Why a stretch of records came to its end before the last of them. */
export interface StretchEnd {
  why: 'done' | 'not-live' | 'promise' | 'error'
  /** What the handler returned, or threw. */
  outcome: unknown
}

/** Records of one partition to run, in order. */
export interface WorkBatch {
  readonly count: number
  /** False once the partition was taken away: nothing more of it is started. */
  readonly live: boolean
  /** A 32-bit unsigned hash of the record's key, or `FREE`. */
  keyHash(index: number): number
  /** Calls the handler; may throw. */
  run(index: number, attempt: number): unknown
  /**
   * Runs records for the first time, one after the other, each as `run` and `finished` would, until one of them returns a promise or
   * throws: that one is not finished (K8). Where it is missing, `run` is called for each.
   * @param end is told why it ended
   * @returns the index it ended at, `to` when all are finished
   */
  runStretch?(from: number, to: number, end: StretchEnd): number
  finished(index: number): void
  /** Which record it is, for people. */
  describe(index: number): RecordPlace
  /** @returns milliseconds until it runs again, or `undefined` when it counts as finished */
  failed(index: number, attempt: number, error: unknown): number | undefined
}

export interface KeySchedulerOptions {
  readonly concurrency: number
  readonly maxParked?: number
  readonly deps: Deps
  /** K7 */
  readonly onTurn?: () => void
  /** Gives the event loop back, then calls. */
  readonly yieldNow?: (fn: () => void) => void
}

type StretchBatch = WorkBatch & Required<Pick<WorkBatch, 'runStretch'>>

interface Job {
  readonly batch: WorkBatch
  readonly index: number
  readonly attempt: number
  next: Job | undefined
}

/** A key that is busy: one record runs or waits for its retry, later ones stand behind it. */
class Lane {
  readonly hash: number
  #head: Job | undefined
  #tail: Job | undefined

  constructor(hash: number) {
    this.hash = hash
  }

  push(job: Job): void {
    if (this.#tail === undefined) this.#head = job
    else this.#tail.next = job
    this.#tail = job
  }

  pushFront(job: Job): void {
    job.next = this.#head
    this.#head = job
    this.#tail ??= job
  }

  shift(): Job | undefined {
    const job = this.#head
    if (job !== undefined) {
      this.#head = job.next
      if (this.#head === undefined) this.#tail = undefined
      job.next = undefined
    }
    return job
  }

  get empty(): boolean {
    return this.#head === undefined
  }
}

/** One running asynchronous handler, with continuations bound once and used again. */
class Slot {
  batch: WorkBatch | undefined
  index = 0
  attempt = 0
  lane: Lane | undefined
  /** When it was taken, in ticks. */
  sinceTick = 0
  readonly onFulfilled: () => void
  readonly onRejected: (error: unknown) => void

  constructor(fulfilled: (slot: Slot) => void, rejected: (slot: Slot, error: unknown) => void) {
    this.onFulfilled = () => fulfilled(this)
    this.onRejected = (error) => rejected(this, error)
  }
}

export class KeyScheduler {
  readonly #concurrency: number
  readonly #maxParked: number
  readonly #deps: Deps
  readonly #onTurn: (() => void) | undefined
  readonly #yieldNow: (fn: () => void) => void
  readonly #lanes = new Map<number, Lane>()
  readonly #slots: Slot[] = []
  readonly #freeSlots: Slot[] = []
  #tick = 0
  #inbox: (WorkBatch | undefined)[] = []
  #inboxHead = 0
  #cursor = 0
  #ready: Lane[] = []
  #readyHead = 0
  #running = 0
  #parked = 0
  #pumping = false
  #stopped = false
  #yielded = false
  readonly #stretchEnd: StretchEnd = { why: 'done', outcome: undefined }
  #sliceEndMs = 0
  #sinceClock = 0

  constructor(options: KeySchedulerOptions) {
    this.#concurrency = options.concurrency
    this.#maxParked = options.maxParked ?? 10_000
    this.#deps = options.deps
    this.#onTurn = options.onTurn
    this.#yieldNow = options.yieldNow ?? ((fn) => void setImmediate(fn))
  }

  /** Handlers running now. */
  get running(): number {
    return this.#running
  }

  /** Records that wait behind a busy key. */
  get parked(): number {
    return this.#parked
  }

  add(batch: WorkBatch): void {
    if (this.#stopped || batch.count === 0) return
    this.#inbox.push(batch)
    this.#pump()
  }

  /** The handlers that run now. */
  handlers(): Pick<RunningHandler, 'batch' | 'index' | 'attempt'>[] {
    return this.#slots.flatMap(({ batch, index, attempt }) => (batch === undefined ? [] : [{ batch, index, attempt }]))
  }

  /** Counts a tick. @returns the handlers that run, with the ticks since they started */
  tick(): RunningHandler[] {
    this.#tick++
    return this.#slots.flatMap(({ batch, index, attempt, sinceTick }) =>
      batch === undefined ? [] : [{ batch, index, attempt, ticks: this.#tick - sinceTick }],
    )
  }

  /** Starts no further handler. */
  stop(): void {
    this.#stopped = true
    this.#inbox = []
    this.#inboxHead = 0
  }

  #pump(): void {
    if (this.#pumping) return
    this.#pumping = true
    try {
      this.#onTurn?.()
      while (!this.#stopped && this.#running < this.#concurrency && this.#hasTime() && this.#step());
    } finally {
      this.#pumping = false
    }
  }

  /** One record, a stretch of them, or none; false when there is nothing to start. */
  #step(): boolean {
    const lane = this.#shiftReady()
    if (lane !== undefined) {
      const job = lane.shift()!
      this.#parked--
      if (job.batch.live) this.#run(job.batch, job.index, job.attempt, lane.hash, lane)
      else this.#advance(lane)
      return true
    }
    const batch = this.#inbox[this.#inboxHead]
    if (batch === undefined) return false
    if (!batch.live || this.#cursor >= batch.count) {
      this.#nextBatch()
      return true
    }
    if (this.#parked >= this.#maxParked) return false
    if (this.#lanes.size === 0) {
      if (batch.runStretch !== undefined) this.#runStretch(batch as StretchBatch)
      else this.#run(batch, this.#cursor++, 1, UNHASHED, undefined)
      return true
    }
    const index = this.#cursor++
    const hash = batch.keyHash(index)
    const busy = hash === FREE ? undefined : this.#lanes.get(hash)
    if (busy === undefined) this.#run(batch, index, 1, hash, undefined)
    else {
      busy.push({ batch, index, attempt: 1, next: undefined })
      this.#parked++
    }
    return true
  }

  /** K8 */
  #runStretch(batch: StretchBatch): void {
    const from = this.#cursor
    const to = Math.min(batch.count, from + CLOCK_EVERY)
    const end = this.#stretchEnd
    this.#cursor = to
    const at = batch.runStretch(from, to, end)
    this.#sinceClock += at - from
    if (at === to) return
    const { why, outcome } = end
    end.outcome = undefined
    this.#cursor = why === 'not-live' ? at : at + 1
    if (why === 'promise') this.#await(batch, at, 1, UNHASHED, undefined, outcome)
    else if (why === 'error') this.#fail(batch, at, 1, UNHASHED, undefined, outcome)
  }

  #run(batch: WorkBatch, index: number, attempt: number, hash: number, lane: Lane | undefined): void {
    let result: unknown
    try {
      result = batch.run(index, attempt)
    } catch (error) {
      this.#fail(batch, index, attempt, hash, lane, error)
      return
    }
    if (isThenable(result)) {
      this.#await(batch, index, attempt, hash, lane, result)
      return
    }
    batch.finished(index)
    if (lane !== undefined) this.#advance(lane)
  }

  #await(
    batch: WorkBatch,
    index: number,
    attempt: number,
    hash: number,
    lane: Lane | undefined,
    result: unknown,
  ): void {
    const slot = this.#freeSlots.pop() ?? this.#newSlot()
    slot.sinceTick = this.#tick
    slot.batch = batch
    slot.index = index
    slot.attempt = attempt
    slot.lane = lane ?? (this.#concurrency === 1 ? undefined : this.#occupy(batch, index, hash))
    this.#running++
    const promise = result instanceof Promise ? result : Promise.resolve(result)
    promise.then(slot.onFulfilled, slot.onRejected)
  }

  #newSlot(): Slot {
    const slot = new Slot(this.#fulfilled, this.#rejected)
    this.#slots.push(slot)
    return slot
  }

  /** A lane that keeps later records of the key waiting; none for a record ordered with no other. */
  #occupy(batch: WorkBatch, index: number, known: number): Lane | undefined {
    const hash = known === UNHASHED ? batch.keyHash(index) : known
    if (hash === FREE) return undefined
    const lane = new Lane(hash)
    this.#lanes.set(hash, lane)
    return lane
  }

  readonly #fulfilled = (slot: Slot): void => {
    const { batch, index, lane } = slot
    this.#free(slot)
    batch!.finished(index)
    if (lane !== undefined) this.#advance(lane)
    this.#pump()
  }

  readonly #rejected = (slot: Slot, error: unknown): void => {
    const { batch, index, attempt, lane } = slot
    this.#free(slot)
    this.#fail(batch!, index, attempt, lane?.hash ?? UNHASHED, lane, error)
    this.#pump()
  }

  #free(slot: Slot): void {
    slot.batch = undefined
    slot.lane = undefined
    this.#running--
    this.#freeSlots.push(slot)
  }

  #fail(batch: WorkBatch, index: number, attempt: number, hash: number, lane: Lane | undefined, error: unknown): void {
    const delayMs = batch.failed(index, attempt, error)
    if (delayMs === undefined) {
      if (lane !== undefined) this.#advance(lane)
      return
    }
    const waiting = lane ?? this.#occupy(batch, index, hash) ?? new Lane(FREE)
    waiting.pushFront({ batch, index, attempt: attempt + 1, next: undefined })
    this.#parked++
    this.#deps.timers
      .setTimeout(() => {
        this.#ready.push(waiting)
        this.#pump()
      }, delayMs)
      .unref()
  }

  /** The key's record is done: the next one may run, or the key is free again. */
  #advance(lane: Lane): void {
    if (!lane.empty) this.#ready.push(lane)
    else if (lane.hash !== FREE) this.#lanes.delete(lane.hash)
  }

  #shiftReady(): Lane | undefined {
    if (this.#readyHead === this.#ready.length) return undefined
    const lane = this.#ready[this.#readyHead++]
    if (this.#readyHead === this.#ready.length) {
      this.#ready = []
      this.#readyHead = 0
    }
    return lane
  }

  #nextBatch(): void {
    // Nothing of a batch is kept once it was passed: it may hold megabytes.
    this.#inbox[this.#inboxHead++] = undefined
    this.#cursor = 0
    if (this.#inboxHead === this.#inbox.length) {
      this.#inbox = []
      this.#inboxHead = 0
    } else if (this.#inboxHead > 1_024) {
      this.#inbox = this.#inbox.slice(this.#inboxHead)
      this.#inboxHead = 0
    }
  }

  /** False when the slice is over (K6): the pump then goes on after the event loop had its turn. */
  #hasTime(): boolean {
    if (this.#yielded) {
      if (this.#sinceClock++ < CLOCK_EVERY) return true
      this.#sinceClock = 0
      return this.#deps.clock.monotonicMs() < this.#sliceEndMs
    }
    this.#yielded = true
    this.#sinceClock = 0
    this.#sliceEndMs = this.#deps.clock.monotonicMs() + SLICE_MS
    this.#yieldNow(() => {
      this.#yielded = false
      if (this.#inboxHead < this.#inbox.length || this.#readyHead < this.#ready.length) this.#pump()
    })
    return true
  }
}

/** As it is told: tells keys apart, names none. */
export function keyHashText(keyHash: number): string {
  return keyHash.toString(16).padStart(8, '0')
}

export function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof value === 'object' && value !== null && typeof (value as { then?: unknown }).then === 'function'
}
