/** JoinGroup: waits until everybody of the group joined (classic-group.ts). */
import { joinGroupApi } from '@mq/kafka/protocol'
import { handler } from '../context.ts'
import { notCoordinating } from './coordinating.ts'

const NEEDS_ID_VERSION = 4

export const joinGroup = handler(joinGroupApi, {
  answer: async (request, context) => {
    const { cluster, clientId, version } = context
    const { classic } = cluster.groups.of(request.groupId)
    const elsewhere = notCoordinating(context, request.groupId)
    if (elsewhere !== undefined) return classic.refuse(request, elsewhere)
    const answer = await classic.join(request, clientId, version >= NEEDS_ID_VERSION)
    // It moved while the member waited.
    const moved = notCoordinating(context, request.groupId)
    return moved === undefined ? answer : classic.refuse(request, moved)
  },
  refuse: ({ memberId }, errorCode) => ({
    ...{ errorCode, memberId, generationId: -1, protocolName: '', leader: '', members: [] },
  }),
})
