/** OffsetDelete (47): positions of a group on some partitions, taken away. */
import { Api } from '../api.ts'
import { array, int16, int32, orElse, struct, text } from '../schema.ts'

export const offsetDeleteApi = new Api({
  key: 47,
  name: 'OffsetDelete',
  versions: [0, 0],
  request: {
    groupId: text,
    topics: array(struct({ name: text, partitions: array(struct({ partition: int32 })) })),
  },
  response: {
    errorCode: int16,
    throttleMs: orElse(int32),
    topics: array(struct({ name: text, partitions: array(struct({ partition: int32, errorCode: int16 })) })),
  },
})
