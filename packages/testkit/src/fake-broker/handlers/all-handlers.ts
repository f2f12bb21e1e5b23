/** Every request that fake brokers play. */
import type { Handler } from '../context.ts'
import { apiVersions } from './api-versions.ts'
import { consumerGroupHeartbeat } from './consumer-group-heartbeat.ts'
import { createTopics } from './create-topics.ts'
import { deleteTopics } from './delete-topics.ts'
import { describeCluster } from './describe-cluster.ts'
import { describeConfigs } from './describe-configs.ts'
import { describeProducers } from './describe-producers.ts'
import { fetch } from './fetch.ts'
import { findCoordinator } from './find-coordinator.ts'
import { heartbeat } from './heartbeat.ts'
import { incrementalAlterConfigs } from './incremental-alter-configs.ts'
import { initProducerId } from './init-producer-id.ts'
import { joinGroup } from './join-group.ts'
import { leaveGroup } from './leave-group.ts'
import { listOffsets } from './list-offsets.ts'
import { metadata } from './metadata.ts'
import { offsetCommit } from './offset-commit.ts'
import { offsetFetch } from './offset-fetch.ts'
import { offsetForLeaderEpoch } from './offset-for-leader-epoch.ts'
import { produce } from './produce.ts'
import { syncGroup } from './sync-group.ts'

/** By the name of the request in Kafka. */
const handlers = {
  Produce: produce,
  Fetch: fetch,
  ListOffsets: listOffsets,
  Metadata: metadata,
  OffsetCommit: offsetCommit,
  OffsetFetch: offsetFetch,
  FindCoordinator: findCoordinator,
  JoinGroup: joinGroup,
  Heartbeat: heartbeat,
  LeaveGroup: leaveGroup,
  SyncGroup: syncGroup,
  ApiVersions: apiVersions,
  CreateTopics: createTopics,
  DeleteTopics: deleteTopics,
  InitProducerId: initProducerId,
  OffsetForLeaderEpoch: offsetForLeaderEpoch,
  DescribeConfigs: describeConfigs,
  IncrementalAlterConfigs: incrementalAlterConfigs,
  DescribeCluster: describeCluster,
  DescribeProducers: describeProducers,
  ConsumerGroupHeartbeat: consumerGroupHeartbeat,
} as const

export type Apis = { readonly [N in keyof typeof handlers]: (typeof handlers)[N]['api'] }

export const allHandlers: readonly Handler[] = Object.values(handlers) as readonly Handler[]

const byKey: ReadonlyMap<number, Handler> = new Map(allHandlers.map((one) => [one.api.key, one]))

export function handlerOf(key: number): Handler | undefined {
  return byKey.get(key)
}

export function apiNameOf(key: number): string | undefined {
  return byKey.get(key)?.api.name
}
