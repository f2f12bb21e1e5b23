/**
 * A canary: one record written to and read from a topic of its own, the way clients write and read.
 *
 * N1. The topic is made for it and removed after it, also when the canary fails; one left over from a crash is taken.
 * N2. It ends within its deadline.
 * N3. Brokers that have just started take their first writes at a tenth of their speed. So the canary goes on writing for a
 *     moment, to a leader on every broker: the first writes that somebody waits for are not the first ones.
 */
import { type ConsumerSettings, MqError, type ProducerSettings } from '@mq/contract'
import { Fetcher } from '../fetch/fetcher.ts'
import type { Cluster } from '../net/cluster.ts'
import { MemoryBudget } from '../produce/memory-budget.ts'
import { partitionOf } from '../produce/partitioner.ts'
import { Producer } from '../produce/producer.ts'
import type { Receipt } from '../produce/send-promise.ts'
import { Admin } from './admin.ts'
import type { NewTopic } from './topics.ts'

const DEADLINE_MS = 10_000
const VALUE = 'mq-canary'
/** N3: until either is reached. */
const WARMING = { rounds: 300, forMs: 600 }
const MOST_PARTITIONS = 12

export interface CanaryTimes {
  readonly writeMs: number
  readonly readMs: number
}

export async function sendCanary(
  cluster: Cluster,
  topic: Omit<NewTopic, 'partitions'>,
  settings: { readonly producer: ProducerSettings; readonly consumer: ConsumerSettings },
): Promise<CanaryTimes> {
  const admin = new Admin(cluster, { deadlineMs: DEADLINE_MS })
  const { brokers } = await admin.describeCluster()
  const partitions = Math.max(1, Math.min(MOST_PARTITIONS, brokers.length))
  try {
    await admin.createTopic({ ...topic, partitions })
  } catch (error) {
    if (!(error instanceof MqError) || error.code !== 'MQ_TOPIC_EXISTS') throw error
  }
  try {
    const [left] = await cluster.metadata([topic.name])
    return await writeAndRead(cluster, topic.name, left?.partitions.length || partitions, settings)
  } finally {
    await admin.deleteTopic(topic.name).catch((error: unknown) => {
      if (!(error instanceof MqError) || error.code !== 'MQ_TOPIC_MISSING') throw error
    })
  }
}

async function writeAndRead(
  cluster: Cluster,
  name: string,
  partitions: number,
  settings: { readonly producer: ProducerSettings; readonly consumer: ConsumerSettings },
): Promise<CanaryTimes> {
  const { clock, timers } = cluster.deps
  const startMs = clock.monotonicMs()
  const producer = new Producer({
    cluster,
    settings: { ...settings.producer, lingerMs: 0 },
    budget: new MemoryBudget(16 * 1_048_576),
    deps: cluster.deps,
    sendDeadlineMs: DEADLINE_MS,
  })
  const topic = producer.topic(name, partitions)
  let first: Receipt
  let writtenMs: number
  try {
    first = await producer.send(topic, null, VALUE)
    writtenMs = clock.monotonicMs()
    const keys = keysFor(partitions)
    for (let round = 0; round < WARMING.rounds && clock.monotonicMs() < writtenMs + WARMING.forMs; round++) {
      await Promise.all(keys.map((key) => producer.send(topic, key, VALUE)))
    }
  } finally {
    await producer.close(0).catch(() => {})
  }
  const warmMs = clock.monotonicMs()
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  const timer = timers.setTimeout(
    () =>
      reject(
        new MqError('MQ_KAFKA_TIMEOUT', `the canary of cluster ${cluster.name} was not read within ${DEADLINE_MS} ms`),
      ),
    DEADLINE_MS,
  )
  const fetcher = new Fetcher({
    cluster,
    settings: settings.consumer,
    deps: cluster.deps,
    onBatch: (batch) => {
      for (const record of batch) if (record.valueString() === VALUE) resolve()
      batch.release()
    },
    onError: (_topic, _partition, error) => {
      if (!error.retryable) reject(error)
    },
  })
  try {
    fetcher.add(name, first.partition, first.baseOffset)
    await promise
  } finally {
    timers.clearTimeout(timer)
    await fetcher.close()
  }
  return { writeMs: writtenMs - startMs, readMs: clock.monotonicMs() - warmMs }
}

/** One key for each partition. */
function keysFor(partitions: number): string[] {
  const keys: string[] = []
  for (let n = 0, found = 0; found < partitions; n++) {
    const partition = partitionOf(String(n), partitions)
    if (keys[partition] !== undefined) continue
    keys[partition] = String(n)
    found++
  }
  return keys
}
