/**
 * A canary: one record written to and read from a topic of its own, the way clients write and read.
 *
 * N1. The topic is made for it and removed after it, also when the canary fails; one left over from a crash is taken.
 * N2. It ends within its deadline.
 */
import { type ConsumerSettings, MqError, type ProducerSettings } from '@mq/contract'
import { Admin } from './admin.ts'
import type { NewTopic } from './admin-topics.ts'
import type { Cluster } from './cluster.ts'
import { Fetcher } from './fetcher.ts'
import { MemoryBudget } from './memory-budget.ts'
import { Producer } from './producer.ts'

const DEADLINE_MS = 10_000
const VALUE = 'mq-canary'

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
  try {
    await admin.createTopic({ ...topic, partitions: 1 })
  } catch (error) {
    if (!(error instanceof MqError) || error.code !== 'MQ_TOPIC_EXISTS') throw error
  }
  try {
    return await writeAndRead(cluster, topic.name, settings)
  } finally {
    await admin.deleteTopic(topic.name).catch((error: unknown) => {
      if (!(error instanceof MqError) || error.code !== 'MQ_TOPIC_MISSING') throw error
    })
  }
}

async function writeAndRead(
  cluster: Cluster,
  name: string,
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
  let baseOffset: bigint
  try {
    ;({ baseOffset } = await producer.send(producer.topic(name, 1), null, VALUE))
  } finally {
    await producer.close(0).catch(() => {})
  }
  const writtenMs = clock.monotonicMs()
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
    fetcher.add(name, 0, baseOffset)
    await promise
  } finally {
    timers.clearTimeout(timer)
    await fetcher.close()
  }
  return { writeMs: writtenMs - startMs, readMs: clock.monotonicMs() - writtenMs }
}
