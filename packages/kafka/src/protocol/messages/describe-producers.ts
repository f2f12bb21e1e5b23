/** DescribeProducers (61): who writes to partitions, and how far each came. */
import { Api } from '../api.ts'
import { array, int16, int32, int64, nullableText, orElse, struct, text } from '../schema.ts'

export const describeProducersApi = new Api({
  key: 61,
  name: 'DescribeProducers',
  versions: [0, 0],
  flexibleSince: 0,
  request: { topics: array(struct({ name: text, partitions: array(int32) })) },
  response: {
    throttleMs: orElse(int32),
    topics: array(
      struct({
        name: text,
        partitions: array(
          struct({
            partition: int32,
            errorCode: int16,
            errorMessage: orElse(nullableText),
            producers: array(
              struct({
                producerId: int64,
                producerEpoch: int32,
                lastSequence: orElse(int32, -1),
                lastTimestampMs: orElse(int64, -1n),
                coordinatorEpoch: orElse(int32, -1),
                transactionStartOffset: orElse(int64, -1n),
              }),
            ),
          }),
        ),
      }),
    ),
  },
})
