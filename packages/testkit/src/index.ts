/** The whole public surface of `@mq/testkit`. */
export type { Verdict } from './checker.ts'
export { Checker, checkHistory } from './checker.ts'
export {
  type FakeApi,
  FakeBroker,
  type FakeBrokerOptions,
  type FakeRequest,
  type FakeSpeech,
  type ProduceAttempt,
  type ProduceFault,
} from './fake-broker.ts'
export { FakeLog, type StoredBatch } from './fake-log.ts'
export { HistoryEvent, parseHistory } from './history.ts'
export { Pace, within, withinCpu } from './pace.ts'
export { PackedWriter, readPacked } from './packed-history.ts'
export { type ReferenceBatch, type ReferenceRecord, readReferenceBatch, referenceCrc32c } from './reference-batch.ts'
export type { Violation } from './violation.ts'
