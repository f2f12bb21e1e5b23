/** ConsumerGroupHeartbeat: a member of the consumer protocol (consumer-group.ts). */
import { consumerGroupHeartbeatApi } from '@mq/kafka/protocol'
import { handler } from '../context.ts'
import { notCoordinating } from './coordinating.ts'

export const consumerGroupHeartbeat = handler(consumerGroupHeartbeatApi, {
  answer: (request, context) => {
    const elsewhere = notCoordinating(context, request.groupId)
    if (elsewhere !== undefined) return { errorCode: elsewhere }
    return context.cluster.groups.of(request.groupId).consumer.heartbeat(request)
  },
  refuse: (_, errorCode) => ({ errorCode }),
})
