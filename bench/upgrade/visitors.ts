/**
 * A new client every so often: each connects with nothing in hand, sends a few messages, reads them back as a group of its own, and goes.
 *
 * W1. Every visitor is an SDK instance of its own: new connections, nothing learned from those before it.
 * W2. What visitors sent to the watched mQ ID goes into the history like that of any producer; the group that lives all the time reads it.
 * W3. What a visitor reads is its own echo, on an mQ ID that holds nothing else: each message once and in order, or it counts as failed.
 */
import { connect, MqError } from '@mq/client'
import { PackedWriter } from '@mq/testkit'
import { Complaints, nowUs, runUntilTold } from '../migration/job.ts'

export interface VisitorsJob {
  readonly url: string
  /** Watched by the group that lives all the time. */
  readonly mqId: string
  /** Read by visitors only. */
  readonly echoId: string
  readonly cacheDir: string
  readonly history: string
  readonly everyMs: number
  readonly messages: number
  readonly deadlineMs: number
}

export interface VisitorsProgress {
  readonly started: number
  readonly done: number
  /** What went wrong, by visitor. */
  readonly failures: readonly string[]
  /** From `connect` to the last echo. */
  readonly tookMs: readonly number[]
}

interface Echo {
  readonly producer: string
  readonly n: number
  readonly pad: string
}

const job = JSON.parse(process.argv[2] ?? '') as VisitorsJob
const history = new PackedWriter(job.history)
const failures: string[] = []
const tookMs: number[] = []
const visits = new Set<Promise<void>>()
let started = 0
let done = 0

async function visit(name: string): Promise<void> {
  const startedMs = performance.now()
  const mq = await connect({ url: job.url, app: 'bench', cacheDir: job.cacheDir, logger: new Complaints() })
  try {
    const sends: Promise<unknown>[] = []
    for (let n = 0; n < job.messages; n++) {
      const value: Echo = { producer: name, n, pad: '' }
      history.add({ type: 'send', tUs: nowUs(), producer: name, n, key: name })
      const watched = mq.send(job.mqId, value, { key: name }).then(
        () => history.add({ type: 'ack', tUs: nowUs(), producer: name, n }),
        (error: unknown) => {
          const known = error instanceof MqError ? error : undefined
          const ambiguous = known?.details.maybeStored !== false
          history.add({ type: 'nack', tUs: nowUs(), producer: name, n, code: known?.code ?? 'unknown', ambiguous })
          throw error
        },
      )
      sends.push(watched, mq.send(job.echoId, value, { key: name }))
    }
    await Promise.all(sends)
    await echoes(mq, name)
    tookMs.push(performance.now() - startedMs)
  } finally {
    await mq.close()
  }
}

/** W3 */
async function echoes(mq: Awaited<ReturnType<typeof connect>>, name: string): Promise<void> {
  const seen: number[] = []
  const all = Promise.withResolvers<void>()
  const late = setTimeout(
    () => all.reject(new Error(`read ${seen.length} of ${job.messages} in ${job.deadlineMs} ms`)),
    job.deadlineMs,
  )
  all.promise.catch(() => {})
  try {
    const subscription = await mq.consume<Echo>(job.echoId, name, ({ value }) => {
      if (value.producer !== name) return
      seen.push(value.n)
      if (seen.length === job.messages) all.resolve()
    })
    await all.promise
    await subscription.close()
  } finally {
    clearTimeout(late)
  }
  if (seen.some((n, at) => n !== at)) throw new Error(`read ${seen.join(' ')}`)
}

const timer = setInterval(() => {
  const name = `visitor-${started++}`
  const running = visit(name)
    .then(() => void done++)
    .catch((error: unknown) => void failures.push(`${name}: ${String(error)}`))
    .finally(() => visits.delete(running))
  visits.add(running)
}, job.everyMs)
const progress = (): VisitorsProgress => ({ started, done, failures, tookMs })
await runUntilTold(progress)
clearInterval(timer)
await Promise.all(visits)
history.close()
process.stdout.write(`${JSON.stringify(progress())}\n`, () => process.exit(0))
