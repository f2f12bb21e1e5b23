/**
 * Reads partitions ahead of the handlers and hands out their batches in order.
 *
 * F1. Per partition batches come in offset order, each once, from the offset given to `add`; after `remove`, or a new `add`, not one
 *     more of the old assignment.
 * F2. What is read ahead is bounded: fetched bytes and handed-out bytes each stay within `readAheadBytes`, save for one response or
 *     batch that is larger. Each partition has a share, so that a stuck one never starves the others.
 * F3. Nothing is skipped in silence. A damaged batch is fetched again `CORRUPT_RETRIES` times and then reported; data that a codec
 *     refuses, a foreign format, a lost range and a missing topic are reported at once. Then the partition stands still (halted).
 * F4. Every other failure is retried for ever, with growing pauses (final-errors.ts). One that mends itself (leader moved, broker away,
 *     timeout) is reported when it has happened `REPORT_AFTER_FAILURES` times in a row; one that a person has to mend, as a right that
 *     is missing, at once and then every `REPORT_AGAIN_MS`.
 * F5. A paused partition hands out nothing, also nothing that was read before; it keeps its place.
 * F6. An offset belongs to a topic, not to its name: when another topic has the name, nothing of it is read, and that is reported.
 *     Brokers that are asked by id say so; where they are asked by name (Kafka before 3.1) the id is looked up every
 *     `VERIFY_EVERY_MS`.
 */
import { type ConsumerSettings, MqError } from '@mq/contract'
import { type BackoffLimits, backoffMs, DEFAULT_BACKOFF, type Deps, systemDeps } from '@mq/contract/timing'
import { topicIdOf } from '../group/commit-metadata.ts'
import { pausesFor } from '../group/trouble.ts'
import { LeaderFinder } from '../net/leader-finder.ts'
import type { FetchedPartition } from '../protocol/fetch-request.ts'
import { fateOf, isFinal } from '../protocol/final-errors.ts'
import { KafkaCode, toMqError } from '../protocol/kafka-errors.ts'
import { BatchDecoder } from '../records/batch-decoder.ts'
import { announcedBytes, readBatchHeader } from '../records/batch-header.ts'
import { BatchQueue } from './batch-queue.ts'
import { type Answer, BrokerLoop, type LoopOwner } from './broker-loop.ts'
import { ClusterFetchNetwork, type FetchCluster, type FetchNetwork } from './fetch-network.ts'
import { FetchPartition } from './fetch-partition.ts'
import type { FetchedBatch } from './fetched-batch.ts'

/** What a batch may grow to: far above Kafka's own limits, far below what hurts. */
export const MAX_BATCH_BYTES = 128 * 1024 * 1024
export const CORRUPT_RETRIES = 3
export const REPORT_AFTER_FAILURES = 5
export const REPORT_AGAIN_MS = 30_000
const VERIFY_EVERY_MS = 5_000
const MIN_SHARE_BYTES = 32 * 1024

export interface OffsetOutOfRange {
  readonly topic: string
  readonly partition: number
  readonly requested: bigint
  readonly earliest: bigint
  readonly latest: bigint
  /** Records between the requested offset and the earliest one left; zero when the log ends before the requested offset. */
  readonly lostRecords: bigint
}

export interface FetcherOptions {
  readonly cluster: FetchCluster
  readonly settings: ConsumerSettings
  readonly deps?: Deps
  /** Takes the place of the cluster's network. */
  readonly network?: FetchNetwork
  readonly onBatch: (batch: FetchedBatch) => void
  /** The fetcher goes on by itself (F4), unless `isHalted`: then the partition stands still until it is added again (F3). */
  readonly onError: (topic: string, partition: number, error: MqError, isHalted: boolean) => void
  /** A fetch request leaves for a broker. */
  readonly onRequest?: () => void
  /** A broker slows this client down for its quota; reading goes on after that time. */
  readonly onThrottled?: (throttleMs: number) => void
  /** The partition stands still until it is added again at an offset that exists. Without it: onError with MQ_OFFSET_LOST. */
  readonly onOffsetOutOfRange?: (lost: OffsetOutOfRange) => void
  /** F6. The partition stands still until it is added again. Without it: onError with MQ_TOPIC_RECREATED. */
  readonly onTopicRecreated?: (topic: string, partition: number, topicId: string, error: MqError) => void
}

export class Fetcher {
  readonly #options: FetcherOptions
  readonly #deps: Deps
  readonly #network: FetchNetwork
  readonly #finder: LeaderFinder
  readonly #owner: LoopOwner
  readonly #partitions = new Map<string, FetchPartition>()
  readonly #loops = new Map<number, BrokerLoop>()
  readonly #delivery: BatchQueue
  #settings: ConsumerSettings
  #isClosed = false
  #verifyAtMs = 0

  constructor(options: FetcherOptions) {
    this.#options = options
    this.#deps = options.deps ?? systemDeps
    this.#network = options.network ?? new ClusterFetchNetwork(options.cluster)
    this.#settings = options.settings
    this.#delivery = new BatchQueue({
      shareBytes: options.settings.readAheadBytes,
      onBatch: options.onBatch,
      onDamage: (partition, error) => this.#onDamage(partition, error),
      onRefused: (partition, error) => this.#halt(partition, error),
      onRoom: (partition) => this.#onRoom(partition),
    })
    const monotonicMs = () => this.#deps.clock.monotonicMs()
    this.#finder = new LeaderFinder(this.#network, monotonicMs, (partition, found) => {
      if (found.kind === 'gone') this.#halt(partition, found.error)
      else if (found.kind === 'recreated') this.#onRecreated(partition, found.topicId, found.error)
      else if (found.kind === 'unknown') this.#retry(partition, found.error)
      else {
        partition.topicId = found.topicId
        partition.phase = { kind: 'ready', nodeId: found.nodeId, leaderEpoch: found.leaderEpoch }
        this.#loop(found.nodeId).wake()
      }
    })
    const settings = () => this.#settings
    this.#owner = {
      get settings() {
        return settings()
      },
      network: this.#network,
      deps: this.#deps,
      candidates: (nodeId) => this.#candidates(nodeId),
      onResult: (partition, result, answer) => this.#onResult(partition, result, answer),
      onFailure: (partition, error) => {
        this.#retry(partition, toMqError(error, `fetch ${partition.topic}/${partition.partition}`))
      },
      onRequest: () => options.onRequest?.(),
      onThrottled: (throttleMs) => options.onThrottled?.(throttleMs),
      onResponse: (byId) => {
        if (!byId) this.#verifyIds()
        this.#delivery.pump()
      },
    }
  }

  /**
   * Starts reading at the offset; a partition already followed starts anew there (F1).
   * @param topicId which topic the offset belongs to (F6); the one that is there when left out
   */
  add(topic: string, partition: number, offset: bigint, topicId?: string): void {
    if (this.#isClosed) throw new MqError('MQ_CLOSED', `the fetcher is closed; ${topic}/${partition} cannot be added`)
    if (offset < 0n || offset > BigInt(Number.MAX_SAFE_INTEGER)) {
      throw new MqError('MQ_OPTION_INVALID', `${offset} is not an offset to read ${topic}/${partition} from`)
    }
    this.remove(topic, partition)
    const added = new FetchPartition(topic, partition, Number(offset), topicIdOf(topicId))
    this.#partitions.set(keyOf(topic, partition), added)
    this.#finder.find(added, false)
  }

  /** Ends it at once; what was handed out still counts until it is released. */
  remove(topic: string, partition: number): void {
    const key = keyOf(topic, partition)
    const removed = this.#partitions.get(key)
    if (removed === undefined) return
    this.#partitions.delete(key)
    this.#stop(removed, 'removed')
  }

  pause(topic: string, partition: number): void {
    const paused = this.#partitions.get(keyOf(topic, partition))
    if (paused !== undefined) paused.paused = true
  }

  resume(topic: string, partition: number): void {
    const resumed = this.#partitions.get(keyOf(topic, partition))
    if (resumed === undefined || !resumed.paused) return
    resumed.paused = false
    this.#delivery.resume(resumed)
    this.#wakeLeader(resumed)
  }

  /** Takes effect with the next request. */
  update(settings: ConsumerSettings): void {
    this.#settings = settings
    for (const loop of this.#loops.values()) loop.wake()
  }

  /** After the last batch handed out. */
  position(topic: string, partition: number): bigint | undefined {
    const found = this.#partitions.get(keyOf(topic, partition))
    return found === undefined ? undefined : BigInt(found.deliveredOffset)
  }

  /** The end of the partition as its leader last said. */
  highWatermark(topic: string, partition: number): bigint | undefined {
    const known = this.#partitions.get(keyOf(topic, partition))?.highWatermark
    return known === undefined ? undefined : BigInt(known)
  }

  /** Bytes read ahead and handed out that were not released. */
  get heldBytes(): number {
    return this.#delivery.heldBytes
  }

  /** Hands out nothing more. A poll under way is cut off rather than waited for. */
  async close(): Promise<void> {
    this.#isClosed = true
    for (const partition of this.#partitions.values()) this.#stop(partition, 'removed')
    this.#partitions.clear()
    for (const loop of this.#loops.values()) loop.close()
    this.#loops.clear()
  }

  #loop(nodeId: number): BrokerLoop {
    let loop = this.#loops.get(nodeId)
    if (loop === undefined) {
      loop = new BrokerLoop(this.#owner, nodeId)
      this.#loops.set(nodeId, loop)
    }
    return loop
  }

  #wakeLeader(partition: FetchPartition): void {
    if (partition.phase.kind === 'ready') this.#loop(partition.phase.nodeId).wake()
  }

  #candidates(nodeId: number): { partitions: FetchPartition[]; shareBytes: number; roomBytes: number } {
    const partitions: FetchPartition[] = []
    let active = 0
    for (const partition of this.#partitions.values()) {
      if (partition.flowing || partition.heldBytes > 0) active += 1
      if (partition.phase.kind === 'ready' && partition.phase.nodeId === nodeId && !partition.paused) {
        partitions.push(partition)
      }
    }
    const limit = this.#settings.readAheadBytes
    const shareBytes = Math.max(MIN_SHARE_BYTES, Math.floor(limit / Math.max(1, active)))
    this.#delivery.shareBytes = shareBytes
    return { partitions, shareBytes, roomBytes: limit - this.#delivery.heldBytes }
  }

  #onResult(partition: FetchPartition, result: FetchedPartition | undefined, answer: Answer): void {
    if (result === undefined) {
      const what = `a broker left ${partition.topic}/${partition.partition} out of its fetch response`
      this.#retry(partition, new MqError('MQ_PROTOCOL_VIOLATION', what))
    } else if (result.errorCode === KafkaCode.OFFSET_OUT_OF_RANGE) {
      void this.#askRange(partition)
    } else if (result.errorCode !== 0) {
      this.#retry(partition, toMqError(result.errorCode, `fetch ${partition.topic}/${partition.partition}`))
    } else {
      partition.failures = 0
      partition.saidMs = Number.NEGATIVE_INFINITY
      partition.highWatermark = result.highWatermark
      partition.flowing = result.end > result.start
      if (partition.flowing) this.#read(partition, result, answer)
    }
  }

  /** Queues what came and moves the place to ask for next; decoding waits for its turn. */
  #read(partition: FetchPartition, result: FetchedPartition, answer: Answer): void {
    const { buffer } = answer.response
    const fetchOffset = partition.fetchOffset
    let at = result.start
    try {
      for (;;) {
        const header = readBatchHeader(buffer, at, result.end)
        if (header === undefined) break
        at = header.end
        partition.fetchOffset = Math.max(partition.fetchOffset, header.lastOffset + 1)
      }
    } catch {
      // The decoder comes to the same place and reports it, after the batches before it.
      at = result.end
    }
    if (at === result.start) {
      partition.wantedBytes = Math.min(announcedBytes(buffer, at, result.end) ?? 0, MAX_BATCH_BYTES)
      return
    }
    partition.wantedBytes = 0
    const decoder = new BatchDecoder({
      topic: partition.topic,
      partition: partition.partition,
      buffer,
      start: result.start,
      end: at,
      fetchOffset,
      aborted: answer.isolation === 'read_committed' ? result.aborted : undefined,
      maxBatchBytes: MAX_BATCH_BYTES,
    })
    this.#delivery.add(partition, { decoder, highWatermark: result.highWatermark, bytes: at - result.start })
  }

  #onRoom(partition: FetchPartition): void {
    if (partition.heldBytes * 2 <= this.#delivery.shareBytes) this.#wakeLeader(partition)
  }

  #onDamage(partition: FetchPartition, error: MqError): void {
    if (error.code !== 'MQ_BATCH_CORRUPT' || partition.corruptions >= CORRUPT_RETRIES) {
      this.#halt(partition, error)
      return
    }
    // It may have happened on the way: ask again from where delivery stopped.
    partition.corruptions += 1
    this.#delivery.discard(partition)
    this.#pause(partition, partition.corruptions)
  }

  async #askRange(partition: FetchPartition): Promise<void> {
    if (partition.phase.kind !== 'ready') return
    const { topic } = partition
    const loop = this.#loop(partition.phase.nodeId)
    const ranging = { kind: 'ranging' } as const
    partition.phase = ranging
    const isStillAsked = () => partition.phase === ranging
    try {
      const { earliest, latest } = await (await loop.link()).range(topic, partition.partition)
      if (!isStillAsked()) return
      const requested = partition.fetchOffset
      if (requested >= earliest && requested <= latest) {
        this.#retry(partition, toMqError(KafkaCode.OFFSET_OUT_OF_RANGE, `fetch ${topic}/${partition.partition}`))
        return
      }
      const lost = Math.max(0, earliest - requested)
      const what = `${topic}/${partition.partition} was to be read from offset ${requested} and holds ${earliest} to ${latest}: ${lost} records are lost`
      const details = { topic, partition: partition.partition, requested, earliest, latest, lost }
      const onOutOfRange = this.#options.onOffsetOutOfRange
      this.#halt(partition, onOutOfRange === undefined ? new MqError('MQ_OFFSET_LOST', what, { details }) : undefined)
      onOutOfRange?.({
        topic,
        partition: partition.partition,
        requested: BigInt(requested),
        earliest: BigInt(earliest),
        latest: BigInt(latest),
        lostRecords: BigInt(lost),
      })
    } catch (error) {
      if (isStillAsked())
        this.#retry(partition, toMqError(error, `ask how far ${topic}/${partition.partition} reaches`))
    }
  }

  /** Pauses and then looks for the leader afresh (F4). */
  #retry(partition: FetchPartition, error: MqError): void {
    if (partition.isOver) return
    if (isFinal(error)) {
      this.#halt(partition, error)
      return
    }
    partition.failures += 1
    this.#pause(partition, partition.failures, pausesFor(error))
    if (this.#isWorthSaying(partition, error)) this.#options.onError(partition.topic, partition.partition, error, false)
  }

  /** A topic that is missing may only be new to the broker. */
  #isWorthSaying(partition: FetchPartition, error: MqError): boolean {
    if (fateOf(error).by !== 'person' || error.code === 'MQ_TOPIC_MISSING') {
      return partition.failures === REPORT_AFTER_FAILURES
    }
    const nowMs = this.#deps.clock.monotonicMs()
    if (nowMs - partition.saidMs < REPORT_AGAIN_MS) return false
    partition.saidMs = nowMs
    return true
  }

  #pause(partition: FetchPartition, failures: number, limits: BackoffLimits = DEFAULT_BACKOFF): void {
    if (partition.phase.kind === 'waiting') this.#deps.timers.clearTimeout(partition.phase.timer)
    const timer = this.#deps.timers.setTimeout(
      () => {
        partition.phase = { kind: 'locating' }
        this.#finder.find(partition, true)
      },
      backoffMs(failures, () => this.#deps.random(), limits),
    )
    partition.phase = { kind: 'waiting', timer }
  }

  #onRecreated(partition: FetchPartition, topicId: string, error: MqError): void {
    const onRecreated = this.#options.onTopicRecreated
    this.#halt(partition, onRecreated === undefined ? error : undefined)
    onRecreated?.(partition.topic, partition.partition, topicId, error)
  }

  /** F6, for answers that name topics and not their ids. */
  #verifyIds(): void {
    const nowMs = this.#deps.clock.monotonicMs()
    if (nowMs < this.#verifyAtMs) return
    this.#verifyAtMs = nowMs + VERIFY_EVERY_MS
    const topics = [...new Set([...this.#partitions.values()].map(({ topic }) => topic))]
    this.#network.locate(topics, true).then(
      (located) => {
        const ids = new Map(located.flatMap(({ name, id, errorCode = 0 }) => (errorCode === 0 ? [[name, id]] : [])))
        for (const partition of this.#partitions.values()) {
          const id = ids.get(partition.topic)
          if (id === undefined || partition.topicId === undefined || id === partition.topicId) continue
          // The finder says what is the matter, and to whom.
          if (partition.phase.kind !== 'ready' && partition.phase.kind !== 'fetching') continue
          this.#delivery.discard(partition)
          partition.phase = { kind: 'locating' }
          this.#finder.find(partition, false)
        }
      },
      () => {
        // Looked up again with a later answer.
      },
    )
  }

  #halt(partition: FetchPartition, error: MqError | undefined): void {
    if (partition.isOver) return
    this.#stop(partition, 'halted')
    if (error !== undefined) this.#options.onError(partition.topic, partition.partition, error, true)
  }

  #stop(partition: FetchPartition, kind: 'halted' | 'removed'): void {
    if (partition.phase.kind === 'waiting') this.#deps.timers.clearTimeout(partition.phase.timer)
    partition.phase = { kind }
    this.#delivery.discard(partition)
  }
}

const keyOf = (topic: string, partition: number): string => `${partition}:${topic}`
