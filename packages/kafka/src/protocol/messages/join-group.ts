/** JoinGroup (11): a member of the classic protocol asks to be in a group, and is told who else is. */
import { Api } from '../api.ts'
import { array, bool, bytes, int16, int32, nullableText, since, struct, text } from '../schema.ts'

export const joinGroupApi = new Api({
  key: 11,
  name: 'JoinGroup',
  versions: [0, 9],
  flexibleSince: 6,
  request: {
    groupId: text,
    sessionTimeoutMs: int32,
    rebalanceTimeoutMs: since(1, int32, -1),
    memberId: text,
    instanceId: since(5, nullableText),
    protocolType: text,
    protocols: array(struct({ name: text, metadata: bytes })),
    reason: since(8, nullableText),
  },
  response: {
    throttleMs: since(2, int32),
    errorCode: int16,
    generationId: int32,
    protocolType: since(7, nullableText),
    protocolName: nullableText,
    leader: text,
    skipAssignment: since(9, bool),
    memberId: text,
    members: array(struct({ memberId: text, instanceId: since(5, nullableText), metadata: bytes })),
  },
})
