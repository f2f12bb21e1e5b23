/** DeleteTopics (20): by name up to version 5, by name or id in 6. */
import { Api } from '../api.ts'
import { array, int16, int32, nullableText, orElse, since, struct, text, until, uuid } from '../schema.ts'

export const deleteTopicsApi = new Api({
  key: 20,
  name: 'DeleteTopics',
  versions: [1, 6],
  flexibleSince: 4,
  request: {
    topics: since(6, array(struct({ name: nullableText, topicId: uuid }))),
    names: until(5, array(text)),
    timeoutMs: int32,
  },
  response: {
    throttleMs: orElse(int32),
    topics: array(
      struct({
        name: nullableText,
        topicId: since(6, uuid),
        errorCode: int16,
        errorMessage: since(5, nullableText),
      }),
    ),
  },
})
