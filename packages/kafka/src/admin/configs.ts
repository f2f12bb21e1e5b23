/**
 * Settings of topics.
 *
 * C1. A change touches only the settings it names; `null` takes a setting back to the default of the cluster.
 * C2. After a change the settings read are the new ones, unless brokers take longer than a second to hear of it.
 */
import { MqError } from '@mq/contract'
import { backoffMs, sleep } from '@mq/contract/timing'
import type { describeConfigsV4, incrementalAlterConfigsV1 } from '@platformatic/kafka'
import { KafkaCode, toMqError } from '../protocol/kafka-errors.ts'
import * as requests from '../protocol/requests.ts'
import type { AdminCalls } from './calls.ts'

const TOPIC = 2
const OWN_TO_TOPIC = 1
const SET = 0
const DELETE = 1
const VISIBLE_WAIT_MS = 1_000
const POLL = { baseMs: 5, maxMs: 100 }

/** Every setting in force, by its Kafka name; `null` for one that Kafka keeps secret. @throws MqError MQ_TOPIC_MISSING */
export async function topicConfigs(calls: AdminCalls, name: string): Promise<Map<string, string | null>> {
  const configs = await describe(calls, name)
  return new Map(configs.map((config) => [config.name, config.value ?? null]))
}

/** Only what was set on the topic itself. */
export async function ownTopicConfigs(calls: AdminCalls, name: string): Promise<Map<string, string | null>> {
  const configs = await describe(calls, name)
  return new Map(
    configs
      .filter((config) => config.configSource === OWN_TO_TOPIC)
      .map((config) => [config.name, config.value ?? null]),
  )
}

export async function alterTopicConfigs(
  calls: AdminCalls,
  name: string,
  changes: Readonly<Record<string, string | null>>,
): Promise<void> {
  const entries = Object.entries(changes)
  if (entries.length === 0) return
  const what = `change settings of topic ${name}`
  const resource: incrementalAlterConfigsV1.IncrementalAlterConfigsRequestResource = {
    resourceType: TOPIC,
    resourceName: name,
    configs: entries.map(([key, value]) =>
      value === null ? { name: key, configOperation: DELETE } : { name: key, configOperation: SET, value },
    ),
  }
  await calls.retrying(what, () =>
    calls.askAny(what, (connection) => requests.incrementalAlterConfigs.send(connection, [resource], false)),
  )
  await waitUntilVisible(calls, name, entries)
}

async function waitUntilVisible(
  calls: AdminCalls,
  name: string,
  entries: readonly (readonly [string, string | null])[],
): Promise<void> {
  const { deps } = calls.cluster
  const untilMs = calls.nowMs() + VISIBLE_WAIT_MS
  for (let tries = 1; calls.nowMs() < untilMs; tries += 1) {
    const own = await ownTopicConfigs(calls, name)
    // A value that Kafka writes in another way than it was given is never seen: hence the limit.
    if (entries.every(([key, value]) => (own.get(key) ?? null) === value)) return
    await sleep(
      deps,
      backoffMs(tries, () => deps.random(), POLL),
    )
  }
}

async function describe(calls: AdminCalls, name: string): Promise<describeConfigsV4.DescribeConfigsResponseConfig[]> {
  const what = `describe settings of topic ${name}`
  const answer = await calls.retrying(what, () =>
    calls.askAny(what, (connection) =>
      requests.describeConfigs.send(connection, [{ resourceType: TOPIC, resourceName: name, configurationKeys: null }]),
    ),
  )
  const result = answer.results.find((one) => one.resourceName === name)
  if (result !== undefined) return result.configs
  throw answer.results.length === 0
    ? toMqError(KafkaCode.UNKNOWN_TOPIC_OR_PARTITION, calls.context(what))
    : new MqError('MQ_PROTOCOL_VIOLATION', `${calls.context(what)}: the answer is about another topic`)
}
