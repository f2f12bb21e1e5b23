/**
 * Fetch: whole batches from the offset on, as they were stored.
 *
 * F1. There are no sessions: every answer says session 0, and every request stands for itself.
 * F2. The answer waits until there are `minBytes`, or something to be told, or the time is over.
 */
import { fetchApi } from '@mq/kafka/protocol'
import type { RequestOfApi } from '../api-types.ts'
import { Code } from '../codes.ts'
import { handler, type RequestContext } from '../context.ts'
import { endpointsOf, leaderHint, locate } from './partitions.ts'

const BY_ID_VERSION = 13

type Request = RequestOfApi<typeof fetchApi>

function read({ topics, maxBytes }: Request, context: RequestContext) {
  const isById = context.version >= BY_ID_VERSION
  let bytes = 0
  let isUrgent = false
  let isMoved = false
  const answers = topics.map(({ name, topicId, partitions }) => ({
    name,
    topicId,
    partitions: partitions.map(({ partition, fetchOffset, currentLeaderEpoch, maxBytes: most }) => {
      const found = locate(context, { name, topicId }, isById, partition, currentLeaderEpoch)
      if (typeof found === 'number') {
        isUrgent = true
        const isElsewhere = found === Code.NOT_LEADER_OR_FOLLOWER
        isMoved ||= isElsewhere
        const currentLeader = isElsewhere ? leaderHint(context, { name, topicId }, isById, partition) : undefined
        return { partition, errorCode: found, highWatermark: -1n, records: null, currentLeader }
      }
      const { log } = found.partition
      const levels = {
        ...{ partition, highWatermark: log.nextOffset, lastStableOffset: log.nextOffset },
        logStartOffset: log.startOffset,
      }
      if (fetchOffset < log.startOffset || fetchOffset > log.nextOffset) {
        isUrgent = true
        return { ...levels, errorCode: Code.OFFSET_OUT_OF_RANGE, records: null }
      }
      // The first batch of an answer is told however large it is.
      const room = Math.min(most, maxBytes - bytes)
      const records = bytes > 0 && room <= 0 ? Buffer.alloc(0) : log.read(fetchOffset, room)
      bytes += records.length
      return { ...levels, errorCode: Code.NONE, records }
    }),
  }))
  return { bytes, isUrgent, response: { topics: answers, ...(isMoved ? { nodeEndpoints: endpointsOf(context) } : {}) } }
}

export const fetch = handler(fetchApi, {
  answer: async (request, context) => {
    const { cluster } = context
    const { clock } = cluster.deps
    const endMs = clock.monotonicMs() + request.maxWaitMs
    for (;;) {
      const { bytes, isUrgent, response } = read(request, context)
      const leftMs = endMs - clock.monotonicMs()
      if (isUrgent || bytes >= request.minBytes || leftMs <= 0 || !context.node.isUp) return response
      await cluster.untilWoken(leftMs)
    }
  },
  refuse: ({ topics }, errorCode) => ({
    topics: topics.map(({ name, topicId, partitions }) => ({
      name,
      topicId,
      partitions: partitions.map(({ partition }) => ({ partition, errorCode, highWatermark: -1n, records: null })),
    })),
  }),
})
