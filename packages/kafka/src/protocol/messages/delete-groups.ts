/** DeleteGroups (42): groups without members, taken away with their positions. */
import { Api } from '../api.ts'
import { array, int16, int32, orElse, struct, text } from '../schema.ts'

export const deleteGroupsApi = new Api({
  key: 42,
  name: 'DeleteGroups',
  versions: [0, 2],
  flexibleSince: 2,
  request: { groups: array(text) },
  response: { throttleMs: orElse(int32), results: array(struct({ groupId: text, errorCode: int16 })) },
})
