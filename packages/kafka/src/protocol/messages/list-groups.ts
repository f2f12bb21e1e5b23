/** ListGroups (16): the groups that a broker coordinates. */
import { Api } from '../api.ts'
import { array, int16, int32, since, struct, text } from '../schema.ts'

export const listGroupsApi = new Api({
  key: 16,
  name: 'ListGroups',
  versions: [0, 5],
  flexibleSince: 3,
  request: { states: since(4, array(text)), types: since(5, array(text)) },
  response: {
    throttleMs: since(1, int32),
    errorCode: int16,
    groups: array(struct({ groupId: text, protocolType: text, state: since(4, text), type: since(5, text) })),
  },
})
