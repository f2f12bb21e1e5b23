/** Every kind of request whose shape is known, by key. */
import type { Api } from '../api.ts'
import { apiVersionsApi } from './api-versions.ts'
import { consumerGroupDescribeApi } from './consumer-group-describe.ts'
import { consumerGroupHeartbeatApi } from './consumer-group-heartbeat.ts'
import { createTopicsApi } from './create-topics.ts'
import { deleteGroupsApi } from './delete-groups.ts'
import { deleteTopicsApi } from './delete-topics.ts'
import { describeClientQuotasApi } from './describe-client-quotas.ts'
import { describeClusterApi } from './describe-cluster.ts'
import { describeConfigsApi } from './describe-configs.ts'
import { describeGroupsApi } from './describe-groups.ts'
import { describeLogDirsApi } from './describe-log-dirs.ts'
import { describeProducersApi } from './describe-producers.ts'
import { fetchApi } from './fetch.ts'
import { findCoordinatorApi } from './find-coordinator.ts'
import { heartbeatApi } from './heartbeat.ts'
import { incrementalAlterConfigsApi } from './incremental-alter-configs.ts'
import { initProducerIdApi } from './init-producer-id.ts'
import { joinGroupApi } from './join-group.ts'
import { leaveGroupApi } from './leave-group.ts'
import { listGroupsApi } from './list-groups.ts'
import { listOffsetsApi } from './list-offsets.ts'
import { metadataApi } from './metadata.ts'
import { offsetCommitApi } from './offset-commit.ts'
import { offsetDeleteApi } from './offset-delete.ts'
import { offsetFetchApi } from './offset-fetch.ts'
import { offsetForLeaderEpochApi } from './offset-for-leader-epoch.ts'
import { produceApi } from './produce.ts'
import { saslAuthenticateApi } from './sasl-authenticate.ts'
import { saslHandshakeApi } from './sasl-handshake.ts'
import { syncGroupApi } from './sync-group.ts'

export const allApis: readonly Api[] = [
  produceApi,
  fetchApi,
  listOffsetsApi,
  metadataApi,
  offsetCommitApi,
  offsetFetchApi,
  findCoordinatorApi,
  joinGroupApi,
  heartbeatApi,
  leaveGroupApi,
  syncGroupApi,
  describeGroupsApi,
  listGroupsApi,
  saslHandshakeApi,
  apiVersionsApi,
  createTopicsApi,
  deleteTopicsApi,
  initProducerIdApi,
  offsetForLeaderEpochApi,
  describeConfigsApi,
  describeLogDirsApi,
  saslAuthenticateApi,
  deleteGroupsApi,
  incrementalAlterConfigsApi,
  offsetDeleteApi,
  describeClientQuotasApi,
  describeClusterApi,
  describeProducersApi,
  consumerGroupHeartbeatApi,
  consumerGroupDescribeApi,
]

const byKey: ReadonlyMap<number, Api> = new Map(allApis.map((api) => [api.key, api]))

export function apiOf(key: number): Api | undefined {
  return byKey.get(key)
}
