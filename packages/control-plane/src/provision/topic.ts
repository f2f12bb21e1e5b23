/**
 * Making, changing and recognising a topic.
 */
import { MqError } from '@mq/contract'
import type { Deps } from '@mq/kafka'
import { sleep } from '../deadline.ts'
import type { ClusterAdmin, TopicFacts, TopicSpec } from './cluster-admin.ts'
import type { Clusters } from './clusters.ts'

const LEADERS_WITHIN_MS = 10_000
const LEADER_POLL_MS = 50

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

/** Whether the cluster would make the topic; makes none. */
export async function validateTopic(admin: ClusterAdmin, spec: TopicSpec): Promise<void> {
  try {
    await admin.validateTopic(spec)
  } catch (error) {
    if (!refusesNewerConfig(error)) throw error
    await admin.validateTopic({ ...spec, configs: withoutNewer(spec.configs) })
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

/** Waits until every partition can be written, so that the first send does not meet an election. */
export async function awaitLeaders(
  clusters: Clusters,
  deps: Deps,
  cluster: string,
  topic: string,
  partitions: number,
): Promise<TopicFacts> {
  const until = deps.clock.monotonicMs() + LEADERS_WITHIN_MS
  for (;;) {
    const found = await clusters.use(cluster, `waiting for topic ${topic}`, (admin) => admin.findTopics([topic]))
    const facts = found.get(topic)
    if (facts !== undefined && facts.partitions === partitions && facts.leaderless === 0) return facts
    if (deps.clock.monotonicMs() >= until) {
      throw new MqError(
        'MQ_KAFKA_UNAVAILABLE',
        `topic ${topic} on cluster '${cluster}' had no leader for ${facts?.leaderless ?? partitions} of ${partitions} partitions after ${LEADERS_WITHIN_MS} ms`,
      )
    }
    await sleep(deps, LEADER_POLL_MS)
  }
}
