/**
 * Committing and reading the offsets of a group.
 *
 * F1. Only partitions that are owned at that moment are committed, also at every retry: what was lost meanwhile is refused with
 *     MQ_GROUP_FENCED, and the rest is committed all the same.
 * F2. An epoch that moved on during a commit is no failure: the commit goes out again under the new one.
 * F3. A partition without a committed offset has no entry: never offset -1.
 * F4. Every call ends within its time limit.
 */
import { MqError } from '@mq/contract'
import { type Connection, offsetCommitV8, offsetCommitV9, offsetFetchV8, offsetFetchV9 } from '@platformatic/kafka'
import { backoffMs, sleep } from './backoff.ts'
import type { Coordinator } from './coordinator.ts'
import type { Deps } from './deps.ts'
import { type CommitOffset, type GroupCluster, type Identity, nameOf, type TopicPartition } from './group-types.ts'
import { KafkaCode, kafkaCodeOf, protocolError, responseOf, toMqError } from './kafka-errors.ts'

const OFFSET_COMMIT = { 8: offsetCommitV8, 9: offsetCommitV9 } as const
const OFFSET_FETCH = { 8: offsetFetchV8, 9: offsetFetchV9 } as const
const OFFSET_COMMIT_API = 8
const OFFSET_FETCH_API = 9
const LIMIT_MS = 15_000
const REQUEST_MS = 5_000

/** The member's epoch moves on with its next heartbeat, and with it the commit goes through. */
const EPOCH_MOVED: ReadonlySet<number> = new Set([
  KafkaCode.STALE_MEMBER_EPOCH,
  KafkaCode.ILLEGAL_GENERATION,
  KafkaCode.REBALANCE_IN_PROGRESS,
])
const PUT_OUT: ReadonlySet<number> = new Set([
  KafkaCode.UNKNOWN_MEMBER_ID,
  KafkaCode.FENCED_MEMBER_EPOCH,
  KafkaCode.FENCED_INSTANCE_ID,
])

export interface GroupOffsetsOptions {
  readonly cluster: GroupCluster
  readonly groupId: string
  readonly instanceId: string | undefined
  readonly coordinator: Coordinator
  readonly deps: Deps
  identity(): Identity | undefined
  owns(topic: string, partition: number): boolean
  /** The broker's answer says that our membership is not what we think. */
  onDoubt(): void
}

export class GroupOffsets {
  readonly #options: GroupOffsetsOptions

  constructor(options: GroupOffsetsOptions) {
    this.#options = options
  }

  async commit(offsets: readonly CommitOffset[]): Promise<void> {
    const refused: CommitOffset[] = []
    let left: readonly CommitOffset[] = offsets
    await this.#retried(`commit offsets of group ${this.#options.groupId}`, async () => {
      left = left.filter((one) => {
        const isOwned = this.#options.owns(one.topic, one.partition)
        if (!isOwned) refused.push(one)
        return isOwned
      })
      if (left.length === 0) return undefined
      const identity = this.#options.identity()
      if (identity === undefined) return toMqError(KafkaCode.UNKNOWN_MEMBER_ID, 'the member is joining its group')
      const codes = await this.#commitOnce(left, identity)
      const failed = left.filter((one) => codes.get(nameOf(one)) !== KafkaCode.NONE)
      left = failed
      const [first] = failed
      if (first === undefined) return undefined
      const code = codes.get(nameOf(first)) ?? KafkaCode.UNKNOWN_TOPIC_OR_PARTITION
      if (failed.some((one) => (codes.get(nameOf(one)) ?? 0) !== 0)) this.#noteCodes([...codes.values()])
      return toMqError(code, `commit offset ${first.offset} of ${nameOf(first)} for group ${this.#options.groupId}`)
    })
    if (refused.length > 0) {
      const names = refused.map(nameOf).join(', ')
      throw new MqError('MQ_GROUP_FENCED', `Group ${this.#options.groupId} took ${names} away before the commit`)
    }
  }

  async committed(partitions: readonly TopicPartition[]): Promise<Map<string, bigint>> {
    const { cluster, groupId } = this.#options
    const found = new Map<string, bigint>()
    if (partitions.length === 0) return found
    const topics = topicsOf(partitions).map(([name, some]) => ({
      name,
      partitionIndexes: some.map(({ partition }) => partition),
    }))
    await this.#retried(`read the committed offsets of group ${groupId}`, async () => {
      const version = await cluster.apiVersion(OFFSET_FETCH_API, [8, 9])
      const { api } = OFFSET_FETCH[version as keyof typeof OFFSET_FETCH]
      // Stable only: an offset that a transaction may still take back is waited for.
      const answer = await this.#request('read committed offsets', (connection) =>
        api.async(connection, [{ groupId, memberId: null, memberEpoch: -1, topics }], true),
      )
      found.clear()
      for (const topic of answer.groups.find((group) => group.groupId === groupId)?.topics ?? []) {
        for (const { partitionIndex, committedOffset } of topic.partitions) {
          if (committedOffset < 0n) continue
          found.set(nameOf({ topic: topic.name, partition: partitionIndex }), committedOffset)
        }
      }
      return undefined
    })
    return found
  }

  /** @returns the answer's code for each partition */
  async #commitOnce(offsets: readonly CommitOffset[], identity: Identity): Promise<Map<string, number>> {
    const { cluster, groupId, instanceId = null } = this.#options
    const version = await cluster.apiVersion(OFFSET_COMMIT_API, [8, 9])
    const { api } = OFFSET_COMMIT[version as keyof typeof OFFSET_COMMIT]
    const topics = topicsOf(offsets).map(([name, some]) => ({
      name,
      partitions: some.map(({ partition, offset, metadata = null }) => ({
        partitionIndex: partition,
        committedOffset: offset,
        committedLeaderEpoch: -1,
        committedMetadata: metadata,
      })),
    }))
    let answer: offsetCommitV9.OffsetCommitResponse
    try {
      answer = await this.#request('commit offsets', (connection) =>
        api.async(connection, groupId, identity.epoch, identity.memberId, instanceId, topics),
      )
    } catch (error) {
      const partial = responseOf<offsetCommitV9.OffsetCommitResponse>(error)
      if (partial === undefined) throw error
      answer = partial
    }
    return new Map(
      answer.topics.flatMap(({ name, partitions }) =>
        partitions.map(({ partitionIndex, errorCode }) => [
          nameOf({ topic: name, partition: partitionIndex }),
          errorCode,
        ]),
      ),
    )
  }

  async #request<T>(what: string, call: (connection: Connection) => Promise<T>): Promise<T> {
    return await this.#options.coordinator.request('shared', what, call, { timeoutMs: REQUEST_MS })
  }

  #noteCodes(codes: readonly number[]): void {
    if (codes.some((code) => PUT_OUT.has(code) || EPOCH_MOVED.has(code))) this.#options.onDoubt()
  }

  /** Tries until `attempt` brings no error, one that cannot pass, or time is up. */
  async #retried(context: string, attempt: () => Promise<MqError | undefined>): Promise<void> {
    const { deps } = this.#options
    const endMs = deps.clock.monotonicMs() + LIMIT_MS
    for (let failures = 1; ; failures += 1) {
      let problem: MqError | undefined
      try {
        problem = await attempt()
      } catch (error) {
        problem = toMqError(error, context)
      }
      if (problem === undefined) return
      const code = kafkaCodeOf(problem)
      const canPass =
        code === undefined
          ? problem.retryable
          : EPOCH_MOVED.has(code) || (protocolError(code).retriable && !PUT_OUT.has(code))
      const pauseMs = backoffMs(failures, deps.random)
      if (!canPass || deps.clock.monotonicMs() + pauseMs > endMs) throw problem
      await sleep(deps, pauseMs)
    }
  }
}

function topicsOf<T extends TopicPartition>(partitions: readonly T[]): [string, T[]][] {
  return [...Map.groupBy(partitions, ({ topic }) => topic)]
}
