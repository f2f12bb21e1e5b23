/**
 * One fetched batch on its way through the handler, and the partition it belongs to.
 *
 * Y1. A record counts as finished only when its handler did; the batch gives its memory back when all its records are.
 * Y2. A partition that is taken away starts nothing more (`draining`); what still runs may finish and counts, until the
 *     partition is `gone`.
 * Y3. Records are read from the batch one by one, in order; one is kept only while it is current or not finished, so that
 *     what handlers are done with is garbage at once.
 * Y4. A batch that is done, or whose partition is gone, lets go of its bytes: what the offset tracker keeps of it is a number,
 *     and what the scheduler has not come to is empty.
 * Y6. How often a record failed is counted over processes (failing-records.ts): the handler is told the number of this attempt.
 * Y5. What was finished before this process came is not handed out: it counts as finished when its turn comes, so that order per
 *     key holds for what is left.
 * Y7. A stretch of records counts as one handler that runs, from its first record to its last: what is to wait for it waits for the
 *     stretch, which starts no record once the partition is not live.
 * Y8. A position that stands still is committed again every hour: Kafka counts the age of an offset from its commit, and forgets an old
 *     one as soon as the group has no members for a moment, such as between two versions of a service.
 */
import type { FetchedBatch, FetchedRecord } from '@mq/kafka'
import type { ConsumerMeter } from '../telemetry/consumer-meter.ts'
import { FailingRecords, type FailureCount } from './failing-records.ts'
import { FREE, isThenable, type RecordPlace, type StretchEnd, type WorkBatch } from './key-scheduler.ts'
import { type FinishedBeyond, OffsetTracker, type Span, type SpanOffsets } from './offset-tracker.ts'

/** Y8: often enough for an `offsets.retention.minutes` of a few hours. */
const COMMIT_AGAIN_MS = 3_600_000

/** The partition of a record: it may be gone before the handler ends. */
export type RecordPartition = Pick<PartitionWork, 'phase'>

/**
 * @param attempt counted over processes, from 1
 * @param before its failures so far, undefined when it did not fail yet
 */
export type RecordHandler = (
  record: FetchedRecord,
  attempt: number,
  before: FailureCount | undefined,
  partition: RecordPartition,
) => unknown

/** An error that is not the handler's, and is no attempt: the message could not be put where it goes instead. */
export class NotAnAttempt extends Error {}

/** What all deliveries of one epoch share. */
export interface DeliveryContext {
  /** Whether records of one key run one after the other. */
  readonly ordered: boolean
  readonly handler: RecordHandler
  readonly meter: ConsumerMeter
  nowMs(): number
  /**
   * @param attempt counted over processes; of an error that is no attempt, how often this process tried
   * @returns milliseconds until the record is handed out again
   */
  onFailed(record: FetchedRecord, keyHash: number, attempt: number, error: unknown): number
}

/** What is to be put on record of one partition. */
export interface ToCommit {
  readonly offset: bigint
  readonly beyond: FinishedBeyond
  /** Of the failures that are in it. */
  readonly version: number
}

/** One partition while it is ours. */
export class PartitionWork {
  readonly partition: number
  /** Which topic its offsets belong to; undefined where the cluster has no topic ids. */
  readonly topicId: string | undefined
  readonly tracker: OffsetTracker
  readonly failing: FailingRecords
  phase: 'live' | 'draining' | 'gone' = 'live'
  running = 0
  /** What the group has on record; undefined while it has nothing. */
  committed: bigint | undefined
  /** What it has on record as finished beyond that. */
  #noted: FinishedBeyond['ranges'] = []
  #notedFailures = 0
  /** When this process last put its position on record, or first looked at it. */
  #recordedAtMs: number | undefined
  /** Its position rose. */
  onAdvance: (() => void) | undefined
  /** A handler of it ended. */
  onEnded: (() => void) | undefined
  /** With what to do when they are dropped. */
  readonly #batches = new Map<FetchedBatch, () => void>()
  #idle: PromiseWithResolvers<void> | undefined

  constructor(
    partition: number,
    start: bigint,
    committed: bigint | undefined,
    topicId?: string,
    inherited?: FinishedBeyond,
    /** Of that, what is on record; all of it when missing. */
    noted: FinishedBeyond['ranges'] = inherited?.ranges ?? [],
  ) {
    this.partition = partition
    this.topicId = topicId
    this.tracker = new OffsetTracker(start, inherited)
    this.failing = new FailingRecords(inherited?.failing, inherited?.leaderEpoch)
    this.committed = committed
    this.#noted = noted
  }

  /** What is to be put on record; undefined when it is there already, and not old (Y8). */
  toCommit(nowMs: number): ToCommit | undefined {
    this.#recordedAtMs ??= nowMs
    const isOld = nowMs - this.#recordedAtMs >= COMMIT_AGAIN_MS
    return this.#toCommit(isOld)
  }

  /** What is not on record. */
  unsaid(): ToCommit | undefined {
    return this.#toCommit(false)
  }

  #toCommit(isOld: boolean): ToCommit | undefined {
    const finished = this.tracker.finishedBeyond()
    const offset = this.tracker.position()
    const { version } = this.failing
    const isSame = offset === this.committed && version === this.#notedFailures
    if (isSame && !isOld && sameRanges(finished.ranges, this.#noted)) return undefined
    const failing = this.failing.from(offset)
    const leaderEpoch = failing.reduce((newest, one) => Math.max(newest, one.leaderEpoch), finished.leaderEpoch ?? -1)
    const beyond = failing.length === 0 ? finished : { ranges: finished.ranges, leaderEpoch, failing }
    return { offset, beyond, version }
  }

  /** It is on record. */
  wasCommitted({ offset, beyond, version }: ToCommit, nowMs: number): void {
    this.#recordedAtMs = nowMs
    this.committed = offset
    this.#noted = beyond.ranges
    this.#notedFailures = version
  }

  hold(batch: FetchedBatch, onDrop: () => void): void {
    this.#batches.set(batch, onDrop)
  }

  release(batch: FetchedBatch): void {
    if (this.#batches.delete(batch)) batch.release()
  }

  /** Starts nothing more; resolves when no handler runs, for everyone who waits: a close and a revocation may meet. */
  drain(): Promise<void> {
    if (this.phase === 'live') this.phase = 'draining'
    if (this.running === 0) return Promise.resolve()
    this.#idle ??= Promise.withResolvers()
    return this.#idle.promise
  }

  /** Forgets everything: what still runs does not count any more. */
  drop(): void {
    this.phase = 'gone'
    for (const [batch, onDrop] of this.#batches) {
      batch.release()
      onDrop()
    }
    this.#batches.clear()
    this.#idle?.resolve()
  }

  started(): void {
    this.running++
  }

  ended(): void {
    this.running--
    if (this.running === 0) this.#idle?.resolve()
    this.onEnded?.()
  }
}

export class Delivery implements WorkBatch, SpanOffsets {
  readonly count: number
  readonly nextOffset: bigint
  readonly leaderEpoch: number
  readonly #context: DeliveryContext
  readonly #work: PartitionWork
  readonly #span: Span
  #batch: FetchedBatch | undefined
  #walk: Iterator<FetchedRecord> | undefined
  /** The record last read from the batch, and its index. */
  #current: FetchedRecord | undefined
  #at = -1
  #currentFinished = true
  /** Records before the current one that are not finished. */
  #kept: Map<number, FetchedRecord> | undefined
  /** Offsets of those whose handler failed and that are not finished, by index. */
  #failed: Map<number, bigint> | undefined

  constructor(context: DeliveryContext, work: PartitionWork, batch: FetchedBatch) {
    this.#context = context
    this.#work = work
    this.#batch = batch
    this.count = batch.count
    this.nextOffset = batch.nextOffset
    this.leaderEpoch = batch.leaderEpoch
    this.#walk = batch.records
    this.#span = work.tracker.open(this)
    if (this.count === 0) batch.release()
    else work.hold(batch, () => this.#dropped())
  }

  get live(): boolean {
    return this.#work.phase === 'live'
  }

  offsetAt(index: number): bigint {
    return this.#record(index).offset
  }

  unfinished(): bigint[] {
    const offsets = this.#kept === undefined ? [] : Array.from(this.#kept.values(), ({ offset }) => offset)
    if (!this.#currentFinished) offsets.push(this.#current!.offset)
    return offsets
  }

  reached(): bigint | undefined {
    if (this.#at === this.count - 1) return this.nextOffset
    return this.#current === undefined ? undefined : this.#current.offset + 1n
  }

  describe(index: number): RecordPlace {
    const { partition } = this.#work
    return { partition, offset: this.#record(index).offset, keyHash: this.keyHash(index) }
  }

  keyHash(index: number): number {
    return this.#context.ordered ? this.#record(index).keyHash(this.#work.partition) : FREE
  }

  run(index: number, attempt: number): unknown {
    const record = this.#record(index)
    this.#work.started()
    return this.#handOut(record, attempt)
  }

  /** Y7 */
  runStretch(from: number, to: number, end: StretchEnd): number {
    const work = this.#work
    const span = this.#span
    let index = from
    work.started()
    try {
      for (; index < to; index++) {
        if (work.phase !== 'live') {
          end.why = 'not-live'
          break
        }
        const result = this.#handOut(this.#record(index), 1)
        if (isThenable(result)) {
          end.why = 'promise'
          end.outcome = result
          return index
        }
        if (!work.failing.isEmpty) work.failing.finished(this.#current!.offset)
        span.finish(index)
        this.#currentFinished = true
      }
    } catch (error) {
      end.why = 'error'
      end.outcome = error
      return index
    }
    if (span.remaining === 0) this.#done()
    work.ended()
    return index
  }

  #handOut(record: FetchedRecord, attempt: number): unknown {
    const { handler, meter } = this.#context
    const { tracker, failing } = this.#work
    if (tracker.isInheriting && tracker.wasFinished(record.offset)) return undefined
    if (attempt > 1) meter.redelivered()
    else if (meter.delivered(record.payloadBytes)) meter.latency(this.#context.nowMs() - record.timestampMs)
    if (failing.isEmpty) return handler(record, 1, undefined, this.#work)
    const before = failing.of(record.offset)
    return handler(record, (before?.attempts ?? 0) + 1, before, this.#work)
  }

  finished(index: number): void {
    const { failing } = this.#work
    if (!failing.isEmpty) failing.finished(this.#record(index).offset)
    if (this.#failed !== undefined) this.#failedNoMore(index)
    this.#span.finish(index)
    if (index === this.#at) this.#currentFinished = true
    else this.#kept?.delete(index)
    if (this.#span.remaining === 0) this.#done()
    this.#work.ended()
  }

  failed(index: number, attempt: number, error: unknown): number {
    const record = this.#record(index)
    const { failing } = this.#work
    const nth =
      error instanceof NotAnAttempt
        ? attempt
        : failing.failed(record.offset, this.#context.nowMs(), this.leaderEpoch).attempts
    const delayMs = this.#context.onFailed(record, this.keyHash(index), nth, error)
    this.#failed ??= new Map()
    this.#failed.set(index, record.offset)
    this.#work.ended()
    // Taken away while its handler ran: it is for somebody else to hand it out again.
    if (this.#work.phase === 'gone') this.#failedNoMore(index)
    return delayMs
  }

  #failedNoMore(index: number): void {
    const offset = this.#failed?.get(index)
    if (offset === undefined) return
    this.#failed!.delete(index)
    this.#context.meter.failedNoMore(this.#work.partition, offset)
  }

  #done(): void {
    if (this.#batch !== undefined) this.#work.release(this.#batch)
    this.#batch = undefined
    this.#walk = undefined
    this.#current = undefined
    this.#kept = undefined
    this.#work.tracker.settle()
    this.#work.onAdvance?.()
  }

  /** What was read may still run, fail or finish; nothing more is read. */
  #dropped(): void {
    for (const index of [...(this.#failed?.keys() ?? [])]) this.#failedNoMore(index)
    this.#batch = undefined
    this.#walk = undefined
  }

  #record(index: number): FetchedRecord {
    if (index === this.#at) return this.#current!
    if (index < this.#at) return this.#kept!.get(index)!
    while (this.#at < index) this.#advance()
    return this.#current!
  }

  #advance(): void {
    if (!this.#currentFinished) {
      this.#kept ??= new Map()
      this.#kept.set(this.#at, this.#current!)
    }
    this.#current = this.#walk!.next().value!
    this.#at++
    this.#currentFinished = false
  }
}

function sameRanges(one: FinishedBeyond['ranges'], other: FinishedBeyond['ranges']): boolean {
  return (
    one.length === other.length &&
    one.every(({ first, end }, at) => first === other[at]!.first && end === other[at]!.end)
  )
}
