/** @platformatic/kafka 2.12.1: ready batches of 1,000, idempotent, acks=all; its message stream on the way back. */
import { Consumer, MessagesStreamModes, Producer } from '@platformatic/kafka'
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

const OUTSTANDING_BATCHES = 4

function idempotentProducer(job: Job) {
  return new Producer<Buffer, Buffer, Buffer, Buffer>({
    clientId: 'bench',
    bootstrapBrokers: [...job.bootstrap],
    idempotent: true,
    acks: -1,
    autocreateTopics: false,
    retries: 20,
  })
}

async function produce(job: Produce) {
  const payloads = readPayloads(job.payloadFile)
  const producer = idempotentProducer(job)
  const send = (batch: number) => {
    const messages = Array.from({ length: 1_000 }, (_, n) => ({
      topic: job.topic,
      partition: n % job.partitions,
      value: payloads[(batch * 1_000 + n) % payloads.length]!,
    }))
    return producer.send({ messages })
  }
  await sendBatches(job.warmupMessages, OUTSTANDING_BATCHES, send)
  const meter = new Meter()
  meter.start()
  await sendBatches(job.messages, OUTSTANDING_BATCHES, send)
  const run = meter.stop(job.messages)
  await producer.close()
  return run
}

async function consume(job: Consume) {
  const consumer = new Consumer<Buffer, Buffer, Buffer, Buffer>({
    clientId: 'bench',
    groupId: job.group,
    bootstrapBrokers: [...job.bootstrap],
    maxBytes: 52_428_800,
    maxBytesPerPartition: 1_048_576,
    highWaterMark: 1_024,
    autocommit: 1_000,
  })
  const arrivals = new Arrivals(job.messages)
  const stream = await consumer.consume({ topics: [job.topic], mode: MessagesStreamModes.EARLIEST })
  stream.on('data', (message) => arrivals.add(message.value))
  const run = await arrivals.done
  await stream.close()
  await consumer.close(true)
  return run
}

async function latency(job: Latency) {
  const payloads = readPayloads(job.payloadFile)
  const producer = idempotentProducer(job)
  const percentiles = await pace(job, (n) =>
    producer.send({
      messages: [{ topic: job.topic, partition: n % job.partitions, value: payloads[n % payloads.length]! }],
    }),
  )
  await producer.close()
  return percentiles
}

await answer({ produce, consume, latency }, (error) => isAnyOf(error, ({ canRetry }) => canRetry === true))
