/**
 * One sender as a process of its own, so that its CPU time is that of one configuration: takes jobs from its parent, one at a time.
 *
 * S1. CPU is user and system time of the whole process, all threads, over the window.
 * S2. A dry job does everything but send: what the replay itself costs.
 */

import type { ProducerSettings } from '@mq/contract'
import { Cluster, MemoryBudget, Producer, type ProducerTopic, type Receipt, systemDeps } from '@mq/kafka'
import { replay, SentCounter, type SentFigures } from '../../packages/control-plane/src/twin/replay.ts'
import { type BenchWorkload, openWorkload, trafficOf, type WorkloadSource } from './workloads.ts'

export interface SendJob {
  readonly workload: WorkloadSource
  readonly bootstrap: readonly string[]
  /** Null for a dry job. */
  readonly target: { readonly topic: string; readonly partitions: number; readonly settings: ProducerSettings } | null
  readonly startAtMs: number
  readonly warmMs: number
  readonly windowMs: number
  /** Of the moments. */
  readonly seed: number
}

export type SendAnswer =
  | { readonly kind: 'up' }
  | { readonly kind: 'done'; readonly figures: SentFigures; readonly lastFailure: string | null }
  | { readonly kind: 'failed'; readonly why: string }

const BUFFER_BYTES = 64 * 1_048_576

let known: { key: string; workload: BenchWorkload } | undefined

async function workloadOf(source: WorkloadSource): Promise<BenchWorkload> {
  const key = JSON.stringify(source)
  if (known?.key !== key) known = { key, workload: await openWorkload(source) }
  return known.workload
}

function cpuUs(): number {
  const { user, system } = process.cpuUsage()
  return user + system
}

async function send(job: SendJob): Promise<SendAnswer> {
  const workload = await workloadOf(job.workload)
  const traffic = trafficOf(workload, job.warmMs + job.windowMs, job.seed)
  const { startAtMs, warmMs, windowMs, target } = job
  const counter = new SentCounter()
  const common = { counter, traffic, warmMs, windowMs, startAtMs, deps: systemDeps, cpuUs }
  if (target === null) {
    return { kind: 'done', figures: await replay({ ...common, ...dryProducer() }), lastFailure: null }
  }
  const cluster = new Cluster({ name: 'bench', clientId: 'mq-bench', bootstrap: job.bootstrap })
  const { settings } = target
  const producer = new Producer({ cluster, settings, budget: new MemoryBudget(BUFFER_BYTES), observer: counter })
  try {
    const topic = producer.topic(target.topic, target.partitions)
    await producer.warm(topic)
    const figures = await replay({ ...common, producer, topic })
    return { kind: 'done', figures, lastFailure: counter.lastFailure?.message ?? null }
  } finally {
    await producer.close(5_000).catch(() => {})
    await cluster.close()
  }
}

/** S2: hundred records share a promise, as records of a batch do. */
function dryProducer() {
  let promise: Promise<Receipt> = Promise.resolve({ topic: '', partition: 0, baseOffset: 0n })
  let sent = 0
  return {
    topic: {} as ProducerTopic,
    producer: {
      send: () => {
        if (sent++ % 100 === 0) promise = Promise.resolve({ topic: '', partition: 0, baseOffset: 0n })
        return promise
      },
      flush: () => Promise.resolve(),
    },
  }
}

function answer(message: SendAnswer): void {
  process.send?.(message)
}

process.on('message', (job: SendJob) => {
  send(job).then(answer, (error: unknown) => answer({ kind: 'failed', why: String(error) }))
})
process.on('disconnect', () => process.exit(0))
answer({ kind: 'up' })
