/**
 * The protocol as both sides speak it: `@mq/kafka/protocol`. For what plays a broker, such as the fake of the test kit.
 */
export { Api } from './protocol/api.ts'
export {
  FrameSplitter,
  type RequestFrame,
  type RequestHeader,
  readRequestFrame,
  responseFrame,
} from './protocol/frames.ts'
export { allApis, apiOf } from './protocol/messages/all-apis.ts'
export { apiVersionsApi } from './protocol/messages/api-versions.ts'
export { consumerGroupDescribeApi } from './protocol/messages/consumer-group-describe.ts'
export { consumerGroupHeartbeatApi } from './protocol/messages/consumer-group-heartbeat.ts'
export { createTopicsApi } from './protocol/messages/create-topics.ts'
export { deleteGroupsApi } from './protocol/messages/delete-groups.ts'
export { deleteTopicsApi } from './protocol/messages/delete-topics.ts'
export { describeClientQuotasApi } from './protocol/messages/describe-client-quotas.ts'
export { describeClusterApi } from './protocol/messages/describe-cluster.ts'
export { describeConfigsApi } from './protocol/messages/describe-configs.ts'
export { describeGroupsApi } from './protocol/messages/describe-groups.ts'
export { describeLogDirsApi } from './protocol/messages/describe-log-dirs.ts'
export { describeProducersApi } from './protocol/messages/describe-producers.ts'
export { fetchApi } from './protocol/messages/fetch.ts'
export { findCoordinatorApi } from './protocol/messages/find-coordinator.ts'
export { heartbeatApi } from './protocol/messages/heartbeat.ts'
export { incrementalAlterConfigsApi } from './protocol/messages/incremental-alter-configs.ts'
export { initProducerIdApi } from './protocol/messages/init-producer-id.ts'
export { joinGroupApi } from './protocol/messages/join-group.ts'
export { leaveGroupApi } from './protocol/messages/leave-group.ts'
export { listGroupsApi } from './protocol/messages/list-groups.ts'
export { listOffsetsApi } from './protocol/messages/list-offsets.ts'
export { metadataApi, NO_OPERATIONS } from './protocol/messages/metadata.ts'
export { offsetCommitApi } from './protocol/messages/offset-commit.ts'
export { offsetDeleteApi } from './protocol/messages/offset-delete.ts'
export { offsetFetchApi } from './protocol/messages/offset-fetch.ts'
export { offsetForLeaderEpochApi } from './protocol/messages/offset-for-leader-epoch.ts'
export { produceApi } from './protocol/messages/produce.ts'
export { saslAuthenticateApi } from './protocol/messages/sasl-authenticate.ts'
export { saslHandshakeApi } from './protocol/messages/sasl-handshake.ts'
export { syncGroupApi } from './protocol/messages/sync-group.ts'
export type { Field, Fields, Read, WireType, Written } from './protocol/schema.ts'
export { WireReader } from './protocol/wire-reader.ts'
export { WireWriter } from './protocol/wire-writer.ts'
