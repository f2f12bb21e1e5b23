/** mQ: one send() for each message and one handler call for each message, through the public client alone. */
import { connect } from '@mq/client'
import { readPayloads } from '../payloads.ts'
import { Arrivals, answer, type Consume, type Job, type Latency, Meter, type Produce, pace } from './job.ts'

// Confirmations are awaited one window behind the sends, as an application with bounded memory would.
const WINDOW = 5_000

function connected(job: Job) {
  return connect({ url: job.url, app: 'bench', cacheDir: job.cacheDir })
}

async function produce(job: Produce) {
  const payloads = readPayloads(job.payloadFile)
  const mq = await connected(job)
  const sendAll = async (messages: number): Promise<void> => {
    let window: Promise<unknown>[] = []
    let windowBefore: Promise<unknown> = Promise.resolve()
    for (let n = 0; n < messages; n++) {
      window.push(mq.send(job.mqId, payloads[n % payloads.length]!))
      if (window.length < WINDOW) continue
      await windowBefore
      windowBefore = Promise.all(window)
      window = []
    }
    await Promise.all([windowBefore, ...window])
  }
  await sendAll(job.warmupMessages)
  const meter = new Meter()
  meter.start()
  await sendAll(job.messages)
  const run = meter.stop(job.messages)
  await mq.close()
  return run
}

async function consume(job: Consume) {
  const mq = await connected(job)
  const arrivals = new Arrivals(job.messages)
  const subscription = await mq.consume<Uint8Array>(job.mqId, job.group, (message) => arrivals.add(message.value), {
    from: 'earliest',
  })
  const run = await arrivals.done
  await subscription.close()
  await mq.close()
  return run
}

async function latency(job: Latency) {
  const payloads = readPayloads(job.payloadFile)
  const mq = await connected(job)
  const percentiles = await pace(job, (n) => mq.send(job.mqId, payloads[n % payloads.length]!))
  await mq.close()
  return percentiles
}

await answer({ produce, consume, latency })
