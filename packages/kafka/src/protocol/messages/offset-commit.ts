/** OffsetCommit (8): positions of a group, by topic name up to version 9, by topic id in 10. */
import { Api } from '../api.ts'
import {
  array,
  between,
  int16,
  int32,
  int64,
  nullableText,
  orElse,
  since,
  struct,
  text,
  until,
  uuid,
} from '../schema.ts'

export const offsetCommitApi = new Api({
  key: 8,
  name: 'OffsetCommit',
  versions: [2, 10],
  flexibleSince: 8,
  request: {
    groupId: text,
    /** The generation of a classic group, the epoch of a member of the consumer protocol. */
    generation: orElse(int32, -1),
    memberId: orElse(text),
    instanceId: since(7, nullableText),
    retentionMs: between(2, 4, int64, -1n),
    topics: array(
      struct({
        name: until(9, text),
        topicId: since(10, uuid),
        partitions: array(
          struct({
            partition: int32,
            offset: int64,
            leaderEpoch: since(6, int32, -1),
            metadata: nullableText,
          }),
        ),
      }),
    ),
  },
  response: {
    throttleMs: since(3, int32),
    topics: array(
      struct({
        name: until(9, text),
        topicId: since(10, uuid),
        partitions: array(struct({ partition: int32, errorCode: int16 })),
      }),
    ),
  },
})
