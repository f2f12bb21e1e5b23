/**
 * What mQ knows of workloads in production: the public client sends them with the settings mQ starts with, reports its telemetry, and
 * the control plane's own code makes a workload of that.
 *
 * V1. Nothing but telemetry reports gets out of here: the client, its shadow measurement and the roll-ups are those of the product.
 * V2. Watching ends when the client has measured every codec, or when the time is over; what it does not know then stays unknown.
 */
import { setTimeout as pause } from 'node:timers/promises'
import { connect, type Mq } from '@mq/client'
import { type Binding, type Intent, TelemetryReport } from '@mq/contract'
import type { Workload } from '@mq/economics'
import { type Admin, PROBE_CANDIDATES, type ProducerTopic, systemDeps } from '@mq/kafka'
import type { ActiveId } from '../../packages/control-plane/src/registry/records.ts'
import { Traffic } from '../../packages/control-plane/src/telemetry/traffic.ts'
import { workloadOf } from '../../packages/control-plane/src/telemetry/workload.ts'
import { replay, SentCounter } from '../../packages/control-plane/src/twin/replay.ts'
import { serveFixedBindings } from '../fixed-bindings.ts'
import { type BenchWorkload, trafficOf } from './workloads.ts'

export interface Watched {
  readonly workload: BenchWorkload
  readonly intent: Intent
  readonly producer: Binding['producer']
  readonly consumer: Binding['consumer']
}

export interface ObserveOptions {
  readonly bootstrap: readonly string[]
  readonly admin: Admin
  /** Everyone is watched at least this long, and at most the other. */
  readonly leastMs: number
  readonly mostMs: number
  readonly seed: number
  readonly say: (text: string) => void
}

const GROUP = 'regret'
const TELEMETRY_MS = 2_000
const LOOK_MS = 500
const BEGIN_MS = 30_000
/** At these two depths a codec must have been measured: most of a curve lies between them. */
const DEPTHS = [1, 64]

/** In the order given. All are watched at the same time, each by a client of its own. */
export async function observe(all: readonly Watched[], options: ObserveOptions): Promise<Workload[]> {
  const { bootstrap, admin, seed, say } = options
  const traffic = new Traffic({ deps: systemDeps, isKnown: () => true })
  const bindings = await serveFixedBindings({
    telemetryMs: TELEMETRY_MS,
    onTelemetry: (body) => traffic.take(TelemetryReport.parse(body)),
  })
  const topics = all.map(({ workload }) =>
    `mq.twin.watched-${process.pid}-${workload.name}`.replaceAll(/[^\w.-]/g, '_'),
  )
  const clients: Mq[] = []
  const stop = new AbortController()
  try {
    const sending: Promise<unknown>[] = []
    for (const [n, one] of all.entries()) {
      const { partitions } = one.workload
      await admin.createTopic({ name: topics[n]!, partitions, replication: 1 })
      bindings.put(bindingOf(one, n, topics[n]!, bootstrap))
      const mq = await connect({ url: bindings.url, app: `regret-${n}`, cacheDir: null })
      clients.push(mq)
      await mq.consume(idOf(n), GROUP, () => {}, { from: 'latest' })
      // Clients begin one after the other, and each goes on until the last was watched: silence would count as a lower rate.
      sending.push(sendFor(mq, idOf(n), one.workload, options.mostMs + BEGIN_MS, seed, stop.signal))
    }
    const failed = Promise.race(sending)
    const startedAt = performance.now()
    for (;;) {
      await Promise.race([pause(LOOK_MS), failed])
      const passedMs = performance.now() - startedAt
      const missing = all.filter((_, n) => !isMeasured(traffic, idOf(n)))
      if (passedMs >= options.leastMs && missing.length === 0) break
      if (passedMs >= options.mostMs - LOOK_MS * 2) {
        say(`not every codec was measured for ${missing.map(({ workload }) => workload.name).join(', ')}`)
        break
      }
    }
    // What was sent last is in the report after it.
    await pause(TELEMETRY_MS + LOOK_MS)
    return all.map((one, n) => {
      const profile = traffic.profile(idOf(n))
      if (profile === null) throw new Error(`nothing was reported of ${one.workload.name}`)
      return workloadOf(profile, recordOf(one, n))
    })
  } finally {
    stop.abort()
    await Promise.allSettled(clients.map((mq) => mq.close({ deadlineMs: 5_000 })))
    await bindings.close()
    await Promise.allSettled(topics.map((name) => admin.deleteTopic(name)))
  }
}

const idOf = (n: number): string => `regret.watched${n}`

/** Rejects when sending fails; never resolves before it is stopped. */
async function sendFor(
  mq: Mq,
  id: string,
  workload: BenchWorkload,
  forMs: number,
  seed: number,
  signal: AbortSignal,
): Promise<void> {
  const send = (_topic: ProducerTopic, key: Uint8Array | string | null, value: Uint8Array | string | null) =>
    mq.send(id, value, { key })
  try {
    await replay({
      producer: { send: (topic, key, value) => send(topic, key, value), flush: () => mq.flush() },
      topic: {} as ProducerTopic,
      counter: new SentCounter(),
      traffic: trafficOf(workload, forMs, seed),
      warmMs: 0,
      windowMs: forMs,
      deps: systemDeps,
      cpuUs: () => 0,
      signal,
    })
  } catch (error) {
    if (!signal.aborted) throw error
  }
}

function isMeasured(traffic: Traffic, id: string): boolean {
  const shadow = traffic.profile(id)?.shadow ?? []
  return PROBE_CANDIDATES.every(({ codec, codecLevel }) =>
    DEPTHS.every((depth) =>
      shadow.some((one) => one.codec === codec && one.codecLevel === codecLevel && one.depth >= depth),
    ),
  )
}

function bindingOf(one: Watched, n: number, topic: string, bootstrap: readonly string[]): Binding {
  const { workload, intent, producer, consumer } = one
  const { partitions } = workload
  return {
    mqId: idOf(n),
    incarnation: 1,
    revision: n + 1,
    deleted: false,
    format: 'bytes',
    ordering: intent.ordering,
    epochs: [{ epoch: 1, state: 'open', cluster: 'bench', topic, partitions, endOffsets: null }],
    clusters: [{ name: 'bench', bootstrap: [...bootstrap], securityProtocol: 'plaintext' }],
    producer,
    consumer,
    trial: null,
  }
}

/** What the registry would hold of it, as far as the telemetry asks. */
function recordOf({ workload, intent, producer, consumer }: Watched, n: number): ActiveId {
  const { partitions } = workload
  return {
    state: 'active',
    id: idOf(n),
    revision: 1,
    lastEpoch: 1,
    createdBy: 'apply',
    createdAtMs: 0,
    updatedAtMs: 0,
    pending: null,
    spec: {
      intent,
      producer,
      consumer,
      replication: 3,
      minInsyncReplicas: 2,
      topicConfigs: {},
      choices: [],
      warnings: [],
      trial: null,
    },
    epochs: [
      {
        epoch: 1,
        state: 'open',
        cluster: 'bench',
        topic: 'watched',
        partitions,
        endOffsets: null,
        topicId: null,
        createdAtMs: 0,
      },
    ],
  }
}
