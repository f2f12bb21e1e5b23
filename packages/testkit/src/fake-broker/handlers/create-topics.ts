/** CreateTopics: topics with their settings; replication is not looked at. */
import { createTopicsApi } from '@mq/kafka/protocol'
import { Code } from '../codes.ts'
import { handler } from '../context.ts'

export const createTopics = handler(createTopicsApi, {
  answer: ({ topics, validateOnly }, { cluster }) => ({
    topics: topics.map(({ name, partitions, replicationFactor, configs }) => {
      const told = { name, partitions, replicationFactor, configs: [] }
      if (cluster.topics.get(name) !== undefined) return { ...told, errorCode: Code.TOPIC_ALREADY_EXISTS }
      if (validateOnly) return { ...told, errorCode: Code.NONE }
      const given = configs.map((config) => [config.name, config.value ?? ''] as const)
      const { id } = cluster.topics.create(name, partitions, given)
      return { ...told, topicId: id, errorCode: Code.NONE }
    }),
  }),
  refuse: ({ topics }, errorCode) => ({ topics: topics.map(({ name }) => ({ name, errorCode, configs: [] })) }),
})
