/**
 * Topics: made, removed and looked at.
 *
 * T1. A topic is made once: when an attempt ended without an answer and the next finds the topic there, it is ours only
 *     if it was absent before and has the very shape and settings asked for. Anything else is MQ_TOPIC_EXISTS.
 * T2. After `createTopic` every partition has a leader, so that it can be written at once.
 * T3. Looking never makes a topic.
 */
import { MqError } from '@mq/contract'
import { backoffMs, sleep } from '@mq/contract/timing'
import type { createTopicsV7 } from '@platformatic/kafka'
import type { TopicMetadata } from '../net/metadata-cache.ts'
import { KafkaCode, kafkaCodeOf } from '../protocol/kafka-errors.ts'
import * as requests from '../protocol/requests.ts'
import type { AdminCalls, Deadline } from './calls.ts'
import { ownTopicConfigs } from './configs.ts'

export interface NewTopic {
  readonly name: string
  readonly partitions: number
  readonly replication: number
  readonly configs?: Readonly<Record<string, string>>
}

const MAX_INT32 = 2_147_483_647
const MAX_INT16 = 32_767
const POLL = { baseMs: 10, maxMs: 250 }
const GONE_WAIT_MS = 1_000

/** @throws MqError MQ_TOPIC_EXISTS */
export async function createTopic(calls: AdminCalls, topic: NewTopic): Promise<void> {
  checkCount(topic.name, 'partitions', topic.partitions, MAX_INT32)
  checkCount(topic.name, 'replication', topic.replication, MAX_INT16)
  const what = `create topic ${topic.name}`
  const deadline = calls.deadline()
  const wasAbsent = await calls.retrying(what, async () => (await findTopic(calls, topic.name)) === undefined, {
    deadline,
  })
  await calls.retrying(
    what,
    async ({ ambiguous }) => {
      try {
        await calls.askAny(what, (connection) =>
          requests.createTopics.send(connection, [requestOf(topic)], brokerWaitMs(calls), false),
        )
      } catch (error) {
        const exists = kafkaCodeOf(error) === KafkaCode.TOPIC_ALREADY_EXISTS
        if (exists && ambiguous && wasAbsent && (await isAsAsked(calls, topic))) return
        if (exists && (await isBeingDeleted(calls, topic.name))) {
          throw new MqError('MQ_KAFKA_UNAVAILABLE', `topic ${topic.name} is still being deleted`, { cause: error })
        }
        throw error
      }
    },
    { deadline },
  )
  await waitForLeaders(calls, topic, deadline)
}

/** With ZooKeeper a deleted topic is gone for readers first, and its name is free only when its last replica is. */
async function isBeingDeleted(calls: AdminCalls, name: string): Promise<boolean> {
  return (await findTopic(calls, name)) === undefined
}

/** @throws MqError MQ_TOPIC_MISSING when there is none */
export async function deleteTopic(calls: AdminCalls, name: string): Promise<void> {
  const what = `delete topic ${name}`
  const deadline = calls.deadline()
  await calls.retrying(
    what,
    async ({ ambiguous }) => {
      try {
        await calls.askAny(what, (connection) =>
          requests.deleteTopics.send(connection, [{ name }], brokerWaitMs(calls)),
        )
      } catch (error) {
        if (ambiguous && kafkaCodeOf(error) === KafkaCode.UNKNOWN_TOPIC_OR_PARTITION) return
        throw error
      }
    },
    { deadline },
  )
  const untilMs = Math.min(deadline.endMs, calls.nowMs() + GONE_WAIT_MS)
  await poll(calls, untilMs, async () => (await findTopic(calls, name)) === undefined)
}

/** Facts of those topics that exist, asked now. */
export async function describeTopics(calls: AdminCalls, names: readonly string[]): Promise<TopicMetadata[]> {
  if (names.length === 0) return []
  const found = await calls.retrying('describe topics', () => calls.cluster.metadata(names, { refresh: true }))
  return found.filter((topic) => topic.errorCode === undefined)
}

function requestOf(topic: NewTopic): createTopicsV7.CreateTopicsRequestTopic {
  return {
    name: topic.name,
    numPartitions: topic.partitions,
    replicationFactor: topic.replication,
    assignments: [],
    configs: Object.entries(topic.configs ?? {}).map(([name, value]) => ({ name, value })),
  }
}

/** The broker gives up a little before we do, so that its reason is heard. */
function brokerWaitMs(calls: AdminCalls): number {
  return Math.max(1, Math.floor(calls.requestMs * 0.8))
}

async function findTopic(calls: AdminCalls, name: string): Promise<TopicMetadata | undefined> {
  const [topic] = await calls.cluster.metadata([name], { refresh: true })
  return topic === undefined || topic.errorCode === KafkaCode.UNKNOWN_TOPIC_OR_PARTITION ? undefined : topic
}

async function isAsAsked(calls: AdminCalls, asked: NewTopic): Promise<boolean> {
  const topic = await findTopic(calls, asked.name)
  if (topic === undefined || topic.partitions.length !== asked.partitions) return false
  if (topic.partitions.some((partition) => partition.replicas.length !== asked.replication)) return false
  const own = await ownTopicConfigs(calls, asked.name)
  const wanted = Object.entries(asked.configs ?? {})
  return own.size === wanted.length && wanted.every(([name, value]) => own.get(name) === value)
}

async function waitForLeaders(calls: AdminCalls, { name, partitions }: NewTopic, deadline: Deadline): Promise<void> {
  let led = 0
  const ready = await poll(calls, deadline.endMs, async () => {
    const topic = await findTopic(calls, name)
    led = topic?.partitions.filter((partition) => partition.leader >= 0).length ?? 0
    return led === partitions
  })
  if (ready) return
  throw new MqError(
    'MQ_KAFKA_UNAVAILABLE',
    calls.context(`topic ${name} was created, and ${led} of ${partitions} partitions have a leader`),
  )
}

/** Asks until it is so; a failure to ask is a no. */
async function poll(calls: AdminCalls, untilMs: number, isSo: () => Promise<boolean>): Promise<boolean> {
  const { deps } = calls.cluster
  for (let tries = 1; ; tries += 1) {
    const leftMs = untilMs - calls.nowMs()
    if (leftMs <= 0) return false
    const answer = await calls
      .retrying('ask for metadata', isSo, { attempts: 1, deadline: { endMs: untilMs } })
      .catch((error: unknown) => {
        if (error instanceof MqError && !error.retryable) throw error
        return false
      })
    if (answer) return true
    await sleep(
      deps,
      Math.min(
        leftMs,
        backoffMs(tries, () => deps.random(), POLL),
      ),
    )
  }
}

function checkCount(topic: string, field: string, value: number, most: number): void {
  if (Number.isInteger(value) && value >= 1 && value <= most) return
  throw new MqError(
    'MQ_OPTION_INVALID',
    `topic ${topic}: ${field} must be a whole number from 1 to ${most}, not ${value}`,
  )
}
