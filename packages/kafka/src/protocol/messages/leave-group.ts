/** LeaveGroup (13): members of the classic protocol leave, one up to version 2, several from 3 on. */
import { Api } from '../api.ts'
import { array, int16, int32, nullableText, since, struct, text, until } from '../schema.ts'

export const leaveGroupApi = new Api({
  key: 13,
  name: 'LeaveGroup',
  versions: [0, 5],
  flexibleSince: 4,
  request: {
    groupId: text,
    memberId: until(2, text),
    members: since(
      3,
      array(struct({ memberId: text, instanceId: since(3, nullableText), reason: since(5, nullableText) })),
    ),
  },
  response: {
    throttleMs: since(1, int32),
    errorCode: int16,
    members: since(3, array(struct({ memberId: text, instanceId: since(3, nullableText), errorCode: int16 }))),
  },
})
