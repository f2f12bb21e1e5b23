/** The whole public surface of `@mq/testkit`. */
export type { Verdict } from './checker.ts'
export { Checker, checkHistory } from './checker.ts'
export { FakeCluster } from './fake-broker/cluster.ts'
export { Code as KafkaErrorCode } from './fake-broker/codes.ts'
export type { ApiName, Control, ControlContext, Instruction, RequestOf, ResponseOf } from './fake-broker/control.ts'
export { FakeLog, type StoredBatch } from './fake-broker/log.ts'
export type { FakeNode, FakeRequest } from './fake-broker/node.ts'
export type {
  FakeApi,
  FakeClusterOptions,
  FakeSpeech,
  GroupTimes,
  ProduceAttempt,
  ProduceFault,
} from './fake-broker/options.ts'
export { playedSpeech, speechUpTo } from './fake-broker/speech.ts'
export { HistoryEvent, parseHistory } from './history.ts'
export { Pace, within, withinCpu } from './pace.ts'
export { PackedWriter, readPacked } from './packed-history.ts'
export { type ReferenceBatch, type ReferenceRecord, readReferenceBatch, referenceCrc32c } from './reference-batch.ts'
export type { Violation } from './violation.ts'
