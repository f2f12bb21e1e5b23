/** Sends keyed messages on a clock, whether or not earlier ones were acknowledged, and writes down what became of each. */
import { connect, MqError } from '@mq/client'
import { PackedWriter } from '@mq/testkit'
import { Complaints, type Event, nowUs, type ProducerJob, runUntilTold } from './job.ts'

const job = JSON.parse(process.argv[2] ?? '') as ProducerJob
const history = new PackedWriter(job.history)
const complaints = new Complaints()
const pad = 'x'.repeat(
  Math.max(0, job.payloadBytes - JSON.stringify({ producer: job.producers[0], n: 1_000_000, pad: '' }).length),
)

let sent = 0
let acked = 0
let failed = 0

const producers = await Promise.all(
  job.producers.map(async (name) => ({
    name,
    mq: await connect({ url: job.url, app: 'bench', cacheDir: job.cacheDir, logger: complaints }),
    keys: Array.from({ length: job.keys }, (_, index) => `${name}-${index}`),
    next: 0,
  })),
)

function send(producer: (typeof producers)[number]): void {
  const { name, mq, keys } = producer
  const n = producer.next++
  const key = keys[(n * 7) % keys.length]!
  const value: Event = { producer: name, n, pad }
  sent++
  history.add({ type: 'send', tUs: nowUs(), producer: name, n, key })
  mq.send(job.mqId, value, { key }).then(
    () => {
      acked++
      history.add({ type: 'ack', tUs: nowUs(), producer: name, n })
    },
    (error: unknown) => {
      failed++
      const known = error instanceof MqError ? error : undefined
      const ambiguous = known?.code === 'MQ_SEND_UNCERTAIN' || known?.details.maybeStored !== false
      history.add({ type: 'nack', tUs: nowUs(), producer: name, n, code: known?.code ?? 'unknown', ambiguous })
    },
  )
}

const startedMs = performance.now()
const timer = setInterval(() => {
  const due = Math.ceil(((performance.now() - startedMs) * job.messagesPerSecond) / 1_000)
  while (sent < due) send(producers[sent % producers.length]!)
}, 1)
await runUntilTold(() => ({ sent, acked, failed, handled: 0, complaint: complaints.last }))
clearInterval(timer)
await Promise.all(producers.map(({ mq }) => mq.flush()))
await new Promise((resolve) => setImmediate(resolve))
await Promise.all(producers.map(({ mq }) => mq.close()))
history.close()
process.stdout.write(`${JSON.stringify({ sent, acked, failed, handled: 0, complaint: complaints.last })}\n`, () =>
  process.exit(0),
)
