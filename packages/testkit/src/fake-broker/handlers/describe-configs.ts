/** DescribeConfigs: the settings that topics were given, and the one that every topic has. */
import { describeConfigsApi } from '@mq/kafka/protocol'
import { Code } from '../codes.ts'
import { handler } from '../context.ts'
import { DEFAULT_SIZE_LIMIT, type FakeTopic, SIZE_LIMIT } from '../topics.ts'

const OWN_TO_TOPIC = 1
const DEFAULT = 5

function settingsOf({ configs }: FakeTopic, keys: readonly string[] | null) {
  const all = new Map([[SIZE_LIMIT, String(DEFAULT_SIZE_LIMIT)], ...configs])
  return [...all]
    .filter(([name]) => keys === null || keys.includes(name))
    .map(([name, value]) => ({
      ...{ name, value, isReadOnly: false, isSensitive: false },
      source: configs.has(name) ? OWN_TO_TOPIC : DEFAULT,
    }))
}

export const describeConfigs = handler(describeConfigsApi, {
  answer: ({ resources }, { cluster }) => ({
    results: resources.map(({ type, name, keys }) => {
      const topic = cluster.topics.get(name)
      if (topic === undefined) return { type, name, errorCode: Code.UNKNOWN_TOPIC_OR_PARTITION, configs: [] }
      return { type, name, errorCode: Code.NONE, configs: settingsOf(topic, keys) }
    }),
  }),
  refuse: ({ resources }, errorCode) => ({
    results: resources.map(({ type, name }) => ({ type, name, errorCode, configs: [] })),
  }),
})
