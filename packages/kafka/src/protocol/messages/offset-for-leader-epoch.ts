/** OffsetForLeaderEpoch (23): where the records of an epoch of a leader end. */
import { Api } from '../api.ts'
import { array, int16, int32, int64, orElse, since, struct, text } from '../schema.ts'

export const offsetForLeaderEpochApi = new Api({
  key: 23,
  name: 'OffsetForLeaderEpoch',
  versions: [2, 4],
  flexibleSince: 4,
  request: {
    replicaId: since(3, int32, -2),
    topics: array(
      struct({
        name: text,
        partitions: array(struct({ partition: int32, currentLeaderEpoch: orElse(int32, -1), leaderEpoch: int32 })),
      }),
    ),
  },
  response: {
    throttleMs: orElse(int32),
    topics: array(
      struct({
        name: text,
        partitions: array(
          struct({
            errorCode: int16,
            partition: int32,
            leaderEpoch: orElse(int32, -1),
            endOffset: orElse(int64, -1n),
          }),
        ),
      }),
    ),
  },
})
