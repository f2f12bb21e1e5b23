/** Writes the topics of the generator: their past at once, and what comes now for as long as it runs. */
import { setTimeout as sleep } from 'node:timers/promises'
import { Admin, type Cluster } from '@mq/kafka'
import { ProduceAcks, Producer, stringSerializers } from '@platformatic/kafka'
import { Kafka, logLevel } from 'kafkajs'
import { KEY_BYTES } from './price.ts'
import { HOUR_MS, type TruthTopic, timeOf } from './topics.ts'

type StringProducer = Producer<string, string, string, string>

const WIDTH = 24
const BURST_BATCH = 500

export interface Writer {
  /** Records written since the start, by topic. */
  readonly written: ReadonlyMap<string, number>
  stop(): Promise<void>
}

export async function makeTopics(cluster: Cluster, topics: readonly TruthTopic[]): Promise<void> {
  const admin = new Admin(cluster, { deadlineMs: 60_000 })
  for (const { name, partitions, configs } of topics)
    await admin.createTopic({ name, partitions, replication: 1, configs })
}

/** H2 */
export async function writePast(bootstrap: readonly string[], topics: readonly TruthTopic[]): Promise<void> {
  const producer = producerOf(bootstrap)
  const nowMs = Date.now()
  const jobs = topics.flatMap((topic) => pastOf(topic, nowMs))
  try {
    // Of one partition one after the other: times rise as they would have.
    const lanes = [...Map.groupBy(jobs, ({ topic, partition }) => `${topic.name}:${partition}`).values()]
    let next = 0
    const work = async (): Promise<void> => {
      while (next < lanes.length) {
        for (const { topic, partition, records, arrivalMs } of lanes[next++]!) {
          await send(producer, topic, partition, records, arrivalMs)
        }
      }
    }
    await Promise.all(Array.from({ length: WIDTH }, work))
  } finally {
    await producer.close()
  }
}

interface Batch {
  readonly topic: TruthTopic
  readonly partition: number
  readonly records: number
  readonly arrivalMs: number
}

function pastOf(topic: TruthTopic, nowMs: number): Batch[] {
  const { recordsPerSecond, pastHours, pastBatch, partitions, burstRecords, kind } = topic
  const batches: Batch[] = []
  const total = Math.round(recordsPerSecond * pastHours * 3_600)
  const count = Math.ceil(total / pastBatch)
  for (let at = 0; at < count; at++) {
    const records = Math.min(pastBatch, total - at * pastBatch)
    const evenly = nowMs - pastHours * HOUR_MS * (1 - (at + 0.5) / count)
    // The same records in the first minute of their hour.
    const hourStartMs = nowMs - Math.ceil((nowMs - evenly) / HOUR_MS) * HOUR_MS
    const arrivalMs = kind === 'hourly-burst' ? hourStartMs + ((evenly - hourStartMs) / HOUR_MS) * 60_000 : evenly
    batches.push({ topic, partition: at % partitions, records, arrivalMs })
  }
  for (let done = 0; done < burstRecords; done += BURST_BATCH) {
    batches.push({
      topic,
      partition: (done / BURST_BATCH) % partitions,
      records: BURST_BATCH,
      arrivalMs: nowMs - 30_000,
    })
  }
  return batches
}

/** What comes from now on, until it is stopped. */
export function writeNow(bootstrap: readonly string[], topics: readonly TruthTopic[]): Writer {
  const written = new Map<string, number>()
  const producer = producerOf(bootstrap)
  const stopping = new AbortController()
  const live = topics.filter(({ kind, recordsPerSecond }) => recordsPerSecond > 0 && kind !== 'hourly-burst')
  const loops = live.map(async (topic, index) => {
    const pauseMs = (topic.liveBatch / topic.recordsPerSecond) * 1_000
    const transactional = topic.kind === 'transactions' ? producerOf(bootstrap, `scan-truth-${topic.name}`) : undefined
    const startMs = performance.now() + (pauseMs * (index % 7)) / 7
    try {
      for (let turn = 0; ; turn++) {
        await sleep(Math.max(0, startMs + turn * pauseMs - performance.now()), undefined, { signal: stopping.signal })
        const partition = turn % topic.partitions
        if (transactional === undefined) await send(producer, topic, partition, topic.liveBatch, Date.now())
        else await sendInTransaction(transactional, topic, partition)
        written.set(topic.name, (written.get(topic.name) ?? 0) + topic.liveBatch)
      }
    } catch (error) {
      if (!stopping.signal.aborted) throw error
    } finally {
      await transactional?.close()
    }
  })
  const all = Promise.all(loops)
  // Looked at when it is stopped; until then nobody waits for it.
  all.catch(() => {})
  return {
    written,
    stop: async () => {
      stopping.abort()
      await all
      await producer.close()
    },
  }
}

/** Groups whose positions move, from the beginning on; gives the work back once all of them have one. */
export async function readAlong(
  cluster: Cluster,
  topics: readonly TruthTopic[],
  signal: AbortSignal,
): Promise<{ readonly done: Promise<void> }> {
  const admin = new Admin(cluster, { deadlineMs: 30_000 })
  const read = topics.filter(({ isRead, byKafkajs }) => isRead && !byKafkajs)
  const commit = async (offset: number): Promise<void> => {
    await Promise.all(
      read.map(({ name }) =>
        admin.commitOffsets(`reader-of-${name}`, [{ topic: name, partition: 0, offset: BigInt(offset) }]),
      ),
    )
  }
  await commit(1)
  const goOn = async (): Promise<void> => {
    for (let turn = 2; !signal.aborted; turn++) {
      await commit(turn)
      await sleep(1_000, undefined, { signal }).catch(() => {})
    }
  }
  return { done: goOn() }
}

/** A group of kafkajs; gives back how to end it once it reads. */
export async function readWithKafkajs(
  bootstrap: readonly string[],
  topics: readonly TruthTopic[],
): Promise<() => Promise<void>> {
  const names = topics.filter(({ byKafkajs }) => byKafkajs).map(({ name }) => name)
  const kafka = new Kafka({ clientId: 'app', brokers: [...bootstrap], logLevel: logLevel.NOTHING })
  const consumer = kafka.consumer({ groupId: 'kafkajs-reader' })
  await consumer.connect()
  await consumer.subscribe({ topics: names, fromBeginning: true })
  const committed = new Promise<void>((resolve) => void consumer.on(consumer.events.COMMIT_OFFSETS, () => resolve()))
  await consumer.run({ autoCommitInterval: 500, eachMessage: async () => {} })
  await committed
  return () => consumer.disconnect()
}

async function sendInTransaction(producer: StringProducer, topic: TruthTopic, partition: number): Promise<void> {
  const transaction = await producer.beginTransaction()
  await transaction.send({ messages: messagesOf(topic, partition, topic.liveBatch, Date.now()) })
  await transaction.commit()
}

async function send(
  producer: StringProducer,
  topic: TruthTopic,
  partition: number,
  records: number,
  arrivalMs: number,
): Promise<void> {
  await producer.send({ messages: messagesOf(topic, partition, records, arrivalMs) })
}

function messagesOf({ name, kind, valueBytes }: TruthTopic, partition: number, records: number, arrivalMs: number) {
  const timestamp = BigInt(Math.round(timeOf(kind, arrivalMs)))
  const value = JSON.stringify({ kind, customer: 'customer-17', state: 'placed' }).padEnd(valueBytes, 'order ')
  return Array.from({ length: records }, (_, at) => ({
    topic: name,
    partition,
    key: String(at % 7).padStart(KEY_BYTES, 'k'),
    value: value.slice(0, valueBytes),
    timestamp,
  }))
}

function producerOf(bootstrap: readonly string[], transactionalId?: string): StringProducer {
  return new Producer({
    clientId: 'scan-truth',
    bootstrapBrokers: [...bootstrap],
    serializers: stringSerializers,
    acks: ProduceAcks.ALL,
    ...(transactionalId === undefined ? {} : { idempotent: true, transactionalId }),
  })
}
