/** The whole public surface of `@mq/kafka`. */

export type { Clock, Deps, TimerHandle, Timers } from '@mq/contract/timing'
export { type BackoffLimits, backoffMs, pause, sleep, systemDeps, within, withinOrUndefined } from '@mq/contract/timing'
export { Admin, type ClusterDescription } from './admin/admin.ts'
export type { AdminCluster, AdminOptions } from './admin/calls.ts'
export { type CanaryTimes, sendCanary } from './admin/canary.ts'
export { CompactedTopic } from './admin/compacted-topic.ts'
export type {
  CommittedPosition,
  GroupDescription,
  GroupListing,
  GroupMemberDescription,
  GroupOffset,
} from './admin/groups.ts'
export type { ActiveProducer, BrokerRoom, WriteQuota } from './admin/insight.ts'
export type { EpochEnd, Isolation, OffsetPoint } from './admin/offsets.ts'
export { hasRecordsFrom } from './admin/records-from.ts'
export { type LeaderProof, type SealedEnd, type SealProbe, TopicSeal } from './admin/seal.ts'
export { checkSealing } from './admin/seal-check.ts'
export { mayBeSealed, probeOpen, proveSealed, type SealedPlace, type SealFinding } from './admin/seal-proof.ts'
export type { NewTopic } from './admin/topics.ts'
export type { FetchCluster, FetchLink, FetchNetwork, LocatedTopic, OffsetRange } from './fetch/fetch-network.ts'
export { ClusterFetchNetwork } from './fetch/fetch-network.ts'
export { FetchedBatch } from './fetch/fetched-batch.ts'
export { Fetcher, type FetcherOptions, type OffsetOutOfRange } from './fetch/fetcher.ts'
export { type ReadRange, readRange } from './fetch/read-range.ts'
export {
  type CommitMetadata,
  decodeCommitMetadata,
  encodeCommitMetadata,
  type FailingRecord,
  type FinishedRange,
  topicIdOf,
} from './group/commit-metadata.ts'
export { GroupMember } from './group/member.ts'
export type { CommitOffset, GroupCluster, GroupOptions, Position, TopicPartition } from './group/types.ts'
export { type Ahead, BrokerClock } from './net/broker-clock.ts'
export type { BrokerAddress, Purpose } from './net/broker-connection.ts'
export { type BrokerTrial, Cluster, type ClusterOptions, type PartitionLeader } from './net/cluster.ts'
export { type ClusterCredentials, securityOf, type TlsFiles } from './net/credentials.ts'
export type { Broker, PartitionMetadata, TopicMetadata } from './net/metadata-cache.ts'
export type { Sasl, Secret, Security, TlsOptions, TlsSource } from './net/security-types.ts'
export { tooLarge } from './produce/accumulator.ts'
export type { AmbiguousBatch, Resolution } from './produce/ambiguous-batch.ts'
export type { HeldBatch, HeldPart } from './produce/held-batch.ts'
export { MemoryBudget } from './produce/memory-budget.ts'
export { partitionOf } from './produce/partitioner.ts'
export type { PendingBatch } from './produce/pending-batch.ts'
export { Producer } from './produce/producer.ts'
export type { BatchReport, CompressionWork, EncodedRecords, ProducerObserver } from './produce/producer-observer.ts'
export type { ProduceCluster, ProducerOptions } from './produce/producer-options.ts'
export { ProducerTopic } from './produce/producer-topic.ts'
export { aheadOf } from './produce/record-time.ts'
export { scanTail, searchTail, type TailOptions, type TailQuestion, type TailScan } from './produce/sealed-tail.ts'
export { messages } from './produce/send-errors.ts'
export { type Receipt, type SendLimits, StoredReceipt } from './produce/send-promise.ts'
export { type Fate, fateOf, isFinal } from './protocol/final-errors.ts'
export { KafkaCode, kafkaCodeOf, protocolError, toMqError } from './protocol/kafka-errors.ts'
export type { IdentifiedPartition } from './protocol/offset-requests.ts'
export { allRequests } from './protocol/requests.ts'
export type { Bytes } from './records/batch-encoder.ts'
export { SEALED_TOPIC_BYTES } from './records/batch-encoder.ts'
export { type HeldRecord, recordsOf } from './records/batch-parts.ts'
export {
  CodecProbe,
  measureCodecs,
  PROBE_CANDIDATES,
  PROBE_DEPTHS,
  type ProbeBatch,
  type ProbeCandidate,
  probeBatchOf,
} from './records/codec-probe.ts'
export { CodecProbeThread } from './records/codec-probe-thread.ts'
export { codecs, compress, compressSync, decompress } from './records/compression.ts'
export { PADDING_HEADER } from './records/padding-header.ts'
export { type RecordPosition, recordAt } from './records/record-at.ts'
export {
  type EncodedHeaders,
  encodeHeaders,
  type Headers,
  type HeaderValue,
  type HeaderValues,
  kindOf,
  MAX_HEADERS_BYTES,
} from './records/record-headers.ts'
export { recordsWithin, sampleRecords } from './records/record-sample.ts'
export { FetchedRecord, type RecordHeader } from './records/record-view.ts'
export type { Surveyed } from './survey/answers.ts'
export type { SampledBatch, SampledSpan, SampleRequest } from './survey/batches.ts'
export type { SurveyedGroup } from './survey/groups.ts'
export type { BrokerDisk } from './survey/log-dirs.ts'
export type { SurveyedOffset, TopicOffsets } from './survey/offsets.ts'
export { Survey, type SurveyedTopics } from './survey/survey.ts'
