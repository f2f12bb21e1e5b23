/**
 * Committing and reading the offsets of a group.
 *
 * F1. Only partitions that are owned at that moment are committed, also at every retry: what was lost meanwhile is refused with
 *     MQ_GROUP_FENCED, and the rest is committed all the same.
 * F2. An epoch that moved on during a commit is no failure: the commit goes out again under the new one.
 * F3. A partition without a committed offset has no entry: never offset -1.
 * F4. Every call ends within its time limit.
 * F5. A position belongs to a topic, not to its name. One of a topic that was deleted is not committed for the topic that has its
 *     name now (MQ_TOPIC_RECREATED), and one that got there all the same, by a broker that goes by names, is not read: its note says
 *     whose it is.
 */
import { MqError } from '@mq/contract'
import { backoffMs, type Deps, sleep } from '@mq/contract/timing'
import type { Connection } from '@platformatic/kafka'
import { KafkaCode, kafkaCodeOf, protocolError, toMqError } from '../protocol/kafka-errors.ts'
import { type IdentifiedPartition, sendOffsetCommit, sendOffsetFetch } from '../protocol/offset-requests.ts'
import { decodeCommitMetadata, encodeCommitMetadata, topicIdOf } from './commit-metadata.ts'
import type { Coordinator } from './coordinator.ts'
import { type CommitOffset, type GroupCluster, type Identity, nameOf, type Position } from './types.ts'

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
/** Goes out again without what is finished beyond the positions. */
const SHORTER: ReadonlySet<number> = new Set([KafkaCode.OFFSET_METADATA_TOO_LARGE])

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
    const outlived: CommitOffset[] = []
    let left: readonly CommitOffset[] = offsets
    let isBrief = false
    await this.#retried(`commit offsets of group ${this.#options.groupId}`, async () => {
      left = left.filter((one) => {
        const isOwned = this.#options.owns(one.topic, one.partition)
        if (!isOwned) refused.push(one)
        return isOwned
      })
      if (left.length === 0) return undefined
      const identity = this.#options.identity()
      if (identity === undefined) return toMqError(KafkaCode.UNKNOWN_MEMBER_ID, 'the member is joining its group')
      const codes = await this.#commitOnce(left, identity, isBrief)
      const codeOf = (one: CommitOffset): number => codes.get(nameOf(one)) ?? KafkaCode.UNKNOWN_TOPIC_OR_PARTITION
      left = left.filter((one) => codeOf(one) !== KafkaCode.NONE)
      // The broker takes shorter notes than is usual: a position without what is finished beyond it is better than none.
      isBrief ||= left.some((one) => codeOf(one) === KafkaCode.OFFSET_METADATA_TOO_LARGE)
      const gone = await this.#recreated(left.filter((one) => codeOf(one) === KafkaCode.UNKNOWN_TOPIC_ID))
      outlived.push(...gone)
      left = left.filter((one) => !gone.includes(one))
      const [first] = left
      if (first === undefined) return undefined
      this.#noteCodes([...codes.values()])
      return toMqError(
        codeOf(first),
        `commit offset ${first.offset} of ${nameOf(first)} for group ${this.#options.groupId}`,
      )
    })
    if (outlived.length > 0) {
      const names = outlived.map(nameOf).join(', ')
      const what = `positions of ${names} belong to a topic that was deleted and created again; they were not committed`
      throw new MqError('MQ_TOPIC_RECREATED', `Group ${this.#options.groupId}: ${what}`)
    }
    if (refused.length > 0) {
      const names = refused.map(nameOf).join(', ')
      throw new MqError('MQ_GROUP_FENCED', `Group ${this.#options.groupId} took ${names} away before the commit`)
    }
  }

  /** Once, under an identity that the member may not have any more: the broker decides. @throws what it refuses first */
  async commitAs(identity: Identity, offsets: readonly CommitOffset[]): Promise<void> {
    if (offsets.length === 0) return
    const codes = await this.#commitOnce(offsets, identity, false)
    for (const one of offsets) {
      const code = codes.get(nameOf(one)) ?? KafkaCode.UNKNOWN_TOPIC_OR_PARTITION
      if (code !== KafkaCode.NONE) throw toMqError(code, `commit offset ${one.offset} of ${nameOf(one)}`)
    }
  }

  /** By `topic:partition`; where the id of the topic is given, only what belongs to that very topic (F5). */
  async positions(partitions: readonly IdentifiedPartition[]): Promise<Map<string, Position>> {
    const { groupId } = this.#options
    const found = new Map<string, Position>()
    if (partitions.length === 0) return found
    const ids = new Map(partitions.map((one) => [nameOf(one), topicIdOf(one.topicId)]))
    await this.#retried(`read the committed offsets of group ${groupId}`, async () => {
      const stored = await this.#request('read committed offsets', (connection) =>
        sendOffsetFetch(connection, groupId, partitions),
      )
      found.clear()
      for (const [name, { offset, metadata }] of stored) {
        const note = decodeCommitMetadata(offset, metadata)
        const topicId = ids.get(name)
        if (topicId !== undefined && note?.topicId !== undefined && note.topicId !== topicId) continue
        const { finished = [], leaderEpoch, failing } = note ?? {}
        found.set(name, { offset, finished, leaderEpoch, ...(failing === undefined ? {} : { failing }) })
      }
      return undefined
    })
    return found
  }

  /** @returns the answer's code for each partition */
  async #commitOnce(
    offsets: readonly CommitOffset[],
    identity: Identity,
    isBrief: boolean,
  ): Promise<Map<string, number>> {
    const { groupId, instanceId = null } = this.#options
    const as = { groupId, memberId: identity.memberId, epoch: identity.epoch, instanceId }
    const noted = offsets.map(({ topic, partition, offset, topicId, finished = [], failing, leaderEpoch }) => ({
      topic,
      partition,
      topicId,
      offset,
      metadata: encodeCommitMetadata(
        offset,
        isBrief ? { topicId, finished: [], leaderEpoch } : { topicId, finished, leaderEpoch, failing },
      ),
    }))
    return await this.#request('commit offsets', (connection) => sendOffsetCommit(connection, as, noted))
  }

  /** Which of them belong to a topic that is not there any more; a broker may also not have heard of a new one yet. */
  async #recreated(unknown: readonly CommitOffset[]): Promise<CommitOffset[]> {
    if (unknown.length === 0) return []
    const names = [...new Set(unknown.map(({ topic }) => topic))]
    const topics = await this.#options.cluster.metadata(names, { refresh: true })
    const ids = new Map(
      topics.map(({ name, id, errorCode = 0 }) => [name, errorCode === 0 ? topicIdOf(id) : undefined]),
    )
    return unknown.filter(({ topic, topicId }) => ids.get(topic) !== topicIdOf(topicId))
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
          : EPOCH_MOVED.has(code) || SHORTER.has(code) || (protocolError(code).retriable && !PUT_OUT.has(code))
      const pauseMs = backoffMs(failures, deps.random)
      if (!canPass || deps.clock.monotonicMs() + pauseMs > endMs) throw problem
      await sleep(deps, pauseMs)
    }
  }
}
