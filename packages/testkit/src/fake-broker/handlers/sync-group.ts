/** SyncGroup: waits for the plan of the leader (classic-group.ts). */
import { syncGroupApi } from '@mq/kafka/protocol'
import { handler } from '../context.ts'
import { notCoordinating } from './coordinating.ts'

const NOTHING = Buffer.alloc(0)

export const syncGroup = handler(syncGroupApi, {
  answer: (request, context) => {
    const elsewhere = notCoordinating(context, request.groupId)
    if (elsewhere !== undefined) return { errorCode: elsewhere, assignment: NOTHING }
    return context.cluster.groups.of(request.groupId).classic.sync(request)
  },
  refuse: (_, errorCode) => ({ errorCode, assignment: NOTHING }),
})
