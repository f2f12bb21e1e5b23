/** One member of a group: writes down every message it handles. */
import { setTimeout as pause } from 'node:timers/promises'
import { connect } from '@mq/client'
import { PackedWriter } from '@mq/testkit'
import { Complaints, type ConsumerJob, type Event, nowUs, runUntilTold } from './job.ts'

const job = JSON.parse(process.argv[2] ?? '') as ConsumerJob
const history = new PackedWriter(job.history)
const complaints = new Complaints()
const mq = await connect({ url: job.url, app: 'bench', cacheDir: job.cacheDir, logger: complaints })
const { group, member } = job

let handled = 0
let resting: Promise<unknown> | undefined
const rests = new AbortController()
if (job.waitMs > 0) {
  setInterval(() => {
    resting = pause(job.waitMs, undefined, { signal: rests.signal })
      .catch(() => {})
      .finally(() => {
        resting = undefined
      })
  }, job.everyMs).unref()
}

const subscription = await mq.consume<Event>(
  job.mqId,
  group,
  (message) => {
    const handle = (): void => {
      const { value, key, epoch, partition } = message
      const { producer, n } = value
      const offset = Number(message.offset)
      history.add({ type: 'handle', tUs: nowUs(), group, member, producer, n, key, epoch, partition, offset })
      handled++
    }
    return resting === undefined ? handle() : resting.then(handle)
  },
  { from: 'earliest' },
)
await runUntilTold(() => ({ sent: 0, acked: 0, failed: 0, handled, complaint: complaints.last }))
rests.abort()
await subscription.close()
await mq.close()
history.close()
process.stdout.write(`${JSON.stringify({ sent: 0, acked: 0, failed: 0, handled, complaint: complaints.last })}\n`, () =>
  process.exit(0),
)
