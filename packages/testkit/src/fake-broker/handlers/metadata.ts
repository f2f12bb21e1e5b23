/** Metadata: all brokers that are up, and the topics asked for, by name or by id; nothing is created. */
import { metadataApi } from '@mq/kafka/protocol'
import { Code } from '../codes.ts'
import { handler, type RequestContext } from '../context.ts'
import type { FakeTopic } from '../topics.ts'

const NO_ID = '00000000-0000-0000-0000-000000000000'
const LEADER_NOT_AVAILABLE = 5

function clusterOf({ cluster }: RequestContext) {
  const up = cluster.nodes.filter(({ isUp }) => isUp)
  return {
    brokers: up.map(({ id, advertised }) => ({ nodeId: id, ...advertised })),
    clusterId: cluster.clusterId,
    controllerId: up[0]?.id ?? -1,
  }
}

function describe(topic: FakeTopic, nodeIds: readonly number[]) {
  return {
    errorCode: Code.NONE,
    name: topic.name,
    topicId: topic.id,
    partitions: topic.partitions.map(({ index, leader, log }) => ({
      errorCode: leader < 0 ? LEADER_NOT_AVAILABLE : Code.NONE,
      partition: index,
      leaderId: leader,
      leaderEpoch: log.leaderEpoch,
      replicas: nodeIds,
      inSync: nodeIds,
    })),
  }
}

export const metadata = handler(metadataApi, {
  answer: ({ topics: asked }, context) => {
    const { cluster, version } = context
    const { topics } = cluster
    const nodeIds = cluster.nodes.map(({ id }) => id)
    const isAll = asked === null || (version === 0 && asked.length === 0)
    const found = isAll
      ? topics.all().map((topic) => describe(topic, nodeIds))
      : asked.map(({ name, topicId }) => {
          const topic = name === null ? topics.byId(topicId) : topics.get(name)
          if (topic !== undefined) return describe(topic, nodeIds)
          const errorCode = name === null ? Code.UNKNOWN_TOPIC_ID : Code.UNKNOWN_TOPIC_OR_PARTITION
          return { errorCode, name, topicId: name === null ? topicId : NO_ID, partitions: [] }
        })
    return { ...clusterOf(context), topics: found }
  },
  refuse: ({ topics }, errorCode, context) => ({
    ...clusterOf(context),
    topics: (topics ?? []).map(({ name, topicId }) => ({ errorCode, name, topicId, partitions: [] })),
  }),
})
