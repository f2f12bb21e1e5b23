/** ListOffsets (2): the offset of a time, of the beginning or of the end of partitions. */
import { Api } from '../api.ts'
import { array, int8, int16, int32, int64, orElse, since, struct, text } from '../schema.ts'

export const listOffsetsApi = new Api({
  key: 2,
  name: 'ListOffsets',
  versions: [1, 10],
  flexibleSince: 6,
  request: {
    replicaId: orElse(int32, -1),
    isolationLevel: since(2, int8),
    topics: array(
      struct({
        name: text,
        partitions: array(struct({ partition: int32, currentLeaderEpoch: since(4, int32, -1), timestampMs: int64 })),
      }),
    ),
    timeoutMs: since(10, int32),
  },
  response: {
    throttleMs: since(2, int32),
    topics: array(
      struct({
        name: text,
        partitions: array(
          struct({
            partition: int32,
            errorCode: int16,
            timestampMs: orElse(int64, -1n),
            offset: orElse(int64, -1n),
            leaderEpoch: since(4, int32, -1),
          }),
        ),
      }),
    ),
  },
})
