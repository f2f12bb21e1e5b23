/** CreateTopics (19): topics to make, with what they came to be. */
import { Api } from '../api.ts'
import {
  array,
  bool,
  int8,
  int16,
  int32,
  nullableArray,
  nullableText,
  orElse,
  since,
  struct,
  tagged,
  text,
  uuid,
} from '../schema.ts'

export const createTopicsApi = new Api({
  key: 19,
  name: 'CreateTopics',
  versions: [2, 7],
  flexibleSince: 5,
  request: {
    topics: array(
      struct({
        name: text,
        partitions: int32,
        replicationFactor: int16,
        assignments: array(struct({ partition: int32, brokers: array(int32) })),
        configs: array(struct({ name: text, value: nullableText })),
      }),
    ),
    timeoutMs: int32,
    validateOnly: orElse(bool),
  },
  response: {
    throttleMs: orElse(int32),
    topics: array(
      struct({
        name: text,
        topicId: since(7, uuid),
        errorCode: int16,
        errorMessage: orElse(nullableText),
        configErrorCode: tagged(0, 5, int16),
        partitions: since(5, int32, -1),
        replicationFactor: since(5, int16, -1),
        configs: since(
          5,
          nullableArray(struct({ name: text, value: nullableText, isReadOnly: bool, source: int8, isSensitive: bool })),
        ),
      }),
    ),
  },
})
