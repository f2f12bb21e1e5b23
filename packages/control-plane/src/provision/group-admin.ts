/**
 * What the groups of an mQ ID ask of a cluster: where one stands, what its offsets mean in time, and new positions for it.
 *
 * K1. Positions are set only for a group without members: Kafka refuses everything else, and that is the barrier that changes of
 *     positions rest on (groups/changes.ts).
 * K2. A position of a topic that is not there any more is none.
 */
import { MqError } from '@mq/contract'
import {
  Admin,
  type Cluster,
  encodeCommitMetadata,
  type FailingRecord,
  type FinishedRange,
  recordAt,
  sleep,
  topicIdOf,
} from '@mq/kafka'

/** A leader that is being elected is there soon. */
const LOOKS = 5
const LOOK_AGAIN_MS = 200

export interface StandingPosition {
  /** The next record the group has not confirmed. */
  readonly offset: bigint
  /** Finished beyond it. */
  readonly finished: readonly FinishedRange[]
  /** Under which leader the newest of what is told here was written. */
  readonly leaderEpoch: number | undefined
  /** Records that failed and are not finished. */
  readonly failing?: readonly FailingRecord[] | undefined
}

export interface StandingMember {
  readonly memberId: string
  readonly clientId: string
  readonly host: string
  /** Partitions of the topic that it holds. */
  readonly partitions: readonly number[]
}

/** A group as far as one topic is concerned. */
export interface GroupStanding {
  /** As Kafka writes it, such as `Stable`; null when there is no such group. */
  readonly state: string | null
  readonly members: readonly StandingMember[]
  readonly positions: ReadonlyMap<number, StandingPosition>
}

export interface RecordSight {
  readonly offset: bigint
  readonly timestampMs: number
  readonly leaderEpoch: number
}

export interface GroupAdmin {
  groupStanding(groupId: string, topic: string): Promise<GroupStanding>
  /** The first record of each partition that is not older; null where there is none. */
  offsetsAt(topic: string, partitions: number, timeMs: number): Promise<(bigint | null)[]>
  /** The record at the offset or the first one behind it; undefined where there is none. */
  recordAt(topic: string, partition: number, from: bigint): Promise<RecordSight | undefined>
  /**
   * Sets positions of a group without members (K1).
   * @param isOwn whether it is a group of mQ, whose positions carry notes
   */
  setPositions(
    groupId: string,
    topic: string,
    positions: ReadonlyMap<number, StandingPosition>,
    isOwn: boolean,
  ): Promise<void>
}

export function groupAdmin(cluster: Cluster): GroupAdmin {
  const admin = new Admin(cluster)
  return {
    groupStanding: async (groupId, topic) => {
      const [positions, description] = await Promise.all([
        admin.committedPositions(groupId, [topic]),
        admin.describeGroup(groupId),
      ])
      return {
        state: description?.state ?? null,
        members: (description?.members ?? []).map(({ memberId, clientId, host, partitions }) => ({
          ...{ memberId, clientId, host: host.replace(/^\//, '') },
          partitions: partitions.filter((one) => one.topic === topic).map(({ partition }) => partition),
        })),
        positions: new Map(
          positions
            .filter(({ isOfFormerTopic }) => !isOfFormerTopic)
            .map(({ partition, offset, finished, leaderEpoch, failing }) => [
              partition,
              { offset, finished, leaderEpoch, failing },
            ]),
        ),
      }
    },
    offsetsAt: async (topic, partitions, timeMs) => {
      const all = Array.from({ length: partitions }, (_, partition) => partition)
      const found = await admin.listOffsets(topic, all, { timestampMs: timeMs })
      return all.map((partition) => found.get(partition) ?? null)
    },
    recordAt: async (topic, partition, from) => {
      for (let failures = 1; ; failures++) {
        try {
          return await recordAt(cluster, topic, partition, from)
        } catch (error) {
          if (!(error instanceof MqError) || !error.retryable || failures === LOOKS) throw error
          await sleep(cluster.deps, LOOK_AGAIN_MS * failures)
        }
      }
    },
    setPositions: async (groupId, topic, positions, isOwn) => {
      const [found] = await cluster.metadata([topic], { refresh: true })
      const topicId = topicIdOf(found?.id)
      await admin.commitOffsets(
        groupId,
        [...positions].map(([partition, { offset, finished, leaderEpoch, failing }]) => ({
          ...{ topic, partition, offset },
          ...(isOwn ? { metadata: encodeCommitMetadata(offset, { topicId, finished, leaderEpoch, failing }) } : {}),
        })),
      )
    },
  }
}
