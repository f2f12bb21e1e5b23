/** Metadata (3): the brokers of a cluster, and who leads the partitions of topics. */
import { Api } from '../api.ts'
import {
  array,
  between,
  bool,
  int16,
  int32,
  nullableArray,
  nullableText,
  since,
  struct,
  text,
  uuid,
} from '../schema.ts'

/** Rights were not asked for. */
export const NO_OPERATIONS = -2_147_483_648

export const metadataApi = new Api({
  key: 3,
  name: 'Metadata',
  versions: [0, 13],
  flexibleSince: 9,
  request: {
    /** Null for all topics; in version 0 an empty list says that. */
    topics: nullableArray(struct({ topicId: since(10, uuid), name: nullableText })),
    allowAutoTopicCreation: since(4, bool, true),
    includeClusterOperations: between(8, 10, bool),
    includeTopicOperations: since(8, bool),
  },
  response: {
    throttleMs: since(3, int32),
    brokers: array(struct({ nodeId: int32, host: text, port: int32, rack: since(1, nullableText) })),
    clusterId: since(2, nullableText),
    controllerId: since(1, int32, -1),
    topics: array(
      struct({
        errorCode: int16,
        name: nullableText,
        topicId: since(10, uuid),
        isInternal: since(1, bool),
        partitions: array(
          struct({
            errorCode: int16,
            partition: int32,
            leaderId: int32,
            leaderEpoch: since(7, int32, -1),
            replicas: array(int32),
            inSync: array(int32),
            offline: since(5, array(int32)),
          }),
        ),
        operations: since(8, int32, NO_OPERATIONS),
      }),
    ),
    clusterOperations: between(8, 10, int32, NO_OPERATIONS),
    errorCode: since(13, int16),
  },
})
