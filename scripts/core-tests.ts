/**
 * The core of the tests on real Kafka: what must pass on every version that mQ supports. `./mq test --kafka VERSION` runs it, and the
 * whole `./mq test` runs it a second time on `OLDER_KAFKA`.
 *
 * A test in one of these files that needs what a version lacks asks the broker (`LocalCluster.lacks`) and names the reason.
 */
export const OLDER_KAFKA = '3.9.2'

export const CORE_TESTS: readonly string[] = [
  'packages/kafka/test/admin.kafka.test.ts',
  'packages/kafka/test/cluster.kafka.test.ts',
  'packages/kafka/test/fetcher.kafka.test.ts',
  'packages/kafka/test/group.kafka.test.ts',
  'packages/kafka/test/interop.kafka.test.ts',
  'packages/kafka/test/producer.kafka.test.ts',
  'packages/kafka/test/requests.kafka.test.ts',
  'packages/kafka/test/seal.kafka.test.ts',
  'packages/kafka/test/survey.kafka.test.ts',
  'packages/client/test/client.kafka.test.ts',
  'packages/client/test/migration.kafka.test.ts',
  'packages/control-plane/test/control-plane.kafka.test.ts',
  'packages/control-plane/test/migration.kafka.test.ts',
  'packages/control-plane/test/observe.kafka.test.ts',
]
