/** SyncGroup (14): the leader of a classic group hands in who gets what, and every member hears its share. */
import { Api } from '../api.ts'
import { array, bytes, int16, int32, nullableText, since, struct, text } from '../schema.ts'

export const syncGroupApi = new Api({
  key: 14,
  name: 'SyncGroup',
  versions: [0, 5],
  flexibleSince: 4,
  request: {
    groupId: text,
    generationId: int32,
    memberId: text,
    instanceId: since(3, nullableText),
    protocolType: since(5, nullableText),
    protocolName: since(5, nullableText),
    assignments: array(struct({ memberId: text, assignment: bytes })),
  },
  response: {
    throttleMs: since(1, int32),
    errorCode: int16,
    protocolType: since(5, nullableText),
    protocolName: since(5, nullableText),
    assignment: bytes,
  },
})
