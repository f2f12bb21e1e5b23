/**
 * Finding the leaders of partitions for the fetcher: many askers, one metadata request.
 *
 * J1. A topic counts as missing only when brokers said so for `MISSING_GRACE_MS`: a new topic takes a moment to be known everywhere.
 * J2. A topic whose id changed was deleted and created again: its offsets mean something else now, so reading on is refused.
 *     The id is that which the reader's offset belongs to, or the first that was seen.
 */
import { MqError } from '@mq/contract'
import type { FetchNetwork, LocatedTopic } from '../fetch/fetch-network.ts'
import type { FetchPartition } from '../fetch/fetch-partition.ts'
import { KafkaCode, toMqError } from '../protocol/kafka-errors.ts'

export const MISSING_GRACE_MS = 5_000

export type Whereabouts =
  | { readonly kind: 'leader'; readonly nodeId: number; readonly leaderEpoch: number; readonly topicId: string }
  /** Another topic has the name now (J2). */
  | { readonly kind: 'recreated'; readonly topicId: string; readonly error: MqError }
  /** Try again after a pause. */
  | { readonly kind: 'unknown'; readonly error: MqError }
  | { readonly kind: 'gone'; readonly error: MqError }

export class LeaderFinder {
  readonly #network: FetchNetwork
  readonly #nowMs: () => number
  readonly #onFound: (partition: FetchPartition, whereabouts: Whereabouts) => void
  #waiting = new Map<FetchPartition, boolean>()
  #isAsking = false

  constructor(
    network: FetchNetwork,
    nowMs: () => number,
    onFound: (partition: FetchPartition, whereabouts: Whereabouts) => void,
  ) {
    this.#network = network
    this.#nowMs = nowMs
    this.#onFound = onFound
  }

  /** Answers later through `onFound`; for a partition asked about several times, once. */
  find(partition: FetchPartition, refresh: boolean): void {
    this.#waiting.set(partition, refresh || this.#waiting.get(partition) === true)
    if (this.#isAsking) return
    this.#isAsking = true
    queueMicrotask(() => void this.#ask())
  }

  async #ask(): Promise<void> {
    while (this.#waiting.size > 0) {
      const waiting = this.#waiting
      this.#waiting = new Map()
      const topics = [...new Set([...waiting.keys()].map((partition) => partition.topic))]
      let answer: (partition: FetchPartition) => Whereabouts
      try {
        const found = await this.#network.locate(topics, [...waiting.values()].includes(true))
        const byName = new Map(found.map((topic) => [topic.name, topic]))
        answer = (partition) => this.#whereabouts(partition, byName.get(partition.topic))
      } catch (error) {
        answer = (partition) => this.#asMissing(partition, toMqError(error, `find the leader of ${nameOf(partition)}`))
      }
      for (const partition of waiting.keys()) {
        if (partition.phase.kind === 'locating') this.#onFound(partition, answer(partition))
      }
    }
    this.#isAsking = false
  }

  #whereabouts(partition: FetchPartition, topic: LocatedTopic | undefined): Whereabouts {
    const code = topic?.errorCode ?? 0
    if (topic === undefined || code === KafkaCode.UNKNOWN_TOPIC_OR_PARTITION || code === KafkaCode.UNKNOWN_TOPIC_ID) {
      return this.#asMissing(partition, missing(partition, `topic ${partition.topic} does not exist`))
    }
    if (code !== 0) {
      const error = toMqError(code, `find the leader of ${nameOf(partition)}`)
      return { kind: 'unknown', error }
    }
    if (partition.topicId !== undefined && partition.topicId !== topic.id) {
      const what = `topic ${partition.topic} was deleted and created again: its id was ${partition.topicId} and is ${topic.id}`
      const details = { topic: partition.topic, partition: partition.partition }
      return { kind: 'recreated', topicId: topic.id, error: new MqError('MQ_TOPIC_RECREATED', what, { details }) }
    }
    const found = topic.partitions.find((candidate) => candidate.index === partition.partition)
    if (found === undefined) {
      const what = `topic ${partition.topic} has ${topic.partitions.length} partitions and no partition ${partition.partition}`
      return this.#asMissing(partition, missing(partition, what))
    }
    partition.missingSinceMs = undefined
    if (found.leader < 0) {
      const error = new MqError('MQ_KAFKA_UNAVAILABLE', `${nameOf(partition)} has no leader at the moment`)
      return { kind: 'unknown', error }
    }
    return { kind: 'leader', nodeId: found.leader, leaderEpoch: found.leaderEpoch, topicId: topic.id }
  }

  #asMissing(partition: FetchPartition, error: MqError): Whereabouts {
    if (error.code !== 'MQ_TOPIC_MISSING') {
      return { kind: 'unknown', error }
    }
    const now = this.#nowMs()
    partition.missingSinceMs ??= now
    return now - partition.missingSinceMs < MISSING_GRACE_MS ? { kind: 'unknown', error } : { kind: 'gone', error }
  }
}

const nameOf = (partition: FetchPartition): string => `${partition.topic}/${partition.partition}`

const missing = (partition: FetchPartition, what: string): MqError =>
  new MqError('MQ_TOPIC_MISSING', what, { details: { topic: partition.topic, partition: partition.partition } })
