/** ConsumerGroupDescribe (69): the members of groups of the consumer protocol (KIP-848). */
import { Api } from '../api.ts'
import { array, bool, int8, int16, int32, nullableText, orElse, since, struct, text, uuid } from '../schema.ts'
import { NO_OPERATIONS } from './metadata.ts'

const assignment = struct({
  topicPartitions: array(struct({ topicId: uuid, topicName: text, partitions: array(int32) })),
})

export const consumerGroupDescribeApi = new Api({
  key: 69,
  name: 'ConsumerGroupDescribe',
  versions: [0, 1],
  flexibleSince: 0,
  request: { groups: array(text), includeOperations: orElse(bool) },
  response: {
    throttleMs: orElse(int32),
    groups: array(
      struct({
        errorCode: int16,
        errorMessage: orElse(nullableText),
        groupId: text,
        state: text,
        groupEpoch: int32,
        assignmentEpoch: int32,
        assignor: text,
        members: array(
          struct({
            memberId: text,
            instanceId: orElse(nullableText),
            rackId: orElse(nullableText),
            memberEpoch: int32,
            clientId: text,
            host: text,
            topicNames: array(text),
            topicRegex: orElse(nullableText),
            assignment,
            target: assignment,
            type: since(1, int8, -1),
          }),
        ),
        operations: orElse(int32, NO_OPERATIONS),
      }),
    ),
  },
})
