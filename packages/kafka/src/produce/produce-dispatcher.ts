/**
 * Puts batches that are ready together into requests, one or more per leader, and hands every answer to its partition.
 *
 * D1. Every batch handed in gets exactly one of: answered, unanswered, unsent.
 * D2. A request that is not answered within its time loses its connection, and with it all that were sent over it: only then
 *     is it certain that no late answer can come for a batch that is already being sent again.
 * D3. Requests of one leader are written in the order their batches were handed in.
 * D4. A broker that slows this client down for its quota is left alone for as long as it said (`heldBackUntilMs`). What it was
 *     sent before it said so has that much more time: the broker does not read it any earlier.
 * D5. The version of a request is that of its connection: leaders may differ. Where none fits, the partitions of that leader fail.
 * D6. A batch whose partition gave it up or away while its connection was being opened is not written.
 * D7. A broker that is silent, and not only slow (quiet-broker.ts), loses the connection long before the time of its requests is over; one
 *     that answers nothing while others lead what it was sent, as soon as that is heard.
 */
import { MqError } from '@mq/contract'
import type { Deps } from '@mq/contract/timing'
import type { Connection } from '@platformatic/kafka'
import { MOVED_MS, QuietBrokerCheck, SILENT_MS } from '../net/quiet-broker.ts'
import { noteThrottle, throttledUntilMs } from '../net/throttle.ts'
import { toMqError } from '../protocol/kafka-errors.ts'
import { type ProduceAnswer, type ProduceEntry, sendProduce } from '../protocol/produce-request.ts'
import * as requests from '../protocol/requests.ts'
import type { PartitionSender } from './partition-sender.ts'
import type { PendingBatch } from './pending-batch.ts'
import { outcomeOf } from './produce-outcome.ts'
import type { ProducerObserver } from './producer-observer.ts'
import type { ProduceCluster } from './producer-options.ts'

export interface Parcel {
  readonly sender: PartitionSender
  readonly batch: PendingBatch
}

export type DispatchCluster = Pick<ProduceCluster, 'connection' | 'markStale' | 'isAlive' | 'freshLeaders'>

interface Link {
  readonly nodeId: number
  readonly connection: Connection
  /** D5 */
  readonly version: number
}

interface UnderWay {
  readonly nodeId: number
  readonly connection: Connection
  readonly parcels: readonly Parcel[]
  readonly sentMs: number
  deadlineMs: number
}

/** The broker stops waiting for replicas somewhat before we stop waiting for the broker. */
const ACK_SHARE = 0.8
/** Requests beyond this are split, so that one is on the wire while the next is written. */
const REQUEST_BYTES = 1_048_576

export class ProduceDispatcher {
  readonly #cluster: DispatchCluster
  readonly #deps: Deps
  readonly #observer: ProducerObserver
  readonly #wakeAt: (monotonicMs: number) => void
  readonly #links = new Map<number, Link>()
  readonly #underWay = new Set<UnderWay>()
  readonly #onIdle: (() => void)[] = []
  /** When something last came over a connection. */
  readonly #heardMs = new WeakMap<Connection, number>()
  readonly #silence: QuietBrokerCheck
  readonly #moved: QuietBrokerCheck

  constructor(cluster: DispatchCluster, deps: Deps, observer: ProducerObserver, wakeAt: (monotonicMs: number) => void) {
    this.#cluster = cluster
    this.#deps = deps
    this.#observer = observer
    this.#wakeAt = wakeAt
    const nowMs = (): number => deps.clock.monotonicMs()
    const check = (afterMs: number, isGood: (nodeId: number) => Promise<boolean>): QuietBrokerCheck => {
      const ask = async (nodeId: number): Promise<boolean> => {
        const answer = await isGood(nodeId)
        wakeAt(nowMs() + afterMs)
        return answer
      }
      return new QuietBrokerCheck(ask, nowMs, afterMs)
    }
    this.#silence = check(SILENT_MS, async (nodeId) => (await cluster.isAlive?.(nodeId)) ?? true)
    this.#moved = check(MOVED_MS, (nodeId) => this.#stillLeads(nodeId))
  }

  send(nodeId: number, parcels: readonly Parcel[], requestTimeoutMs: number): void {
    const known = this.#links.get(nodeId)
    if (known?.connection.isConnected() === true) {
      this.#write(known, parcels, requestTimeoutMs)
      return
    }
    this.#link(nodeId).then(
      (link) => {
        this.#links.set(nodeId, link)
        const wanted = parcels.filter(({ sender, batch }) => sender.isSending(batch))
        if (wanted.length > 0) this.#write(link, wanted, requestTimeoutMs)
      },
      (error: unknown) => {
        const problem = toMqError(error, `connect to broker ${nodeId}`)
        this.#observer.onUnreachable?.(problem)
        for (const topic of new Set(parcels.map(({ sender }) => sender.topic))) this.#cluster.markStale(topic)
        for (const { sender, batch } of parcels) {
          sender.unsent(batch, problem.message)
          if (problem.code === 'MQ_KAFKA_VERSION') sender.abort(problem)
        }
      },
    )
  }

  /** Until when a leader wants nothing from us (D4), on the monotonic clock; 0 when it takes requests. */
  heldBackUntilMs(nodeId: number): number {
    const connection = this.#links.get(nodeId)?.connection
    return connection?.isConnected() === true ? throttledUntilMs(connection) : 0
  }

  async #link(nodeId: number): Promise<Link> {
    const connection = await this.#cluster.connection(nodeId, 'produce')
    return { nodeId, connection, version: await requests.produce.choose(connection) }
  }

  /** Resolves when no request waits for its answer. */
  idle(): Promise<void> {
    return this.#underWay.size === 0 ? Promise.resolve() : new Promise((resolve) => this.#onIdle.push(resolve))
  }

  /** D2. Returns when to look again; Infinity with nothing under way. */
  expire(nowMs: number): number {
    let next = Number.POSITIVE_INFINITY
    for (const request of this.#underWay) {
      if (nowMs >= request.deadlineMs) request.connection.socket?.destroy()
      else next = Math.min(next, request.deadlineMs, this.#lookForSilence(request))
    }
    return next
  }

  /** D7. @returns when to look again */
  #lookForSilence({ nodeId, connection, sentMs }: UnderWay): number {
    const quietSinceMs = Math.max(sentMs, this.#heardMs.get(connection) ?? 0, throttledUntilMs(connection))
    const giveUp = (why: string): void => {
      // What was heard meanwhile says more than the question.
      if ((this.#heardMs.get(connection) ?? 0) > quietSinceMs) return
      const quietMs = Math.round(this.#deps.clock.monotonicMs() - quietSinceMs)
      this.#observer.onUnreachable?.(new MqError('MQ_KAFKA_TIMEOUT', `broker ${nodeId} ${why} for ${quietMs} ms`))
      connection.socket?.destroy()
    }
    return Math.min(
      this.#silence.look(nodeId, quietSinceMs, () => giveUp('takes connections and has answered nothing')),
      this.#moved.look(nodeId, quietSinceMs, () =>
        giveUp('does not lead any more what it was sent, and has answered nothing'),
      ),
    )
  }

  /** Whether no other broker leads a partition of which this one was sent a batch that it has not answered. */
  async #stillLeads(nodeId: number): Promise<boolean> {
    const sent = [...this.#underWay].flatMap((request) => (request.nodeId === nodeId ? request.parcels : []))
    const leader = await this.#cluster.freshLeaders?.([...new Set(sent.map(({ sender }) => sender.topic))])
    return sent.every(({ sender }) => (leader?.(sender.topic, sender.partition) ?? nodeId) === nodeId)
  }

  #write(link: Link, parcels: readonly Parcel[], requestTimeoutMs: number): void {
    let from = 0
    let bytes = 0
    for (let at = 0; at < parcels.length; at++) {
      bytes += parcels[at]!.batch.wireBytes
      if (bytes >= REQUEST_BYTES || at === parcels.length - 1) {
        this.#writeOne(link, parcels.slice(from, at + 1), requestTimeoutMs)
        from = at + 1
        bytes = 0
      }
    }
  }

  #writeOne({ nodeId, connection, version }: Link, parcels: readonly Parcel[], requestTimeoutMs: number): void {
    const sentMs = this.#deps.clock.monotonicMs()
    const request: UnderWay = { nodeId, connection, parcels, sentMs, deadlineMs: sentMs + requestTimeoutMs }
    const entries: ProduceEntry[] = []
    for (const { sender, batch } of parcels) {
      if (batch.wire.kind !== 'ready') throw new RangeError(`A batch that is ${batch.wire.kind} cannot be sent`)
      const { header, records } = batch.wire
      batch.isWritten = true
      entries.push({ topic: sender.topic, partition: sender.partition, header, records })
    }
    this.#underWay.add(request)
    this.#wakeAt(Math.min(request.deadlineMs, sentMs + MOVED_MS))
    const ackTimeoutMs = Math.max(1, Math.floor(requestTimeoutMs * ACK_SHARE))
    sendProduce(connection, version, entries, ackTimeoutMs, (error, answer) => {
      this.#heardMs.set(connection, this.#deps.clock.monotonicMs())
      if (!this.#underWay.delete(request)) return
      if (error !== null || answer === undefined) this.#lost(parcels, error)
      else this.#answered(connection, parcels, answer)
      if (this.#underWay.size === 0) for (const resolve of this.#onIdle.splice(0)) resolve()
    })
  }

  #lost(parcels: readonly Parcel[], error: Error | null): void {
    const trouble = toMqError(error, 'produce request').message
    for (const topic of new Set(parcels.map(({ sender }) => sender.topic))) this.#cluster.markStale(topic)
    for (const { sender, batch } of parcels) sender.unanswered(batch, trouble)
  }

  #answered(connection: Connection, parcels: readonly Parcel[], answer: ProduceAnswer): void {
    const { results, throttledMs } = answer
    this.#observer.onRequest?.(throttledMs)
    if (throttledMs > 0) this.#holdBack(connection, throttledMs)
    for (let at = 0; at < parcels.length; at++) {
      const { sender, batch } = parcels[at]!
      const isThis = (result: (typeof results)[number] | undefined): boolean =>
        result !== undefined && result.partition === sender.partition && result.topic === sender.topic
      const result = isThis(results[at]) ? results[at] : results.find(isThis)
      if (result === undefined) sender.unanswered(batch, 'the broker left the batch out of its answer')
      else sender.answered(batch, outcomeOf(result))
    }
  }

  /** D4 */
  #holdBack(connection: Connection, throttledMs: number): void {
    noteThrottle(connection, throttledMs, this.#deps.clock.monotonicMs())
    for (const request of this.#underWay) if (request.connection === connection) request.deadlineMs += throttledMs
  }
}
