/** FindCoordinator (10): the broker that looks after a group or a transactional id, one of them up to version 3, several from 4 on. */
import { Api } from '../api.ts'
import { array, between, int8, int16, int32, nullableText, since, struct, text, until } from '../schema.ts'

export const findCoordinatorApi = new Api({
  key: 10,
  name: 'FindCoordinator',
  versions: [0, 6],
  flexibleSince: 3,
  request: {
    key: until(3, text),
    keyType: since(1, int8),
    keys: since(4, array(text)),
  },
  response: {
    throttleMs: since(1, int32),
    errorCode: until(3, int16),
    errorMessage: between(1, 3, nullableText),
    nodeId: until(3, int32),
    host: until(3, text),
    port: until(3, int32),
    coordinators: since(
      4,
      array(
        struct({ key: text, nodeId: int32, host: text, port: int32, errorCode: int16, errorMessage: nullableText }),
      ),
    ),
  },
})
