/** Heartbeat (12): a member of the classic protocol says that it lives, and hears whether to join anew. */
import { Api } from '../api.ts'
import { int16, int32, nullableText, since, text } from '../schema.ts'

export const heartbeatApi = new Api({
  key: 12,
  name: 'Heartbeat',
  versions: [0, 4],
  flexibleSince: 4,
  request: { groupId: text, generationId: int32, memberId: text, instanceId: since(3, nullableText) },
  response: { throttleMs: since(1, int32), errorCode: int16 },
})
