/** Produce (0): record batches to append, by topic name up to version 12, by topic id in 13. */
import { Api } from '../api.ts'
import {
  array,
  int16,
  int32,
  int64,
  nullableBytes,
  nullableText,
  orElse,
  since,
  struct,
  tagged,
  text,
  until,
  uuid,
} from '../schema.ts'
import { leaderAndEpoch, nodeEndpoints } from './leader-hints.ts'

export const produceApi = new Api({
  key: 0,
  name: 'Produce',
  versions: [3, 13],
  flexibleSince: 9,
  request: {
    transactionalId: orElse(nullableText),
    acks: int16,
    timeoutMs: int32,
    topics: array(
      struct({
        name: until(12, text),
        topicId: since(13, uuid),
        partitions: array(struct({ partition: int32, records: nullableBytes })),
      }),
    ),
  },
  response: {
    topics: array(
      struct({
        name: until(12, text),
        topicId: since(13, uuid),
        partitions: array(
          struct({
            partition: int32,
            errorCode: int16,
            baseOffset: int64,
            logAppendTimeMs: orElse(int64, -1n),
            logStartOffset: since(5, int64, -1n),
            recordErrors: since(8, array(struct({ index: int32, message: nullableText }))),
            errorMessage: since(8, nullableText),
            currentLeader: tagged(0, 10, leaderAndEpoch),
          }),
        ),
      }),
    ),
    throttleMs: orElse(int32),
    nodeEndpoints: tagged(0, 10, nodeEndpoints),
  },
})
