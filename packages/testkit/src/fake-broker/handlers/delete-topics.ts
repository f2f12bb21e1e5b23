/** DeleteTopics: topics go with their logs and the positions of groups on them. */
import { deleteTopicsApi } from '@mq/kafka/protocol'
import { Code } from '../codes.ts'
import { handler } from '../context.ts'

const BY_ID_VERSION = 6

export const deleteTopics = handler(deleteTopicsApi, {
  answer: ({ topics, names }, { cluster, version }) => {
    const asked = version < BY_ID_VERSION ? names.map((name) => ({ name, topicId: '' })) : topics
    const found = asked.map(({ name, topicId }) => {
      const topic = name === null ? cluster.topics.byId(topicId) : cluster.topics.get(name)
      const unknown = name === null ? Code.UNKNOWN_TOPIC_ID : Code.UNKNOWN_TOPIC_OR_PARTITION
      if (topic === undefined) return { name, ...(name === null ? { topicId } : {}), errorCode: unknown }
      cluster.topics.delete(topic.name)
      cluster.groups.forgetTopic(topic.name)
      return { name: topic.name, topicId: topic.id, errorCode: Code.NONE }
    })
    cluster.wake()
    return { topics: found }
  },
  refuse: ({ topics, names }, errorCode) => ({
    topics: [...topics.map(({ name }) => name), ...names].map((name) => ({ name, errorCode })),
  }),
})
