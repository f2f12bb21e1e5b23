/** LeaveGroup: members of the classic protocol leave (classic-group.ts). */
import { leaveGroupApi } from '@mq/kafka/protocol'
import { Code } from '../codes.ts'
import { handler } from '../context.ts'
import { notCoordinating } from './coordinating.ts'

const SEVERAL_VERSION = 3

export const leaveGroup = handler(leaveGroupApi, {
  answer: ({ groupId, memberId, members }, context) => {
    const errorCode = notCoordinating(context, groupId) ?? Code.NONE
    if (errorCode !== Code.NONE) return { errorCode, members: [] }
    const { classic } = context.cluster.groups.of(groupId)
    if (context.version < SEVERAL_VERSION) return { errorCode: classic.leave(memberId, null) }
    return {
      errorCode,
      members: members.map((one) => ({ ...one, errorCode: classic.leave(one.memberId, one.instanceId) })),
    }
  },
  refuse: (_, errorCode) => ({ errorCode, members: [] }),
})
