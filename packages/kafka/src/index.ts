/** The whole public surface of `@mq/kafka`. */

export { tooLarge } from './accumulator.ts'
export { Admin, type ClusterDescription } from './admin.ts'
export type { AdminCluster, AdminOptions } from './admin-calls.ts'
export type {
  CommittedPosition,
  GroupDescription,
  GroupListing,
  GroupMemberDescription,
  GroupOffset,
} from './admin-groups.ts'
export type { ActiveProducer, BrokerRoom, WriteQuota } from './admin-insight.ts'
export type { EpochEnd, Isolation, OffsetPoint } from './admin-offsets.ts'
export type { NewTopic } from './admin-topics.ts'
export { hasRecordsFrom } from './appended.ts'
export { sleep, within } from './backoff.ts'
export type { Bytes } from './batch-encoder.ts'
export { PADDING_HEADER, SEALED_TOPIC_BYTES } from './batch-encoder.ts'
export { type HeldRecord, recordsOf } from './batch-parts.ts'
export { type Ahead, BrokerClock } from './broker-clock.ts'
export type { BrokerAddress, Purpose } from './broker-connection.ts'
export { type CanaryTimes, sendCanary } from './canary.ts'
export { type BrokerTrial, Cluster, type ClusterOptions, type PartitionLeader } from './cluster.ts'
export {
  CodecProbe,
  measureCodecs,
  PROBE_CANDIDATES,
  PROBE_DEPTHS,
  type ProbeBatch,
  type ProbeCandidate,
  probeBatchOf,
} from './codec-probe.ts'
export { CodecProbeThread } from './codec-probe-thread.ts'
export { CompactedTopic } from './compacted-topic.ts'
export { codecs, compress, compressSync, decompress } from './compression.ts'
export { type ClusterCredentials, securityOf, type TlsFiles } from './credentials.ts'
export type { Clock, Deps, TimerHandle, Timers } from './deps.ts'
export { systemDeps } from './deps.ts'
export type { FetchCluster, FetchLink, FetchNetwork, LocatedTopic, OffsetRange } from './fetch-network.ts'
export { ClusterFetchNetwork } from './fetch-network.ts'
export { FetchedBatch } from './fetched-batch.ts'
export { Fetcher, type FetcherOptions, type OffsetOutOfRange } from './fetcher.ts'
export { type Fate, fateOf, isFinal } from './final-errors.ts'
export { GroupMember } from './group-member.ts'
export type { CommitOffset, GroupCluster, GroupOptions, Position, TopicPartition } from './group-types.ts'
export type { HeldBatch, HeldPart } from './held-batch.ts'
export { KafkaCode, kafkaCodeOf, protocolError, toMqError } from './kafka-errors.ts'
export { MemoryBudget } from './memory-budget.ts'
export type { Broker, PartitionMetadata, TopicMetadata } from './metadata-cache.ts'
export type { IdentifiedPartition } from './offset-requests.ts'
export { partitionOf } from './partitioner.ts'
export type { PendingBatch } from './pending-batch.ts'
export {
  decodeNote,
  encodeNote,
  type FailingRecord,
  type FinishedRange,
  type PositionNote,
  topicIdOf,
} from './position-note.ts'
export { Producer } from './producer.ts'
export type { BatchReport, CompressionWork, EncodedRecords, ProducerObserver } from './producer-observer.ts'
export type { ProduceCluster, ProducerOptions } from './producer-options.ts'
export { ProducerTopic } from './producer-topic.ts'
export { type RecordPosition, recordAt } from './record-at.ts'
export {
  type EncodedHeaders,
  encodeHeaders,
  type Headers,
  type HeaderValue,
  type HeaderValues,
  kindOf,
  MAX_HEADERS_BYTES,
} from './record-headers.ts'
export { lookAtRecords, recordsWithin } from './record-look.ts'
export { aheadOf } from './record-time.ts'
export { FetchedRecord, type RecordHeader } from './record-view.ts'
export { allRequests } from './requests.ts'
export { type LeaderProof, type SealedEnd, type SealProbe, TopicSeal } from './seal.ts'
export { checkSealing } from './seal-check.ts'
export { mayBeSealed, probeOpen, proveSealed, type SealedPlace, type SealFinding } from './seal-proof.ts'
export { scanTail, searchTail, type TailOptions, type TailQuestion, type TailScan } from './sealed-tail.ts'
export type { Sasl, Secret, Security, TlsOptions, TlsSource } from './security-types.ts'
export { messages } from './send-errors.ts'
export { type Receipt, type SendLimits, StoredReceipt } from './send-promise.ts'
export type { AmbiguousBatch, Resolution } from './sender-shared.ts'
export { Survey, type SurveyedTopics } from './survey.ts'
export type { Surveyed } from './survey-answers.ts'
export type { SampledBatch, SampledSpan, SampleWish } from './survey-batches.ts'
export type { SurveyedGroup } from './survey-groups.ts'
export type { BrokerDisk } from './survey-log-dirs.ts'
export type { SurveyedOffset, TopicOffsets } from './survey-offsets.ts'
