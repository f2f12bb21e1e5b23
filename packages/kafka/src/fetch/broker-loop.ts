/**
 * Fetching from one broker: a request is always under way while a partition there has room, and the next leaves before the
 * records of the last are decoded.
 *
 * L1. One request at a time, as a broker answers a connection's requests in turn anyway.
 * L2. A request holds only partitions with room. While others of this broker wait for room it polls briefly, so that they are not
 *     kept waiting by an idle one.
 * L3. Partitions take turns at the front, as a broker fills a response in the order of the request.
 * L4. A broker that sends nothing for `STALL_MS` beyond the poll counts as away: a stopped process keeps its connections open. How much it
 *     is asked for at a time is in response-size.ts.
 * L5. A failed request closes the link; every partition in it goes back to be located.
 * L6. A broker that slows this client down for its quota says for how long, and then answers without any partition: nothing is
 *     wrong with them, and nothing is asked of it until that time has passed.
 */
import { type ConsumerSettings, MqError } from '@mq/contract'
import type { Deps, TimerHandle } from '@mq/contract/timing'
import type {
  FetchedPartition,
  FetchRequest,
  FetchResponse,
  FetchPartition as RequestPartition,
} from '../protocol/fetch-request.ts'
import { toMqError } from '../protocol/kafka-errors.ts'
import type { FetchLink, FetchNetwork } from './fetch-network.ts'
import type { FetchPartition, FetchPhase } from './fetch-partition.ts'
import { ResponseSize } from './response-size.ts'

/** A broker holds a poll no longer, whatever the settings say: a request times out at the library after 30 seconds. */
const MAX_WAIT_MS = 15_000
const BRIEF_WAIT_MS = 25
export const STALL_MS = 10_000
const MIN_PARTITION_BYTES = 16 * 1024
/** The quota may be raised meanwhile: then it is asked again, whatever it said. */
const MAX_THROTTLE_MS = 300_000

export interface LoopOwner {
  readonly settings: ConsumerSettings
  readonly network: FetchNetwork
  readonly deps: Deps
  /** The partitions led by this broker that may be asked for, in no order, and how many bytes one may hold. */
  candidates(nodeId: number): { partitions: FetchPartition[]; shareBytes: number; roomBytes: number }
  onResult(partition: FetchPartition, result: FetchedPartition | undefined, answer: Answer): void
  onFailure(partition: FetchPartition, error: unknown): void
  /** A request leaves. */
  onRequest?(): void
  /** A broker slows this client down for its quota, by that long (L6). */
  onThrottled?(throttleMs: number): void
  /** All results of one response were handed over; whether it named topics by id. */
  onResponse(byId: boolean): void
}

export interface Answer {
  readonly response: FetchResponse
  /** As it was asked for: only then does the broker tell what was aborted. */
  readonly isolation: ConsumerSettings['isolation']
}

interface Asked {
  readonly partition: FetchPartition
  /** As long as the partition is in this very phase, the answer is still wanted (S3). */
  readonly phase: FetchPhase
}

export class BrokerLoop {
  readonly #owner: LoopOwner
  readonly #nodeId: number
  #link: Promise<FetchLink> | undefined
  #state: 'idle' | 'scheduled' | 'asking' | 'closed' = 'idle'
  #throttle: TimerHandle | undefined
  #turn = 0
  readonly #size = new ResponseSize()

  constructor(owner: LoopOwner, nodeId: number) {
    this.#owner = owner
    this.#nodeId = nodeId
  }

  /** Something changed: asks if there is anything to ask, after the current turn, so that many changes make one request. */
  wake(): void {
    if (this.#state !== 'idle' || this.#throttle !== undefined) return
    this.#state = 'scheduled'
    queueMicrotask(() => {
      if (this.#state !== 'scheduled') return
      this.#state = 'idle'
      this.#ask()
    })
  }

  link(): Promise<FetchLink> {
    this.#link ??= this.#owner.network.open(this.#nodeId)
    return this.#link
  }

  close(): void {
    this.#state = 'closed'
    if (this.#throttle !== undefined) this.#owner.deps.timers.clearTimeout(this.#throttle)
    this.#dropLink()
  }

  #dropLink(): void {
    const link = this.#link
    this.#link = undefined
    link?.then(
      (open) => open.close(),
      () => {},
    )
  }

  #ask(): void {
    const { partitions, shareBytes, roomBytes } = this.#owner.candidates(this.#nodeId)
    const asked = this.#inTurn(partitions.filter((partition) => partition.heldBytes * 2 <= shareBytes))
    if (asked.length === 0) return
    this.#state = 'asking'
    void this.#exchange(asked, shareBytes, roomBytes, asked.length < partitions.length)
  }

  async #exchange(
    partitions: readonly FetchPartition[],
    shareBytes: number,
    roomBytes: number,
    someWaitForRoom: boolean,
  ): Promise<void> {
    const asked: Asked[] = []
    for (const partition of partitions) {
      if (partition.phase.kind !== 'ready') continue
      const phase = { ...partition.phase, kind: 'fetching' } as const
      partition.phase = phase
      asked.push({ partition, phase })
    }
    try {
      const request = this.#request(partitions, shareBytes, roomBytes, someWaitForRoom)
      const link = await this.link()
      this.#owner.onRequest?.()
      const { clock } = this.#owner.deps
      const askedMs = clock.monotonicMs()
      const response = await this.#unlessStalled(link, link.fetch(request), request)
      if (this.#is('closed')) return
      this.#size.answered(request.maxBytes, response.buffer.length, clock.monotonicMs() - askedMs)
      this.#state = 'idle'
      this.#take(asked, { response, isolation: request.isolation })
    } catch (error) {
      if (this.#is('closed')) return
      this.#state = 'idle'
      this.#dropLink()
      for (const { partition, phase } of asked) {
        if (partition.phase === phase) this.#owner.onFailure(partition, error)
      }
    }
    this.wake()
  }

  /** The answer, or MQ_KAFKA_TIMEOUT once nothing arrives any more (L4). */
  #unlessStalled(link: FetchLink, answer: Promise<FetchResponse>, request: FetchRequest): Promise<FetchResponse> {
    const { timers } = this.#owner.deps
    return new Promise((resolve, reject) => {
      let received = link.receivedBytes
      const check = () => {
        if (link.receivedBytes > received) {
          received = link.receivedBytes
          timer = timers.setTimeout(check, STALL_MS)
          timer.unref()
          return
        }
        this.#size.stalled(request.maxBytes)
        reject(new MqError('MQ_KAFKA_TIMEOUT', `broker ${this.#nodeId} sent nothing for ${STALL_MS} ms in a fetch`))
      }
      let timer = timers.setTimeout(check, request.maxWaitMs + STALL_MS)
      timer.unref()
      answer.then(resolve, reject).finally(() => timers.clearTimeout(timer))
    })
  }

  // The state may change during an await; the check of the compiler does not know.
  #is(state: string): boolean {
    return this.#state === state
  }

  #request(partitions: readonly FetchPartition[], shareBytes: number, roomBytes: number, brief: boolean): FetchRequest {
    const { settings } = this.#owner
    const topics = new Map<string, { name: string; id: string; partitions: RequestPartition[] }>()
    for (const partition of partitions) {
      let topic = topics.get(partition.topic)
      if (topic === undefined) {
        topic = { name: partition.topic, id: partition.topicId ?? '', partitions: [] }
        topics.set(partition.topic, topic)
      }
      const room = Math.max(MIN_PARTITION_BYTES, shareBytes - partition.heldBytes, partition.wantedBytes)
      topic.partitions.push({
        partition: partition.partition,
        leaderEpoch: partition.phase.kind === 'fetching' ? partition.phase.leaderEpoch : -1,
        offset: partition.fetchOffset,
        maxBytes: Math.min(room, 0x7fffffff),
      })
    }
    const waitMs = brief ? Math.min(settings.fetchMaxWaitMs, BRIEF_WAIT_MS) : settings.fetchMaxWaitMs
    return {
      maxWaitMs: Math.min(waitMs, MAX_WAIT_MS),
      minBytes: settings.fetchMinBytes,
      maxBytes: this.#size.within(roomBytes),
      isolation: settings.isolation,
      topics: [...topics.values()],
    }
  }

  #take(asked: readonly Asked[], answer: Answer): void {
    const { response } = answer
    if (response.errorCode !== 0) throw toMqError(response.errorCode, `fetch from broker ${this.#nodeId}`)
    const results = new Map<string, FetchedPartition>()
    for (const topic of response.topics) {
      for (const partition of topic.partitions) results.set(`${partition.partition}:${topic.topic}`, partition)
    }
    const isHeldBack = response.throttleMs > 0 && response.topics.length === 0
    for (const { partition, phase } of asked) {
      // Removed, halted or rewound meanwhile: nobody waits for the answer any more.
      if (partition.phase !== phase || phase.kind !== 'fetching') continue
      partition.phase = { kind: 'ready', nodeId: phase.nodeId, leaderEpoch: phase.leaderEpoch }
      if (isHeldBack) continue
      this.#owner.onResult(partition, results.get(`${partition.partition}:${partition.topic}`), answer)
    }
    if (response.throttleMs > 0) {
      this.#pause(Math.min(response.throttleMs, MAX_THROTTLE_MS))
      this.#owner.onThrottled?.(response.throttleMs)
    } else this.#ask()
    this.#owner.onResponse(response.byId)
  }

  #pause(delayMs: number): void {
    this.#throttle = this.#owner.deps.timers.setTimeout(() => {
      this.#throttle = undefined
      this.wake()
    }, delayMs)
  }

  /** The list, begun at another place each time (L3). */
  #inTurn(partitions: FetchPartition[]): FetchPartition[] {
    if (partitions.length < 2) return partitions
    this.#turn = (this.#turn + 1) % partitions.length
    return [...partitions.slice(this.#turn), ...partitions.slice(0, this.#turn)]
  }
}
