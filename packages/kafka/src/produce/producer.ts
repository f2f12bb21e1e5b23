/**
 * The producer: from one call per record to produce requests, idempotent, acknowledged by all in-sync replicas.
 *
 * R1. `send` never throws and is not async. A record becomes bytes of its partition's open batch before `send` returns, and its
 *     promise is the batch's own: no object is made per record. While memory is spent, records wait in order instead.
 * R2. Records of one partition are stored in the order they were sent, or rejected (see partition-sender.ts).
 * R3. Every promise settles by its deadline, counted from its own send (send-promise.ts, S2). A send may have one of its own, and a signal.
 * R4. One timer serves all partitions: linger, backoff, deadlines and request timeouts. Partitions that have something to
 *     send now are looked at together, once per turn of the event loop, so that they share requests.
 * R5. Settings change between batches: the open batch keeps the size it was opened for and is compressed as settings then say.
 * R6. On hold nothing new is sent; what is held can be taken over, in order, by the producer of another topic.
 */

import { MqError, type ProducerSettings, type TimestampLimits } from '@mq/contract'
import { type Deps, EarliestTimer, pause, systemDeps, withinOrUndefined } from '@mq/contract/timing'
import type { Ahead } from '../net/broker-clock.ts'
import { toMqError } from '../protocol/kafka-errors.ts'
import type { Bytes } from '../records/batch-encoder.ts'
import type { HeldRecord } from '../records/batch-parts.ts'
import { compress } from '../records/compression.ts'
import { type EncodedHeaders, encodeHeaders, type Headers } from '../records/record-headers.ts'
import { TurnClock } from '../timing/turn-clock.ts'
import { BufferPool } from './buffer-pool.ts'
import { type HeldBatch, heldSend } from './held-batch.ts'
import type { MemoryBudget } from './memory-budget.ts'
import type { PartitionSender } from './partition-sender.ts'
import { partitionOf } from './partitioner.ts'
import type { PendingBatch } from './pending-batch.ts'
import { type Parcel, ProduceDispatcher } from './produce-dispatcher.ts'
import { ProducerIds } from './producer-ids.ts'
import type { ProduceCluster, ProducerOptions } from './producer-options.ts'
import { ProducerTopic } from './producer-topic.ts'
import { RecordTime } from './record-time.ts'
import { neverSent, notClosed } from './send-errors.ts'
import { isBytes, onAbort, timed, wrong } from './send-input.ts'
import type { Receipt, SendLimits, SendPromise } from './send-promise.ts'
import { SendQueue } from './send-queue.ts'
import type { SenderOwner } from './sender-shared.ts'

const DEFAULT_DEADLINE_MS = 120_000
const MOST_WAITING = 100_000
const MOST_WAITING_BYTES = 256 * 1_048_576
const IDLE_BUFFER_BYTES = 16 * 1_048_576
const LEADER_PAUSE_MS = 100
/** How much longer than its deadline a record may wait, so that it can share a promise: a share of it, and no more than so much. */
const TOLERANCE = { share: 0.01, mostMs: 100 }

export class Producer {
  readonly #cluster: ProduceCluster
  readonly #deps: Deps
  readonly #budget: MemoryBudget
  readonly #pool: BufferPool
  readonly #ids: ProducerIds
  readonly #dispatcher: ProduceDispatcher
  readonly #shared: SenderOwner<PartitionSender>
  readonly #topics = new Map<string, ProducerTopic>()
  readonly #active = new Set<PartitionSender>()
  readonly #waiting = new SendQueue<PartitionSender>(MOST_WAITING, MOST_WAITING_BYTES)
  readonly #stop = new AbortController()
  readonly #timer: EarliestTimer
  readonly #turn: TurnClock
  readonly #time: RecordTime
  readonly #deadlineMs: number
  readonly #toleranceMs: number
  #candidates: PartitionSender[] = []
  readonly #findingLeaders = new Set<string>()
  #isDrainSet = false
  #isPumping = false
  readonly #onPlaced: (() => void)[] = []
  #flushes = 0
  #closing: Promise<void> | undefined

  constructor(options: ProducerOptions) {
    const { cluster, settings, budget, deps = systemDeps, observer = {} } = options
    this.#cluster = cluster
    this.#deps = deps
    this.#budget = budget
    this.#timer = new EarliestTimer(deps, () => this.#tick())
    this.#time = new RecordTime({
      deps,
      label: options.label ?? 'the topic',
      limits: options.timestamps,
      ...options.clocks,
      onWrong: (ahead) => observer.onWrongClock?.(ahead),
    })
    this.#turn = new TurnClock(deps.clock, this.#time)
    this.#deadlineMs = options.sendDeadlineMs ?? DEFAULT_DEADLINE_MS
    this.#toleranceMs = Math.ceil(Math.min(TOLERANCE.mostMs, this.#deadlineMs * TOLERANCE.share))
    this.#pool = new BufferPool(budget, Math.min(IDLE_BUFFER_BYTES, budget.limitBytes))
    this.#ids = new ProducerIds(cluster, deps, () => this.#scheduleDrain())
    this.#dispatcher = new ProduceDispatcher(cluster, deps, observer, (atMs) => this.#timer.wakeAt(atMs))
    this.#shared = {
      settings,
      deps,
      pool: this.#pool,
      ids: this.#ids,
      sendDeadlineMs: this.#deadlineMs,
      label: options.label,
      compress,
      time: this.#time,
      isCautious: false,
      observer,
      onSealed: options.onSealed,
      resolveAmbiguous: options.resolveAmbiguous,
      wantedBytes: 0,
      hurried: () => this.#flushes > 0 || this.#waiting.size > 0,
      wake: (sender) => this.#wake(sender),
      opened: (sender, dueAtMs) => this.#opened(sender, dueAtMs),
      markStale: (topic) => cluster.markStale(topic),
    }
  }

  /** The handle for a topic; the same one for the same name and number of partitions. */
  topic(name: string, partitions: number): ProducerTopic {
    const known = this.#topics.get(name)
    if (known?.partitions === partitions) return known
    if (known !== undefined) {
      throw new MqError(
        'MQ_INTERNAL',
        `The topic ${name} is written with ${known.partitions} partitions, not ${partitions}`,
      )
    }
    const topic = new ProducerTopic(name, partitions, this.#shared)
    this.#topics.set(name, topic)
    return topic
  }

  /** Sends one record; resolves when it is stored. Hot: see R1. */
  send(
    topic: ProducerTopic,
    key: Bytes | null,
    value: Bytes | null,
    headers?: Headers | EncodedHeaders,
    timestampMs?: number,
    limits?: SendLimits,
  ): Promise<Receipt> {
    return this.#send(topic, key, value, headers, timestampMs, limits, true)
  }

  /** Sends a record that another producer held. However many wait for memory already, it is never refused for that. */
  adopt(topic: ProducerTopic, record: HeldRecord, limits?: SendLimits): Promise<Receipt> {
    return this.#send(topic, record.key, record.value, record.headers, record.timestampMs, limits, false)
  }

  #send(
    topic: ProducerTopic,
    key: Bytes | null,
    value: Bytes | null,
    givenHeaders: Headers | EncodedHeaders | undefined,
    timestampMs: number | undefined,
    given: SendLimits | undefined,
    isLimited: boolean,
  ): Promise<Receipt> {
    try {
      if (!isBytes(value)) throw wrong('value', value)
      if (!isBytes(key)) throw wrong('key', key)
      const headers =
        givenHeaders === undefined || givenHeaders instanceof Uint8Array ? givenHeaders : encodeHeaders(givenHeaders)
      const sender = key === null ? topic.sticky() : topic.senders[partitionOf(key, topic.partitions)]!
      const turn = this.#turn
      turn.read()
      const atMs = timestampMs === undefined ? turn.nowMs : timestampMs
      const limits = timestampMs === undefined || !isLimited ? given : timed(timestampMs, given, this.#time)
      if (this.#closing !== undefined) throw new MqError('MQ_CLOSED', `The producer of ${topic.name} was closed`)
      if (this.#waiting.size === 0) {
        const batch = sender.append(key, value, headers, atMs)
        if (batch !== null) {
          if (limits !== undefined)
            return this.#joinWith(batch, sender, limits, limits.deadlineMs ?? turn.monotonicMs + this.#deadlineMs)
              .promise
          return batch.join(turn.monotonicMs, this.#deadlineMs, this.#toleranceMs, this.#shared.isCautious)
        }
      }
      return this.#wait(sender, key, value, headers, atMs, limits, isLimited)
    } catch (error) {
      return this.#refuse(error)
    }
  }

  #joinWith(
    batch: PendingBatch,
    sender: PartitionSender,
    limits: SendLimits | undefined,
    deadlineMs: number,
  ): SendPromise {
    const signal = limits?.signal
    const hasOwnTime = limits?.hasOwnTime === true
    const isOwn = limits?.isAlone === true || hasOwnTime || signal !== undefined || this.#shared.isCautious
    const sent = batch.joinUntil(deadlineMs, this.#toleranceMs, isOwn)
    if (hasOwnTime) sent.hasOwnTime = true
    if (limits?.deadlineMs !== undefined) {
      sent.hasOwnLimit = true
      sender.expiresBy(deadlineMs)
      this.#timer.wakeAt(deadlineMs)
    }
    if (signal !== undefined) {
      onAbort(signal, sent.promise, () => {
        sent.cancelled = { reason: signal.reason }
        sent.deadlineMs = Number.NEGATIVE_INFINITY
        sender.cancel(this.#deps.clock.monotonicMs())
      })
    }
    return sent
  }

  /** How far the clock of this process is ahead of the brokers', while that is too far for them. */
  get wrongClock(): Ahead | undefined {
    return this.#time.wrong
  }

  /** Under which brokers know this producer, newest last. */
  get producerIds(): readonly bigint[] {
    return this.#ids.given
  }

  /** Resolves when no send waits for memory any more. */
  placed(): Promise<void> {
    return this.#isPumping ? new Promise((resolve) => this.#onPlaced.push(resolve)) : Promise.resolve()
  }

  /** Sends nothing more of the topic; what is on the wire comes to its end (R6). */
  hold(topic: ProducerTopic): void {
    for (const sender of topic.senders) sender.hold()
  }

  /** Resolves when nothing is on the wire; on hold that stays so. */
  answered(): Promise<void> {
    return this.#dispatcher.idle()
  }

  resume(topic: ProducerTopic): void {
    for (const sender of topic.senders) {
      sender.resume()
      if (sender.backlog > 0) this.#active.add(sender)
    }
  }

  /** Everything not stored, in order per partition, for the caller to settle (R6). The producer takes nothing more. */
  takeOver(topic: ProducerTopic): HeldBatch[] {
    const batches = topic.senders.flatMap((sender) => sender.takeOver())
    return [...batches, ...this.#waiting.takeAll().map((send) => heldSend(send))]
  }

  /** Gets ready for the first send: producer id, leaders, connections. What fails is done again by that send. */
  async warm(topic: ProducerTopic): Promise<void> {
    this.#canSend()
    try {
      await this.#cluster.metadata([topic.name])
      const leaders = topic.senders.flatMap(
        ({ partition }) => this.#cluster.leader(topic.name, partition)?.nodeId ?? [],
      )
      await Promise.all([...new Set(leaders)].map((nodeId) => this.#cluster.connection(nodeId, 'produce')))
    } catch {
      // Nobody waits for it.
    }
  }

  /** Which times of records the topic takes; as before where nobody says. */
  limit(timestamps: TimestampLimits | undefined): void {
    this.#time.limit(timestamps)
  }

  /** Applies from the next batch on (R5). */
  update(settings: ProducerSettings): void {
    this.#shared.settings = settings
    for (const sender of this.#active) this.#wake(sender)
  }

  /** Resolves once everything sent before is settled, one way or the other. */
  async flush(): Promise<void> {
    this.#flushes++
    try {
      for (const sender of this.#active) this.#wake(sender)
      const before = this.#waiting.pending()
      for (const sender of this.#active) before.push(...sender.pending())
      await Promise.allSettled(before)
    } finally {
      this.#flushes--
    }
  }

  /** Flushes; what is not acknowledged in time is rejected and counted in MQ_CLOSE_INCOMPLETE. */
  close(deadlineMs: number = this.#shared.sendDeadlineMs): Promise<void> {
    this.#closing ??= this.#close(deadlineMs)
    return this.#closing
  }

  async #close(deadlineMs: number): Promise<void> {
    await withinOrUndefined(this.#deps, deadlineMs, this.flush())
    this.#stop.abort(new MqError('MQ_CLOSED', 'The producer was closed'))
    this.#ids.close()
    let records = 0
    for (let send = this.#waiting.shift(); send !== undefined; send = this.#waiting.shift()) {
      send.reject(notClosed(1))
      records++
    }
    for (const sender of this.#active) {
      const open = sender.unsettledRecords
      if (open > 0) records += sender.abort(notClosed(open))
    }
    this.#timer.close()
    if (records > 0) throw notClosed(records)
  }

  #refuse(error: unknown): Promise<Receipt> {
    const mqError =
      error instanceof MqError ? error : new MqError('MQ_INTERNAL', `send: ${String(error)}`, { cause: error })
    const refused = Promise.reject(mqError)
    // As with the promise of a batch: nobody may be listening. The observer is told.
    refused.catch(() => {})
    this.#shared.observer.onFailure?.(1, mqError)
    return refused
  }

  #wait(
    sender: PartitionSender,
    key: Bytes | null,
    value: Bytes | null,
    headers: EncodedHeaders | undefined,
    timestampMs: number,
    limits: SendLimits | undefined,
    isLimited: boolean,
  ): Promise<Receipt> {
    const nowMs = this.#deps.clock.monotonicMs()
    const deadlineMs = limits?.deadlineMs ?? nowMs + this.#deadlineMs
    const promise = this.#waiting.add(sender, key, value, headers, timestampMs, nowMs, deadlineMs, limits, isLimited)
    if (!this.#isPumping) void this.#pump()
    this.#timer.wakeAt(deadlineMs)
    const signal = limits?.signal
    if (signal !== undefined) onAbort(signal, promise, () => this.#timer.wakeAt(nowMs))
    return promise
  }

  /** Lets waiting sends in as memory comes free. */
  async #pump(): Promise<void> {
    this.#isPumping = true
    for (const sender of this.#active) this.#wake(sender)
    try {
      while (this.#waiting.size > 0) {
        const wantedBytes = this.#shared.wantedBytes
        await this.#budget.waitFor(wantedBytes, this.#stop.signal)
        this.#pool.grant(wantedBytes)
        let isAdmitted = false
        while (this.#admit()) isAdmitted = true
        this.#pool.withdraw()
        // The partition asks for more than before: wait anew, but let everybody else have a turn first.
        if (!isAdmitted) await pause(this.#deps, 1)
      }
    } catch {
      // Closed: close() has rejected what waited.
    } finally {
      this.#isPumping = false
      for (const resolve of this.#onPlaced.splice(0)) resolve()
    }
  }

  /** Moves the first waiting send into its batch; false when it has to wait on. */
  #admit(): boolean {
    const send = this.#waiting.head
    if (send === undefined) return false
    try {
      const batch = send.sender.append(send.key, send.value, send.headers, send.timestampMs)
      if (batch === null) return false
      batch.waitedSince(send.sinceMs)
      const { deadlineMs, limits } = send
      send.resolve(this.#joinWith(batch, send.sender, limits, deadlineMs).promise)
    } catch (error) {
      send.reject(toMqError(error, 'send'))
    }
    this.#waiting.shift()
    return true
  }

  #wake(sender: PartitionSender): void {
    if (sender.queued) return
    sender.queued = true
    this.#candidates.push(sender)
    this.#scheduleDrain()
  }

  #opened(sender: PartitionSender, dueAtMs: number): void {
    this.#active.add(sender)
    if (this.#shared.settings.lingerMs === 0 || this.#shared.hurried()) this.#wake(sender)
    else this.#timer.wakeAt(dueAtMs)
    this.#timer.wakeAt(dueAtMs - this.#shared.settings.lingerMs + this.#shared.sendDeadlineMs)
  }

  #scheduleDrain(): void {
    if (this.#isDrainSet) return
    this.#isDrainSet = true
    setImmediate(this.#drain)
  }

  /** Sends what can be sent now. */
  readonly #drain = (): void => {
    this.#isDrainSet = false
    if (this.#candidates.length === 0) return
    if (!this.#canSend()) return
    const nowMs = this.#deps.clock.monotonicMs()
    const candidates = this.#candidates
    this.#candidates = []
    const byLeader = new Map<number, Parcel[]>()
    for (const sender of candidates) {
      sender.queued = false
      const leader = this.#cluster.leader(sender.topic, sender.partition)
      const heldBackUntilMs = leader === undefined ? 0 : this.#dispatcher.heldBackUntilMs(leader.nodeId)
      if (heldBackUntilMs > nowMs && sender.backlog > 0) {
        // The open batch goes on filling meanwhile.
        sender.note(`broker ${leader!.nodeId} slows this client down for its quota`)
        this.#timer.wakeAt(heldBackUntilMs)
        continue
      }
      if (!sender.ready(nowMs)) {
        if (sender.backlog === 0) this.#active.delete(sender)
        else this.#timer.wakeAt(sender.dueAtMs())
        continue
      }
      if (leader === undefined) {
        this.#findLeader(sender)
        continue
      }
      if (!this.#ids.ready()) {
        this.#wake(sender)
        continue
      }
      const parcel = { sender, batch: sender.take() }
      const same = byLeader.get(leader.nodeId)
      if (same === undefined) byLeader.set(leader.nodeId, [parcel])
      else same.push(parcel)
    }
    for (const [nodeId, parcels] of byLeader) {
      this.#dispatcher.send(nodeId, parcels, this.#shared.settings.requestTimeoutMs)
    }
  }

  /** Whether the producer id is known; asks for it if not, and drains again when it is there. */
  #canSend(): boolean {
    const refusal = this.#ids.takeRefusal()
    if (refusal !== undefined) {
      this.#failAll(refusal)
      return false
    }
    return this.#ids.ready()
  }

  #failAll(error: MqError): void {
    for (const sender of this.#active) sender.abort(error)
    // Nothing is left to send: what comes next asks again.
    for (const sender of this.#candidates) sender.queued = false
    this.#candidates = []
  }

  #findLeader(sender: PartitionSender): void {
    const { topic } = sender
    sender.note('no leader of the partition is known')
    this.#timer.wakeAt(this.#deps.clock.monotonicMs() + LEADER_PAUSE_MS)
    if (this.#findingLeaders.has(topic)) return
    this.#findingLeaders.add(topic)
    const found = (): void => {
      this.#findingLeaders.delete(topic)
      if (this.#stop.signal.aborted) return
      for (const other of this.#active) {
        if (other.topic === topic && this.#cluster.leader(topic, other.partition) !== undefined) this.#wake(other)
      }
    }
    this.#cluster.metadata([topic], { refresh: true }).then(found, found)
  }

  /** @returns the next deadline of a send that waits for memory */
  #expireWaiting(nowMs: number): number {
    for (const send of this.#waiting.takeOverdue(nowMs)) {
      const error = neverSent(send, this.#shared.label, this.#deadlineMs)
      send.reject(error)
      this.#shared.observer.onFailure?.(1, error)
    }
    return this.#waiting.earliestMs
  }

  #tick(): void {
    const nowMs = this.#deps.clock.monotonicMs()
    let nextMs = this.#dispatcher.expire(nowMs)
    nextMs = Math.min(nextMs, this.#expireWaiting(nowMs))
    for (const sender of this.#active) {
      sender.expire(nowMs)
      nextMs = Math.min(nextMs, sender.earliestMs)
      const dueAtMs = sender.dueAtMs()
      if (dueAtMs <= nowMs || sender.backlog === 0 || this.#shared.hurried()) this.#wake(sender)
      else nextMs = Math.min(nextMs, dueAtMs)
    }
    if (nextMs !== Number.POSITIVE_INFINITY) this.#timer.wakeAt(nextMs)
  }
}
