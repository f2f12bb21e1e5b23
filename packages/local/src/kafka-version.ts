/**
 * Versions of Apache Kafka: their order, how a version with its metadata mode is written, and which modes a version has.
 *
 * N1. A version is written `4.4.0`, `3.9.2-zk` where metadata lies in ZooKeeper, or `4.4.0-kroxylicious` where that proxy stands before
 *     the brokers. Without `-zk` KRaft is meant wherever the version can run it in production (3.3 and newer), and ZooKeeper before.
 * N2. A mode that a version does not have is refused with its reason before anything is fetched.
 */
import { MqError } from '@mq/contract'

export type MetadataMode = 'kraft' | 'zookeeper'

export interface KafkaChoice {
  readonly version: string
  readonly mode: MetadataMode
  /** What clients talk to instead of the brokers. */
  readonly front?: Front
}

export type Front = 'kroxylicious'

/** What runs where nothing else is asked for. */
export const KAFKA_VERSION = '4.4.0'
/** The oldest version that this package starts. */
export const OLDEST_KAFKA = '2.8.0'
/** Before it KRaft was a preview without what tests need (feature levels, SCRAM, bootstrap metadata). */
const FIRST_KRAFT = '3.3.0'
const FIRST_WITHOUT_ZOOKEEPER = '4.0.0'
const WRITTEN = /^(\d+)\.(\d+)\.(\d+)$/

/** Less than zero when `left` is older. */
export function compareKafkaVersions(left: string, right: string): number {
  const a = numbersOf(left)
  const b = numbersOf(right)
  return a[0] - b[0] || a[1] - b[1] || a[2] - b[2]
}

export function isKafkaAtLeast(version: string, floor: string): boolean {
  return compareKafkaVersions(version, floor) >= 0
}

/** @param text `4.4.0`, `3.9.2-zk`, `4.4.0-kroxylicious`; undefined is the default version */
export function parseKafkaChoice(text: string | undefined): KafkaChoice {
  const [version = '', suffix] = (text ?? KAFKA_VERSION).split('-', 2)
  if (suffix === 'kroxylicious') return { ...checkedChoice(version, undefined), front: suffix }
  if (suffix !== undefined && suffix !== 'zk') {
    throw new MqError(
      'MQ_OPTION_INVALID',
      `Kafka version '${text}' ends in '-${suffix}'; only '-zk' and '-kroxylicious' are known`,
    )
  }
  return checkedChoice(version, suffix === 'zk' ? 'zookeeper' : undefined)
}

export function checkedChoice(version: string, asked: MetadataMode | undefined): KafkaChoice {
  if (!isKafkaAtLeast(version, OLDEST_KAFKA)) {
    throw new MqError(
      'MQ_OPTION_INVALID',
      `Kafka ${version} is older than ${OLDEST_KAFKA}, the oldest that mQ speaks to`,
    )
  }
  const mode = asked ?? (isKafkaAtLeast(version, FIRST_KRAFT) ? 'kraft' : 'zookeeper')
  if (mode === 'kraft' && !isKafkaAtLeast(version, FIRST_KRAFT)) {
    throw new MqError('MQ_OPTION_INVALID', `Kafka ${version} has KRaft only as a preview; ask for '${version}-zk'`)
  }
  if (mode === 'zookeeper' && isKafkaAtLeast(version, FIRST_WITHOUT_ZOOKEEPER)) {
    throw new MqError('MQ_OPTION_INVALID', `Kafka ${version} no longer runs with ZooKeeper; ask for '${version}'`)
  }
  return { version, mode }
}

function numbersOf(version: string): [number, number, number] {
  const found = WRITTEN.exec(version)
  if (found === null) {
    throw new MqError('MQ_OPTION_INVALID', `'${version}' is no version of Kafka; write it like ${KAFKA_VERSION}`)
  }
  return [Number(found[1]), Number(found[2]), Number(found[3])]
}
