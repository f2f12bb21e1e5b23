/** IncrementalAlterConfigs: settings of topics, set and taken away. */
import { incrementalAlterConfigsApi } from '@mq/kafka/protocol'
import { Code } from '../codes.ts'
import { handler } from '../context.ts'

const SET = 0
const DELETE = 1

export const incrementalAlterConfigs = handler(incrementalAlterConfigsApi, {
  answer: ({ resources, validateOnly }, { cluster }) => ({
    responses: resources.map(({ type, name, configs }) => {
      const topic = cluster.topics.get(name)
      if (topic === undefined) return { type, name, errorCode: Code.UNKNOWN_TOPIC_OR_PARTITION }
      if (configs.some(({ operation }) => operation !== SET && operation !== DELETE)) {
        return { type, name, errorCode: Code.INVALID_REQUEST, errorMessage: 'only SET and DELETE are played' }
      }
      if (!validateOnly || cluster.options.ignoresValidateOnly === true) {
        for (const { name: setting, operation, value } of configs) {
          if (operation === DELETE) topic.configs.delete(setting)
          else topic.configs.set(setting, value ?? '')
        }
      }
      return { type, name, errorCode: Code.NONE }
    }),
  }),
  refuse: ({ resources }, errorCode) => ({
    responses: resources.map(({ type, name }) => ({ type, name, errorCode })),
  }),
})
