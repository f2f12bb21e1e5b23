/** Heartbeat of a member of the classic protocol (classic-group.ts). */
import { heartbeatApi } from '@mq/kafka/protocol'
import { handler } from '../context.ts'
import { notCoordinating } from './coordinating.ts'

export const heartbeat = handler(heartbeatApi, {
  answer: ({ groupId, memberId, generationId }, context) => ({
    errorCode:
      notCoordinating(context, groupId) ?? context.cluster.groups.of(groupId).classic.heartbeat(memberId, generationId),
  }),
  refuse: (_, errorCode) => ({ errorCode }),
})
