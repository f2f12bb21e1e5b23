/** ConsumerGroupHeartbeat (68): a member of the consumer protocol (KIP-848) says what it holds, and hears what it is to hold. */
import { Api } from '../api.ts'
import {
  array,
  int16,
  int32,
  nullableArray,
  nullableStruct,
  nullableText,
  orElse,
  since,
  struct,
  text,
  uuid,
} from '../schema.ts'

const topicPartitions = struct({ topicId: uuid, partitions: array(int32) })

export const consumerGroupHeartbeatApi = new Api({
  key: 68,
  name: 'ConsumerGroupHeartbeat',
  versions: [0, 1],
  flexibleSince: 0,
  request: {
    groupId: text,
    memberId: text,
    /** 0 joins, -1 leaves, -2 leaves as a static member. */
    memberEpoch: int32,
    instanceId: orElse(nullableText),
    rackId: orElse(nullableText),
    /** What follows is -1 or null where it is as it was told before. */
    rebalanceTimeoutMs: orElse(int32, -1),
    topicNames: orElse(nullableArray(text)),
    topicRegex: since(1, nullableText),
    assignor: orElse(nullableText),
    held: orElse(nullableArray(topicPartitions)),
  },
  response: {
    throttleMs: orElse(int32),
    errorCode: int16,
    errorMessage: orElse(nullableText),
    memberId: orElse(nullableText),
    memberEpoch: orElse(int32),
    heartbeatIntervalMs: orElse(int32),
    /** Null where it is as it was told before. */
    assignment: orElse(nullableStruct({ topicPartitions: array(topicPartitions) })),
  },
})
