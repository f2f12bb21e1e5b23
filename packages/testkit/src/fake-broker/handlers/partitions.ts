/** What requests about partitions have in common: which partition is meant, and whether the broker leads it. */
import { Code } from '../codes.ts'
import type { RequestContext } from '../context.ts'
import type { FakePartition, FakeTopic } from '../topics.ts'

export interface Located {
  readonly topic: FakeTopic
  readonly partition: FakePartition
}

const NO_EPOCH = -1

/**
 * @param isById whether the version names topics by id
 * @returns the partition, or the code with which the request for it is refused
 */
export function locate(
  { cluster, node }: RequestContext,
  asked: { readonly name: string; readonly topicId?: string },
  isById: boolean,
  index: number,
  leaderEpoch = NO_EPOCH,
): Located | number {
  const topic = isById ? cluster.topics.byId(asked.topicId ?? '') : cluster.topics.get(asked.name)
  const partition = topic?.partitions[index]
  if (topic === undefined && isById) return Code.UNKNOWN_TOPIC_ID
  if (topic === undefined || partition === undefined) return Code.UNKNOWN_TOPIC_OR_PARTITION
  if (partition.leader !== node.id) return Code.NOT_LEADER_OR_FOLLOWER
  if (leaderEpoch !== NO_EPOCH && leaderEpoch < partition.log.leaderEpoch) return Code.FENCED_LEADER_EPOCH
  if (leaderEpoch > partition.log.leaderEpoch) return Code.UNKNOWN_LEADER_EPOCH
  return { topic, partition }
}

/** Where the leader is, for whoever asked another broker. */
export function leaderHint(
  { cluster }: RequestContext,
  asked: { readonly name: string; readonly topicId?: string },
  isById: boolean,
  index: number,
): { leaderId: number; leaderEpoch: number } | undefined {
  const topic = isById ? cluster.topics.byId(asked.topicId ?? '') : cluster.topics.get(asked.name)
  const partition = topic?.partitions[index]
  if (partition === undefined || partition.leader < 0) return undefined
  return { leaderId: partition.leader, leaderEpoch: partition.log.leaderEpoch }
}

export function endpointsOf({ cluster }: RequestContext): { nodeId: number; host: string; port: number }[] {
  return cluster.nodes.map(({ id, advertised }) => ({ nodeId: id, ...advertised }))
}
