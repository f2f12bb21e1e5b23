/** OffsetFetch: what groups committed. */
import { offsetFetchApi } from '@mq/kafka/protocol'
import { Code } from '../codes.ts'
import { handler, type RequestContext } from '../context.ts'
import { notCoordinating } from './coordinating.ts'

const SEVERAL_VERSION = 8
const BY_ID_VERSION = 10

interface AskedTopic {
  readonly name: string
  readonly topicId: string
  readonly partitions: readonly number[]
}

/** Of one group. */
function positionsOf(context: RequestContext, groupId: string, asked: readonly AskedTopic[] | null) {
  const errorCode = notCoordinating(context, groupId) ?? Code.NONE
  if (errorCode !== Code.NONE) return { groupId, topics: [], errorCode }
  const { cluster, version } = context
  const positions = cluster.groups.get(groupId)?.positions ?? new Map()
  const all = (): AskedTopic[] =>
    [...Map.groupBy(positions.values(), ({ topic }) => topic)].map(([name, some]) => ({
      name,
      topicId: cluster.topics.get(name)?.id ?? '',
      partitions: some.map(({ partition }) => partition),
    }))
  const topics = (asked ?? all()).map(({ name: given, topicId, partitions }) => {
    const byId = version >= BY_ID_VERSION ? cluster.topics.byId(topicId) : undefined
    const name = version >= BY_ID_VERSION ? byId?.name : given
    return {
      name: given,
      topicId,
      partitions: partitions.map((partition) => {
        const found = positions.get(`${name}:${partition}`)
        const nothing = { partition, offset: -1n, metadata: '' }
        if (name === undefined) return { ...nothing, errorCode: Code.UNKNOWN_TOPIC_ID }
        if (found === undefined) return { ...nothing, errorCode: Code.NONE }
        const { offset, leaderEpoch, metadata } = found
        return { partition, offset, leaderEpoch, metadata, errorCode: Code.NONE }
      }),
    }
  })
  return { groupId, topics, errorCode }
}

export const offsetFetch = handler(offsetFetchApi, {
  answer: ({ groupId, topics, groups }, context) => {
    if (context.version >= SEVERAL_VERSION) {
      return { groups: groups.map((group) => positionsOf(context, group.groupId, group.topics)) }
    }
    const asked = topics?.map((topic) => ({ ...topic, topicId: '' })) ?? null
    const { groupId: _, ...found } = positionsOf(context, groupId, asked)
    return found
  },
  refuse: ({ groups }, errorCode) => ({
    ...{ topics: [], errorCode, groups: groups.map(({ groupId }) => ({ groupId, topics: [], errorCode })) },
  }),
})
