/** Fetch (1): record batches from offsets on, by topic name up to version 12, by topic id from 13 on. */
import { Api } from '../api.ts'
import {
  array,
  between,
  int8,
  int16,
  int32,
  int64,
  nullableArray,
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

export const fetchApi = new Api({
  key: 1,
  name: 'Fetch',
  versions: [4, 18],
  flexibleSince: 12,
  request: {
    clusterId: tagged(0, 12, nullableText),
    replicaId: between(0, 14, int32, -1),
    replicaState: tagged(1, 15, struct({ replicaId: int32, replicaEpoch: int64 })),
    maxWaitMs: int32,
    minBytes: int32,
    maxBytes: int32,
    isolationLevel: orElse(int8),
    sessionId: since(7, int32),
    sessionEpoch: since(7, int32, -1),
    topics: array(
      struct({
        name: until(12, text),
        topicId: since(13, uuid),
        partitions: array(
          struct({
            partition: int32,
            currentLeaderEpoch: since(9, int32, -1),
            fetchOffset: int64,
            lastFetchedEpoch: since(12, int32, -1),
            logStartOffset: since(5, int64, -1n),
            maxBytes: int32,
            replicaDirectoryId: tagged(0, 17, uuid),
            highWatermark: tagged(1, 18, int64),
          }),
        ),
      }),
    ),
    forgotten: since(
      7,
      array(struct({ name: between(7, 12, text), topicId: since(13, uuid), partitions: array(int32) })),
    ),
    rackId: since(11, text),
  },
  response: {
    throttleMs: orElse(int32),
    errorCode: since(7, int16),
    sessionId: since(7, int32),
    topics: array(
      struct({
        name: until(12, text),
        topicId: since(13, uuid),
        partitions: array(
          struct({
            partition: int32,
            errorCode: int16,
            highWatermark: int64,
            lastStableOffset: orElse(int64, -1n),
            logStartOffset: since(5, int64, -1n),
            divergingEpoch: tagged(0, 12, struct({ epoch: int32, endOffset: int64 })),
            currentLeader: tagged(1, 12, leaderAndEpoch),
            snapshotId: tagged(2, 12, struct({ endOffset: int64, epoch: int32 })),
            aborted: orElse(nullableArray(struct({ producerId: int64, firstOffset: int64 }))),
            preferredReadReplica: since(11, int32, -1),
            records: nullableBytes,
          }),
        ),
      }),
    ),
    nodeEndpoints: tagged(0, 16, nodeEndpoints),
  },
})
