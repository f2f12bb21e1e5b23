/**
 * What members of a group and their two protocols have in common: options, partitions, the part of a cluster they use.
 */
import type { MqError } from '@mq/contract'
import type { Deps } from '@mq/contract/timing'
import type { Connection } from '@platformatic/kafka'
import type { FailingRecord, FinishedRange } from './commit-metadata.ts'

export interface TopicPartition {
  readonly topic: string
  readonly partition: number
}

/** A partition as a protocol knows it: a topic made anew under its old name is another topic. */
export interface Share extends TopicPartition {
  /** Empty where the protocol goes by names. */
  readonly topicId: string
}

export interface CommitOffset extends TopicPartition {
  /** The next offset to read. */
  readonly offset: bigint
  /** The topic that the position belongs to; left out where the cluster has no topic ids. */
  readonly topicId?: string | undefined
  /** What is finished beyond the position, what failed, and under which leader the newest of it was written. */
  readonly finished?: readonly FinishedRange[]
  readonly failing?: readonly FailingRecord[]
  readonly leaderEpoch?: number | undefined
}

/** A position as it was committed. */
export interface Position {
  readonly offset: bigint
  readonly finished: readonly FinishedRange[]
  readonly leaderEpoch: number | undefined
  /** Records that failed and were not finished. */
  readonly failing?: readonly FailingRecord[] | undefined
}

/** What a group needs of a cluster; `Cluster` has it. */
export interface GroupCluster {
  readonly name: string
  connection(nodeId: number, purpose: 'group'): Promise<Connection>
  anyConnection(purpose: 'group'): Promise<Connection>
  /** A connection of the caller's own, which the caller closes. */
  openConnection(nodeId: number, purpose: 'group', onRenewed?: (successor: Connection) => void): Promise<Connection>
  metadata(
    topics: readonly string[],
    options?: { readonly refresh?: boolean },
  ): Promise<
    readonly {
      readonly name: string
      readonly id: string
      readonly errorCode?: number | undefined
      readonly partitions: readonly { readonly index: number }[]
    }[]
  >
}

export interface GroupOptions {
  readonly cluster: GroupCluster
  readonly groupId: string
  readonly topics: readonly string[]
  /** `auto`: the consumer protocol (KIP-848) where the cluster has it, else `classic` with cooperative-sticky assignment. */
  readonly protocol?: 'auto' | 'consumer' | 'classic'
  /** Without a heartbeat for this long everything counts as lost; at most 45 s count under the consumer protocol. */
  readonly sessionTimeoutMs?: number
  /** How long `onRevoked` may take before the group goes on without this member. */
  readonly rebalanceTimeoutMs?: number
  /** A name that outlives the process: a restart within the session timeout then moves nothing. */
  readonly instanceId?: string
  readonly rackId?: string
  readonly deps?: Deps
  /** Under the consumer protocol: not longer than this between two heartbeats now; the broker's own interval when undefined. */
  heartbeatMs?(): number | undefined
  /** After it resolves the partitions are ours. A rejection ends the membership. */
  onAssigned(added: TopicPartition[]): Promise<void>
  /** Awaited before the group is told that they are free: finish and commit here. */
  onRevoked(removed: TopicPartition[]): Promise<void>
  /** Fenced or expired: others may have them already, nothing of them can be committed. May name a partition twice. */
  onLost(lost: TopicPartition[]): void
  /**
   * After `onLost`, before the group is joined again: what was finished of that and is not committed. It is committed where the broker
   * still knows the member, such as after an outage of all brokers, and is refused where others may have the partitions.
   */
  onRejoining?(): readonly CommitOffset[]
  /** Something failed and is tried again, or, with `isOver`, the membership is over. */
  onError(error: MqError, isOver: boolean): void
}

/** Who a member is to the broker when it commits. */
export interface Identity {
  readonly memberId: string
  /** Member epoch, or generation. */
  readonly epoch: number
}

/** What a protocol tells its member. */
export interface ProtocolEvents {
  /** An assignment was taken over. */
  onSettled(): void
  /** Commits what a member that is out by its own clock still has to say, under the identity that it had. */
  commitLate(identity: Identity): Promise<void>
}

/** One of the two ways to be in a group. */
export interface GroupProtocol {
  /** Nothing while the member is not in the group. */
  readonly identity: Identity | undefined
  /** Takes part until the signal fires; rejects when that is not possible any more. */
  run(signal: AbortSignal): Promise<void>
  /** Someone heard that we may be out: ask the broker now. */
  nudge(): void
  leave(timeoutMs: number): Promise<void>
  /** Ends the session here and now if its time is over: whoever slept through it must not go on first and hear of it later. */
  check(): void
}

export const nameOf = ({ topic, partition }: TopicPartition): string => `${topic}:${partition}`
