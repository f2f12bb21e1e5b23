/** OffsetCommit: positions of a group, from its members, or from anybody while it has none. */
import { offsetCommitApi } from '@mq/kafka/protocol'
import { Code } from '../codes.ts'
import { handler } from '../context.ts'
import { notCoordinating } from './coordinating.ts'

const BY_ID_VERSION = 10

export const offsetCommit = handler(offsetCommitApi, {
  answer: ({ groupId, memberId, generation, topics }, context) => {
    const { cluster, version } = context
    const isById = version >= BY_ID_VERSION
    const refused = notCoordinating(context, groupId) ?? cluster.groups.of(groupId).refusalOf(memberId, generation)
    return {
      topics: topics.map(({ name, topicId, partitions }) => {
        const topic = isById ? cluster.topics.byId(topicId) : cluster.topics.get(name)
        return {
          name,
          topicId,
          partitions: partitions.map(({ partition, offset, leaderEpoch, metadata }) => {
            if (refused !== undefined) return { partition, errorCode: refused }
            if (topic === undefined && isById) return { partition, errorCode: Code.UNKNOWN_TOPIC_ID }
            if (topic?.partitions[partition] === undefined) {
              return { partition, errorCode: Code.UNKNOWN_TOPIC_OR_PARTITION }
            }
            cluster.groups.of(groupId).commit({ topic: topic.name, partition, offset, leaderEpoch, metadata })
            return { partition, errorCode: Code.NONE }
          }),
        }
      }),
    }
  },
  refuse: ({ topics }, errorCode) => ({
    topics: topics.map(({ name, topicId, partitions }) => ({
      name,
      topicId,
      partitions: partitions.map(({ partition }) => ({ partition, errorCode })),
    })),
  }),
})
