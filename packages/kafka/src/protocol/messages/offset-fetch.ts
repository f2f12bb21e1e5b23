/** OffsetFetch (9): positions of one group up to version 7, of several from 8 on; by topic id in 10. */
import { Api } from '../api.ts'
import {
  array,
  between,
  bool,
  int16,
  int32,
  int64,
  nullableArray,
  nullableText,
  since,
  struct,
  text,
  until,
  uuid,
} from '../schema.ts'

export const offsetFetchApi = new Api({
  key: 9,
  name: 'OffsetFetch',
  versions: [1, 10],
  flexibleSince: 6,
  request: {
    groupId: until(7, text),
    /** Null for all topics. */
    topics: until(7, nullableArray(struct({ name: text, partitions: array(int32) }))),
    groups: since(
      8,
      array(
        struct({
          groupId: text,
          memberId: since(9, nullableText),
          memberEpoch: since(9, int32, -1),
          topics: nullableArray(
            struct({ name: between(8, 9, text), topicId: since(10, uuid), partitions: array(int32) }),
          ),
        }),
      ),
    ),
    requireStable: since(7, bool),
  },
  response: {
    throttleMs: since(3, int32),
    topics: until(
      7,
      array(
        struct({
          name: text,
          partitions: array(
            struct({
              partition: int32,
              offset: int64,
              leaderEpoch: since(5, int32, -1),
              metadata: nullableText,
              errorCode: int16,
            }),
          ),
        }),
      ),
    ),
    errorCode: between(2, 7, int16),
    groups: since(
      8,
      array(
        struct({
          groupId: text,
          topics: array(
            struct({
              name: between(8, 9, text),
              topicId: since(10, uuid),
              partitions: array(
                struct({
                  partition: int32,
                  offset: int64,
                  leaderEpoch: since(8, int32, -1),
                  metadata: nullableText,
                  errorCode: int16,
                }),
              ),
            }),
          ),
          errorCode: int16,
        }),
      ),
    ),
  },
})
