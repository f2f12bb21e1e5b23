/**
 * Reads one epoch of an mQ ID for one group: membership, fetching, handing out, committing.
 *
 * R1. Reading starts at the group's committed position, without one where the reader was told to start (start-positions.ts), and
 *     otherwise at the earliest record. Where it was told, it commits that before anything else, so that a restart does not skip what
 *     came in between.
 * R2. A position is committed only when every record before it was handled. What is finished beyond it is noted beside it, so that one
 *     message that fails makes nobody handle what comes after it a second time.
 * R3. Partitions are given up only after their running handlers ended (bounded) and their positions were committed.
 * R4. Partitions lost without notice are dropped at once: nothing of them is committed while others may have them. What was finished of
 *     them is committed if the broker still knows us, and not handed out again where they come back to this reader (lost-partitions.ts).
 * R5. A partition that stands still because of damage is said so loudly and tried again; nothing is ever skipped.
 * R6. A partition behind a closed gate is ours, and keeps its position, but nothing of it is fetched until the gate opens.
 * R7. A partition of a sealed epoch is committed as soon as it is read to its end: others wait for that.
 * R8. While an epoch is being prepared its group comes together quickly: its members say more often what they hold.
 * R9. A reader that is closed while it joins has started: its epoch may be read to the end before a slow join comes through.
 * R10. Positions belong to a topic, not to its name. A topic that was deleted and created again is read from its beginning,
 *     whatever the group had read of the old one and wherever it was asked to start; that is said.
 */
import { type ConsumerSettings, type Epoch, MqError, sealedEnds } from '@mq/contract'
import {
  backoffMs,
  type Deps,
  type FetchedBatch,
  isFinal,
  pause,
  type TimerHandle,
  type TopicPartition,
  withinOrUndefined,
} from '@mq/kafka'
import type { Logger } from '../base/logger.ts'
import type { ConsumerMeter } from '../telemetry/consumer-meter.ts'
import { Delivery, type DeliveryContext, PartitionWork } from './delivery.ts'
import type { KeyScheduler } from './key-scheduler.ts'
import { LostPartitions } from './lost-partitions.ts'
import { joined } from './offset-tracker.ts'
import { isForPerson, ReaderLog } from './reader-log.ts'
import type { FetchPort, GroupPort, ReaderPorts } from './reader-ports.ts'
import { stillFinished } from './still-finished.ts'
import { TopicIdentity } from './topic-identity.ts'

const COMMIT_EVERY_MS = 1_000
/** What waits for the end of an epoch waits no longer than this for its commit. */
const COMMIT_END_MS = 50
/** As a rule it comes with the last record, this much later, so that partitions share a commit. */
const COMMIT_END_SOON_MS = 2
const REBALANCE_MS = 60_000
/** R8, and how long at most. */
const GATHERING = { heartbeatMs: 250, limitMs: 20_000 }
/** Handlers of partitions to be given up have this long, which leaves time to commit within the rebalance. */
const DRAIN_MS = 45_000
const STANDSTILL_MS = 30_000
/** A topic that is made again is wanted soon. */
const MISSING_MS = 5_000
const RETRY = { baseMs: 200, maxMs: 5_000 }

export interface EpochReaderOptions {
  readonly mqId: string
  readonly group: string
  readonly groupId: string
  readonly epoch: Epoch
  /** Where partitions begin that have no committed position; the others at their first record. */
  readonly startOffsets: ReadonlyMap<number, bigint>
  readonly settings: ConsumerSettings
  readonly ports: ReaderPorts
  readonly scheduler: KeyScheduler
  readonly context: DeliveryContext
  readonly meter: ConsumerMeter
  readonly deps: Deps
  readonly logger: Logger
  /** Whether a partition may be read (R6); all may when left out. */
  isOpen?(partition: number): boolean
  /** The cluster slows this client down for its quota. */
  onThrottled?(throttleMs: number): void
  /** A batch of a partition that is ours has come. */
  onArrival?(): void
  /** The group's position, as the broker has it. */
  onPosition?(partition: number, position: bigint): void
  /** The group cannot be read any more; the subscription ends. */
  onFatal(error: MqError): void
}

export class EpochReader {
  readonly epoch: number
  readonly #options: EpochReaderOptions
  readonly #topic: string
  readonly #member: GroupPort
  readonly #fetcher: FetchPort
  readonly #works = new Map<number, PartitionWork>()
  readonly #gated = new Set<number>()
  readonly #lost: LostPartitions
  #ends: readonly bigint[] | undefined
  #gathersUntilMs: number
  #isEndCommitSet = false
  readonly #identity: TopicIdentity
  readonly #closed = new AbortController()
  readonly #log: ReaderLog
  #committing: Promise<void> = Promise.resolve()
  #commitTimer: TimerHandle | undefined

  constructor(options: EpochReaderOptions) {
    this.#options = options
    this.epoch = options.epoch.epoch
    this.#topic = options.epoch.topic
    this.#ends = sealedEnds(options.epoch)
    const isGathering = options.epoch.state === 'preparing'
    this.#gathersUntilMs = isGathering ? options.deps.clock.monotonicMs() + GATHERING.limitMs : 0
    const { mqId, group, logger } = options
    this.#log = new ReaderLog({ mqId, group, topic: this.#topic, logger, clock: options.deps.clock })
    this.#lost = new LostPartitions(this.#topic)
    this.#identity = new TopicIdentity(this.#topic, options.ports, this.#log)
    this.#fetcher = options.ports.openFetcher({
      settings: options.settings,
      deps: options.deps,
      onBatch: (batch) => this.#onBatch(batch),
      onRequest: () => options.meter.requested(),
      onThrottled: (throttleMs) => {
        options.meter.throttled(throttleMs)
        options.onThrottled?.(throttleMs)
      },
      onError: (_, partition, error, isHalted) => this.#onFetchError(partition, error, isHalted),
      onOffsetOutOfRange: ({ partition, requested, earliest, lostRecords }) =>
        this.#onOutOfRange(partition, requested, earliest, lostRecords),
      onTopicRecreated: (_, partition) => this.#onRecreated([partition]),
    })
    this.#member = options.ports.openGroup({
      groupId: options.groupId,
      topics: [this.#topic],
      sessionTimeoutMs: options.settings.sessionTimeoutMs,
      rebalanceTimeoutMs: REBALANCE_MS,
      deps: options.deps,
      heartbeatMs: () => (this.#gathersUntilMs > options.deps.clock.monotonicMs() ? GATHERING.heartbeatMs : undefined),
      onAssigned: (added) => this.#onAssigned(added),
      onRevoked: (removed) =>
        this.#giveUp(
          removed.map(({ partition }) => partition),
          DRAIN_MS,
        ),
      onLost: (lost) => this.#onLost(lost),
      onRejoining: () => this.#lost.toCommit(),
      onError: (error, isOver) => this.#onGroupError(error, isOver),
    })
  }

  /** Resolves with the first assignment, which may be empty. */
  async start(): Promise<void> {
    this.#armCommit()
    try {
      await this.#member.start()
    } catch (error) {
      if (this.#closed.signal.aborted) return
      throw error
    }
    if (this.#options.startOffsets.size > 0) await this.#commit(this.#live())
  }

  update(settings: ConsumerSettings, epoch: Epoch): void {
    this.#fetcher.update(settings)
    if (epoch.state !== 'preparing') this.#gathersUntilMs = 0
    const wasOpen = this.#ends === undefined
    this.#ends = sealedEnds(epoch)
    if (!wasOpen || this.#ends === undefined || this.#commitTimer === undefined || this.#closed.signal.aborted) return
    for (const work of this.#works.values()) this.#watchEnd(work)
    this.#commitEnds()
    this.#armCommit()
  }

  /** Drops everything if the group has gone on without us (R4). */
  check(): void {
    this.#member.check()
  }

  /** Whether a partition of ours waits at its gate. */
  get isWaiting(): boolean {
    return this.#gated.size > 0
  }

  /** Reads what has become open (R6). */
  recheck(): void {
    for (const partition of this.#gated) {
      if (!this.#isOpen(partition)) continue
      this.#gated.delete(partition)
      const work = this.#works.get(partition)
      if (work?.phase === 'live') this.#fetch(work, work.tracker.position())
    }
  }

  /** Whether it holds a partition. */
  get isAssigned(): boolean {
    return this.#works.size > 0
  }

  /** Records behind the committed positions of what is held; `null` while that is not known, also while nothing is held. */
  lagRecords(): number | null {
    if (!this.isAssigned) return null
    let lag = 0n
    for (const { partition, committed } of this.#works.values()) {
      const end = this.#fetcher.highWatermark(this.#topic, partition)
      if (end === undefined || committed === undefined) return null
      if (end > committed) lag += end - committed
    }
    return Number(lag)
  }

  /** Records that were fetched and are not finished: not come to yet, running, failed, or waiting behind one that failed. */
  unfinishedRecords(): number {
    return [...this.#works.values()].reduce((sum, { tracker }) => sum + tracker.unfinished(), 0)
  }

  /** Records that failed and are not finished. */
  failingRecords(): number {
    return [...this.#works.values()].reduce((sum, { failing }) => sum + failing.size, 0)
  }

  /** Whether the log of a partition that may be read holds more than was fetched. */
  get isBehind(): boolean {
    return [...this.#works.keys()].some((partition) => {
      const position = this.#fetcher.position(this.#topic, partition)
      const end = this.#fetcher.highWatermark(this.#topic, partition)
      return position !== undefined && end !== undefined && end > position
    })
  }

  /** Handles what runs, commits, leaves the group. */
  async close(limitMs: number): Promise<void> {
    if (this.#closed.signal.aborted) return
    this.#closed.abort()
    if (this.#commitTimer !== undefined) this.#options.deps.timers.clearTimeout(this.#commitTimer)
    await this.#giveUp([...this.#works.keys()], limitMs)
    await this.#fetcher.close()
    await this.#member.close()
  }

  async #onAssigned(added: readonly TopicPartition[]): Promise<void> {
    this.#options.meter.rebalanced()
    await this.#begin(new Map(added.map(({ partition }) => [partition, undefined])))
  }

  /**
   * Reads partitions from where the group stands, as soon as that can be found out.
   * @param before what each of them was until now: one that has become another meanwhile is left alone
   */
  async #begin(before: ReadonlyMap<number, PartitionWork | undefined>): Promise<void> {
    for (let failures = 1; !this.#closed.signal.aborted; failures++) {
      try {
        const starts = await this.#startsOf([...before.keys()])
        if (this.#closed.signal.aborted) return
        for (const work of starts) {
          if (this.#works.get(work.partition) !== before.get(work.partition)) continue
          this.#works.set(work.partition, work)
          if (this.#ends !== undefined) this.#watchEnd(work)
          if (this.#isOpen(work.partition)) this.#fetch(work, work.tracker.position())
          else this.#gated.add(work.partition)
          if (work.committed !== undefined) this.#options.onPosition?.(work.partition, work.committed)
        }
        const wasTold = starts.some(
          ({ partition, committed }) => committed === undefined && this.#startOf(partition) !== undefined,
        )
        if (wasTold) this.#commitSoon()
        return
      } catch (error) {
        if (!(error instanceof MqError) || isFinal(error)) throw error
        if (failures % 5 === 0 || isForPerson(error)) this.#log.failed('waits for its positions', error)
        const { deps } = this.#options
        await pause(deps, backoffMs(failures, deps.random, RETRY, 'full'), this.#closed.signal)
      }
    }
  }

  /** Where each partition begins (R1, R10). */
  async #startsOf(partitions: readonly number[]): Promise<PartitionWork[]> {
    const topic = this.#topic
    const topicId = await this.#identity.find()
    const known = await this.#member.positions(partitions.map((partition) => ({ topic, partition, topicId })))
    const fresh = partitions.filter(
      (partition) => !known.has(`${topic}:${partition}`) && this.#startOf(partition) === undefined,
    )
    const earliest =
      fresh.length === 0 ? new Map<number, bigint>() : await this.#options.ports.earliestOffsets(topic, fresh)
    return await Promise.all(
      partitions.map(async (partition) => {
        const position = known.get(`${topic}:${partition}`)
        const start = position?.offset ?? this.#startOf(partition) ?? earliest.get(partition) ?? 0n
        const place = { ...this.#options, topic, partition, log: this.#log }
        const noted = position === undefined ? undefined : await stillFinished(position, place)
        const lost = this.#lost.recall(partition, topicId, position?.offset)
        const unsaid =
          lost === undefined
            ? undefined
            : await stillFinished({ offset: start, finished: lost.ranges, leaderEpoch: lost.leaderEpoch }, place)
        const inherited = joined(noted, unsaid)
        return new PartitionWork(partition, start, position?.offset, topicId, inherited, noted?.ranges ?? [])
      }),
    )
  }

  /** R1; what a topic of that name held before says nothing about this one (R10). */
  #startOf(partition: number): bigint | undefined {
    return this.#identity.wasRecreated ? undefined : this.#options.startOffsets.get(partition)
  }

  /** What was handed out of the old topic still finishes, but counts for nothing (R10). */
  #onRecreated(partitions: readonly number[]): void {
    const before = new Map<number, PartitionWork>()
    for (const partition of partitions) {
      const work = this.#works.get(partition)
      if (work === undefined || work.phase !== 'live') continue
      work.drop()
      this.#gated.delete(partition)
      before.set(partition, work)
    }
    if (before.size === 0) return
    this.#begin(before).catch((error: unknown) => this.#options.onFatal(toMq(error)))
  }

  /** A commit was refused because the topic is another one now; partitions that nobody fetches hear of it only so. */
  async #restartFormer(): Promise<void> {
    const topicId = await this.#options.ports.topicId(this.#topic)
    const former = this.#live().filter((work) => work.topicId !== topicId)
    this.#onRecreated(former.map(({ partition }) => partition))
  }

  #fetch(work: PartitionWork, offset: bigint): void {
    this.#fetcher.add(this.#topic, work.partition, offset, work.topicId)
  }

  /** Drains, commits and forgets partitions (R3). */
  async #giveUp(partitions: readonly number[], limitMs: number): Promise<void> {
    const works = partitions.flatMap((partition) => this.#works.get(partition) ?? [])
    for (const work of works) {
      this.#gated.delete(work.partition)
      this.#fetcher.remove(this.#topic, work.partition)
    }
    await withinOrUndefined(this.#options.deps, limitMs, Promise.all(works.map((work) => work.drain())))
    const running = works.reduce((count, work) => count + work.running, 0)
    if (running > 0) {
      const error = new MqError('MQ_HANDLER_FAILED', `${running} handlers still ran after ${Math.round(limitMs)} ms`)
      this.#log.warn(error, `: ${error.message}; their messages are handed out again by the next owner`)
    }
    await this.#commit(works)
    for (const work of works) {
      this.#drop(work)
      if (this.#works.get(work.partition) === work) this.#works.delete(work.partition)
    }
  }

  /** R4 */
  #drop(work: PartitionWork): void {
    if (work.phase === 'gone') return
    work.drop()
    this.#lost.remember(work)
  }

  #onLost(lost: readonly TopicPartition[]): void {
    this.#options.meter.rebalanced()
    for (const { partition } of lost) {
      this.#gated.delete(partition)
      this.#fetcher.remove(this.#topic, partition)
      const work = this.#works.get(partition)
      this.#works.delete(partition)
      if (work !== undefined) this.#drop(work)
    }
  }

  #onBatch(batch: FetchedBatch): void {
    const work = this.#works.get(batch.partition)
    if (work === undefined || work.phase !== 'live') {
      batch.release()
      return
    }
    this.#options.meter.fetched(batch.wireBytes, batch.memoryBytes)
    this.#options.onArrival?.()
    this.#options.scheduler.add(new Delivery(this.#options.context, work, batch))
  }

  #onFetchError(partition: number, error: MqError, isHalted: boolean): void {
    const isMissing = error.code === 'MQ_TOPIC_MISSING'
    const pauseMs = isMissing ? MISSING_MS : STANDSTILL_MS
    if (isForPerson(error) && (isMissing || !isHalted)) this.#log.failed('cannot read', error)
    else if (isHalted) this.#log.standsStill(partition, error, pauseMs)
    else this.#log.warn(error, ` waits to read partition ${partition}: ${error.message}`)
    if (!isHalted) return
    const work = this.#works.get(partition)
    const position = this.#fetcher.position(this.#topic, partition)
    if (work === undefined || position === undefined) return
    void pause(this.#options.deps, pauseMs, this.#closed.signal).then(() => {
      if (this.#closed.signal.aborted || work.phase !== 'live') return
      this.#fetch(work, position)
    })
  }

  /** The group's place is gone: what retention removed is said, and reading goes on at the earliest record left. */
  #onOutOfRange(partition: number, requested: bigint, earliest: bigint, lostRecords: bigint): void {
    const work = this.#works.get(partition)
    if (work === undefined || work.phase !== 'live') return
    this.#log.outOfRange(partition, requested, earliest, lostRecords)
    // What was handed out before still finishes, but its positions say nothing about the log as it is now.
    work.drop()
    const next = new PartitionWork(partition, earliest, undefined, work.topicId)
    this.#works.set(partition, next)
    if (this.#ends !== undefined) this.#watchEnd(next)
    this.#fetch(next, earliest)
  }

  #onGroupError(error: MqError, isOver: boolean): void {
    if (isOver) this.#options.onFatal(error)
    else this.#log.groupFailed(error)
  }

  #live(): PartitionWork[] {
    return [...this.#works.values()].filter((work) => work.phase === 'live')
  }

  /** Once what is being assigned is ours: nothing else can be committed. */
  #commitSoon(): void {
    this.#options.deps.timers
      .setTimeout(() => {
        if (!this.#closed.signal.aborted) void this.#commit(this.#live())
      }, 0)
      .unref()
  }

  /** Every second, and of a sealed epoch more often what has come to its end (R7). */
  #armCommit(sinceMs = 0): void {
    const afterMs = this.#ends === undefined ? COMMIT_EVERY_MS : COMMIT_END_MS
    // The epoch may have ended during a commit: then the clock was set meanwhile.
    if (this.#commitTimer !== undefined) this.#options.deps.timers.clearTimeout(this.#commitTimer)
    this.#commitTimer = this.#options.deps.timers.setTimeout(() => {
      const isTime = sinceMs + afterMs >= COMMIT_EVERY_MS
      const live = this.#live().filter((work) => isTime || this.#isAtEnd(work))
      void this.#commit(live).finally(() => {
        if (!this.#closed.signal.aborted) this.#armCommit(isTime ? 0 : sinceMs + afterMs)
      })
    }, afterMs)
  }

  /** R7: with the last record, and not only at the next look. */
  #watchEnd(work: PartitionWork): void {
    work.onAdvance = () => {
      if (this.#isAtEnd(work)) this.#commitEnds()
    }
  }

  /** Partitions that come to their ends together are committed together. */
  #commitEnds(): void {
    if (this.#isEndCommitSet) return
    this.#isEndCommitSet = true
    this.#options.deps.timers.setTimeout(() => {
      this.#isEndCommitSet = false
      if (!this.#closed.signal.aborted) void this.#commit(this.#live().filter((work) => this.#isAtEnd(work)))
    }, COMMIT_END_SOON_MS)
  }

  #isAtEnd(work: PartitionWork): boolean {
    const end = this.#ends?.[work.partition]
    return end !== undefined && work.tracker.position() >= end
  }

  #isOpen(partition: number): boolean {
    return this.#options.isOpen?.(partition) ?? true
  }

  /** One commit at a time, of what moved since the last, or is old. Never rejects: what fails is tried again with the next. */
  #commit(works: readonly PartitionWork[]): Promise<void> {
    this.#committing = this.#committing.then(async () => {
      const nowMs = this.#options.deps.clock.monotonicMs()
      const moved = works.flatMap((work) => {
        // Nothing of one that is gone can be committed, or read to find out where it stands.
        if (work.phase === 'gone') return []
        const next = work.toCommit(nowMs)
        return next === undefined ? [] : [{ work, next }]
      })
      if (moved.length === 0) return
      try {
        await this.#member.commit(
          moved.map(({ work: { partition, topicId }, next: { offset, beyond } }) => {
            const { ranges: finished, failing = [], leaderEpoch } = beyond
            return { topic: this.#topic, partition, offset, topicId, finished, failing, leaderEpoch }
          }),
        )
        for (const { work, next } of moved) {
          work.wasCommitted(next, nowMs)
          this.#options.onPosition?.(work.partition, next.offset)
        }
        this.#options.meter.committed()
      } catch (error) {
        const problem = toMq(error)
        this.#log.failed('could not commit', problem)
        // Where that fails, too, the next commit comes here again.
        if (problem.code === 'MQ_TOPIC_RECREATED') await this.#restartFormer().catch(() => {})
      }
    })
    return this.#committing
  }
}

function toMq(error: unknown): MqError {
  return error instanceof MqError ? error : new MqError('MQ_INTERNAL', String(error), { cause: error })
}
