/** kafkajs 2.2.4: ready batches of 1,000, idempotent, acks=all; eachBatch on the way back. */
import { Kafka, logLevel, Partitioners } from 'kafkajs'
import { readPayloads } from '../payloads.ts'
import {
  Arrivals,
  answer,
  type Consume,
  isAnyOf,
  type Job,
  type Latency,
  Meter,
  type Produce,
  pace,
  sendBatches,
} from './job.ts'

const OUTSTANDING_BATCHES = 16

function kafka(job: Job): Kafka {
  return new Kafka({ clientId: 'bench', brokers: [...job.bootstrap], logLevel: logLevel.ERROR })
}

async function connectedProducer(job: Job) {
  const producer = kafka(job).producer({
    idempotent: true,
    allowAutoTopicCreation: false,
    createPartitioner: Partitioners.DefaultPartitioner,
  })
  await producer.connect()
  return producer
}

async function produce(job: Produce) {
  const payloads = readPayloads(job.payloadFile)
  const producer = await connectedProducer(job)
  const send = (batch: number) => {
    const messages = Array.from({ length: 1_000 }, (_, n) => ({
      partition: n % job.partitions,
      value: payloads[(batch * 1_000 + n) % payloads.length]!,
    }))
    return producer.send({ topic: job.topic, acks: -1, messages })
  }
  await sendBatches(job.warmupMessages, OUTSTANDING_BATCHES, send)
  const meter = new Meter()
  meter.start()
  await sendBatches(job.messages, OUTSTANDING_BATCHES, send)
  const run = meter.stop(job.messages)
  await producer.disconnect()
  return run
}

async function consume(job: Consume) {
  const consumer = kafka(job).consumer({ groupId: job.group, maxBytesPerPartition: 1_048_576, maxBytes: 52_428_800 })
  const arrivals = new Arrivals(job.messages)
  await consumer.connect()
  await consumer.subscribe({ topics: [job.topic], fromBeginning: true })
  await consumer.run({
    partitionsConsumedConcurrently: job.partitions,
    eachBatch: async ({ batch }) => {
      for (const message of batch.messages) arrivals.add(message.value)
    },
  })
  const run = await arrivals.done
  await consumer.disconnect()
  return run
}

async function latency(job: Latency) {
  const payloads = readPayloads(job.payloadFile)
  const producer = await connectedProducer(job)
  const percentiles = await pace(job, (n) =>
    producer.send({ topic: job.topic, acks: -1, messages: [{ value: payloads[n % payloads.length]! }] }),
  )
  await producer.disconnect()
  return percentiles
}

await answer({ produce, consume, latency }, (error) => isAnyOf(error, ({ retriable }) => retriable === true))
