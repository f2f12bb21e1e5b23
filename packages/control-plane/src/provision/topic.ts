/**
 * Making, changing and recognising a topic.
 */
import { MqError } from '@mq/contract'
import type { ClusterAdmin, TopicSpec } from './cluster-admin.ts'

/** A configuration key Kafka knows from 3.6 on; an older cluster does without. */
const NEWER_CONFIG = 'message.timestamp.before.max.ms'

export async function createTopic(admin: ClusterAdmin, spec: TopicSpec): Promise<void> {
  try {
    await admin.createTopic(spec)
  } catch (error) {
    if (!refusesNewerConfig(error)) throw error
    await admin.createTopic({ ...spec, configs: withoutNewer(spec.configs) })
  }
}

export async function alterTopic(
  admin: ClusterAdmin,
  topic: string,
  configs: Readonly<Record<string, string>>,
): Promise<void> {
  try {
    await admin.alterTopicConfigs(topic, configs)
  } catch (error) {
    if (!refusesNewerConfig(error)) throw error
    await admin.alterTopicConfigs(topic, withoutNewer(configs))
  }
}

function refusesNewerConfig(error: unknown): boolean {
  return error instanceof MqError && error.code === 'MQ_KAFKA_REFUSED' && error.message.includes(NEWER_CONFIG)
}

function withoutNewer(configs: Readonly<Record<string, string>>): Record<string, string> {
  const { [NEWER_CONFIG]: _newer, ...rest } = configs
  return rest
}

/**
 * Whether a topic that was absent when the creation was written down is the one it made.
 * @throws MqError MQ_KAFKA_UNAVAILABLE, to be asked again, while the broker asked has not heard of it
 */
export async function isOurs(
  admin: ClusterAdmin,
  topic: string,
  partitions: number,
  replication: number,
): Promise<boolean> {
  const facts = (await admin.findTopics([topic])).get(topic)
  if (facts === undefined) {
    throw new MqError('MQ_KAFKA_UNAVAILABLE', `topic ${topic} exists and no broker asked can describe it yet`)
  }
  if (facts.partitions !== partitions || facts.replication !== replication) return false
  return (await admin.endOffsets(topic, partitions)).every((end) => end === 0n)
}
