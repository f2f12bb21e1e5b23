/**
 * Making, changing and recognising a topic.
 */
import { MqError } from '@mq/contract'
import { type Deps, sleep } from '@mq/kafka'
import type { ClusterAdmin, TopicFacts, TopicSpec } from './cluster-admin.ts'
import type { Clusters } from './clusters.ts'
import { configsFor, limitOf, refusedLimit, type TimeLimit } from './time-limit.ts'

const LEADERS_WITHIN_MS = 10_000
const LEADER_POLL_MS = 50

/** @returns how the topic refuses records that are too old (time-limit.ts) */
export function createTopic(admin: ClusterAdmin, spec: TopicSpec): Promise<TimeLimit> {
  return asTheClusterKnows(spec.configs, (configs) => admin.createTopic({ ...spec, configs }))
}

/** Whether the cluster would make the topic; makes none. */
export async function validateTopic(admin: ClusterAdmin, spec: TopicSpec): Promise<void> {
  await asTheClusterKnows(spec.configs, (configs) => admin.validateTopic({ ...spec, configs }))
}

export async function alterTopic(
  admin: ClusterAdmin,
  topic: string,
  configs: Readonly<Record<string, string>>,
): Promise<void> {
  await asTheClusterKnows(configs, (known) => admin.alterTopicConfigs(topic, known))
}

/** Which limit of age a topic that stands has; asked, because it was made by an older attempt or by another version of mQ. */
export async function timeLimitOf(admin: ClusterAdmin, topic: string): Promise<TimeLimit> {
  const settings = await admin.topicSettings([topic]).catch(() => undefined)
  return limitOf(settings?.get(topic))
}

/** Tries with the newest setting first; a cluster that does not know one names it in its refusal. */
async function asTheClusterKnows(
  configs: Readonly<Record<string, string>>,
  change: (configs: Readonly<Record<string, string>>) => Promise<void>,
): Promise<TimeLimit> {
  const limits: TimeLimit[] = ['before', 'difference', 'none']
  for (const limit of limits) {
    try {
      await change(configsFor(limit, configs))
      return limit
    } catch (error) {
      const refused =
        error instanceof MqError && error.code === 'MQ_KAFKA_REFUSED' ? refusedLimit(error.message) : undefined
      if (refused !== limit) throw error
    }
  }
  return 'none'
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
