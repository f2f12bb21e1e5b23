/**
 * Tries configurations on a shadow topic with the traffic of a twin, and measures each.
 *
 * N1. Bounded in rate, bytes and time: what the traffic would need beyond it is cut, and the result says so.
 * N2. The topic is named `mq.twin.…`, holds little and briefly, and is deleted whatever happens; what a killed process leaves is
 *     swept by the next one (`sweepTwins`).
 * N3. Candidates take turns in every round, so that a slow minute hits all of them; figures are medians over the rounds.
 * N4. Nothing but the shadow topic is written or read.
 */
import type { ConsumerSettings, ProducerSettings } from '@mq/contract'
import { seeded } from '@mq/economics'
import { type Admin, type Cluster, type Deps, MemoryBudget, Producer, sleep, within } from '@mq/kafka'
import { type HeardFigures, Listener } from './listener.ts'
import type { TwinMessage } from './messages.ts'
import { poissonMoments } from './messages.ts'
import { median } from './quantile.ts'
import { replay, SentCounter, type SentFigures } from './replay.ts'

/** Every shadow topic begins with it; nothing else may. */
export const TWIN_TOPIC_PREFIX = 'mq.twin.'

export interface TwinCandidate {
  readonly producer: ProducerSettings
  readonly consumer: ConsumerSettings
}

export interface TwinLimits {
  readonly recordsPerSecond: number
  readonly bytesPerSecond: number
  /** Of all candidates and rounds together. */
  readonly totalMs: number
  readonly totalBytes: number
}

export const TWIN_LIMITS: TwinLimits = {
  recordsPerSecond: 5_000,
  bytesPerSecond: 4_000_000,
  totalMs: 300_000,
  totalBytes: 512 * 1_048_576,
}

export interface TwinOptions<C extends TwinCandidate> {
  readonly cluster: Cluster
  readonly admin: Admin
  /** Part of the topic's name, and of nothing else. */
  readonly name: string
  readonly messages: readonly TwinMessage[]
  /** Of one producer; as many as are simulated send at it. */
  readonly recordsPerSecond: number
  readonly partitions: number
  readonly replication: number
  readonly candidates: readonly C[]
  readonly rounds: number
  readonly warmMs: number
  readonly windowMs: number
  readonly limits: TwinLimits
  readonly seed: number
  readonly deps: Deps
  readonly signal?: AbortSignal
  onProgress?(done: number, of: number): void
}

export interface TwinRound {
  readonly sent: SentFigures
  readonly heard: HeardFigures
}

export interface TwinResult<C extends TwinCandidate> {
  readonly candidate: C
  readonly sent: SentFigures
  readonly heard: HeardFigures
  /** What `sent` and `heard` are the medians of. */
  readonly rounds: readonly TwinRound[]
}

export interface TwinOutcome<C extends TwinCandidate> {
  readonly results: readonly TwinResult<C>[]
  /** What was really sent, after N1. */
  readonly recordsPerSecond: number
  readonly windowMs: number
  /** Words on what was cut; empty when nothing was. */
  readonly cut: readonly string[]
}

const BUFFER_BYTES = 16 * 1_048_576
const GRACE_MS = 200
const DELETE_LIMIT_MS = 10_000
const LEAST_WINDOW_MS = 500
const MIB = 1_048_576

export async function runTwin<C extends TwinCandidate>(options: TwinOptions<C>): Promise<TwinOutcome<C>> {
  const { admin, candidates, deps, partitions, replication, signal } = options
  signal?.throwIfAborted()
  const plan = planOf(options)
  const topic = `${TWIN_TOPIC_PREFIX}${options.name}.${Math.floor(deps.random() * 2 ** 40).toString(36)}`
  await admin.createTopic({ name: topic, partitions, replication, configs: TOPIC_CONFIGS })
  try {
    const runs = candidates.map((candidate) => ({ candidate, all: [] as TwinRound[] }))
    let done = 0
    for (let round = 0; round < options.rounds; round++) {
      for (const { candidate, all } of runs) {
        all.push(await runOne({ ...options, ...plan, topic, candidate, seed: options.seed + round }))
        options.onProgress?.(++done, options.rounds * candidates.length)
      }
    }
    return {
      results: runs.map(({ candidate, all }) => ({ candidate, ...middle(all), rounds: all })),
      recordsPerSecond: plan.recordsPerSecond,
      windowMs: plan.windowMs,
      cut: plan.cut,
    }
  } finally {
    // What cannot be deleted now is swept later (N2).
    await within(deps, DELETE_LIMIT_MS, () => new Error('late'), admin.deleteTopic(topic)).catch(() => undefined)
  }
}

/**
 * Deletes shadow topics that a process left behind (N2).
 * @param prefix of those that are the caller's to delete
 * @param except prefix of those in use
 * @returns their names
 */
export async function sweepTwins(
  cluster: Pick<Cluster, 'topicNames'>,
  admin: Pick<Admin, 'deleteTopic'>,
  prefix: string = TWIN_TOPIC_PREFIX,
  except?: string,
): Promise<string[]> {
  const left = (await cluster.topicNames()).filter(
    (name) => name.startsWith(prefix) && (except === undefined || !name.startsWith(except)),
  )
  for (const name of left) await admin.deleteTopic(name)
  return left
}

/** N2: little, and briefly, even if nobody deleted it. */
const TOPIC_CONFIGS: Readonly<Record<string, string>> = {
  'retention.ms': '3600000',
  'retention.bytes': String(64 * MIB),
  'segment.bytes': String(16 * MIB),
  'cleanup.policy': 'delete',
  'compression.type': 'producer',
}

interface Plan {
  readonly recordsPerSecond: number
  readonly windowMs: number
  readonly cut: readonly string[]
}

/** N1 */
export function planOf(
  options: Pick<
    TwinOptions<TwinCandidate>,
    'messages' | 'recordsPerSecond' | 'candidates' | 'rounds' | 'warmMs' | 'windowMs' | 'limits'
  >,
): Plan {
  const { messages, candidates, rounds, warmMs, limits } = options
  const cut: string[] = []
  const bytes =
    messages.reduce((sum, { key, value }) => sum + (key?.length ?? 0) + value.length, 0) / Math.max(1, messages.length)
  let { recordsPerSecond, windowMs } = options
  const most = Math.min(limits.recordsPerSecond, limits.bytesPerSecond / Math.max(1, bytes))
  if (recordsPerSecond > most) {
    cut.push(`a producer sends ${Math.round(recordsPerSecond)} records a second, the twin ${Math.round(most)}`)
    recordsPerSecond = most
  }
  const runs = Math.max(1, candidates.length * rounds)
  const perRunMs = Math.min(limits.totalMs / runs, (limits.totalBytes / runs / (recordsPerSecond * bytes)) * 1_000)
  if (warmMs + windowMs > perRunMs) {
    const shorter = Math.max(LEAST_WINDOW_MS, perRunMs - warmMs)
    cut.push(`each run is measured for ${Math.round(shorter)} ms instead of ${windowMs} ms`)
    windowMs = shorter
  }
  return { recordsPerSecond, windowMs, cut }
}

async function runOne<C extends TwinCandidate>(
  options: TwinOptions<C> & Plan & { readonly topic: string; readonly candidate: C },
): Promise<TwinRound> {
  const { cluster, admin, topic, partitions, candidate, deps, warmMs, windowMs, signal } = options
  const counter = new SentCounter()
  const producer = new Producer({
    cluster,
    settings: candidate.producer,
    budget: new MemoryBudget(BUFFER_BYTES),
    observer: counter,
    deps,
  })
  const all = Array.from({ length: partitions }, (_, n) => n)
  const ends = await admin.listOffsets(topic, all, 'latest')
  const listener = new Listener({
    cluster,
    topic,
    offsets: all.map((n) => ends.get(n) ?? 0n),
    settings: candidate.consumer,
    deps,
  })
  try {
    const handle = producer.topic(topic, partitions)
    await producer.warm(handle)
    const startAtMs = deps.clock.nowMs()
    listener.window(startAtMs + warmMs, startAtMs + warmMs + windowMs)
    const sent = await replay({
      producer,
      topic: handle,
      counter,
      traffic: {
        messages: options.messages,
        dueMs: poissonMoments(options.recordsPerSecond, warmMs + windowMs, seeded(options.seed)),
      },
      warmMs,
      windowMs,
      deps,
      startAtMs,
      cpuUs: () => 0,
      ...(signal === undefined ? {} : { signal }),
    })
    if (sent.failures > 0 && counter.lastFailure !== undefined) throw counter.lastFailure
    await sleep(deps, (candidate.consumer.fetchMinBytes > 1 ? candidate.consumer.fetchMaxWaitMs : 0) + GRACE_MS, signal)
    return { sent, heard: await listener.close() }
  } finally {
    await listener.close().catch(() => undefined)
    await producer.close(1_000).catch(() => undefined)
  }
}

/** Medians of every figure over the rounds (N3). */
function middle(runs: readonly TwinRound[]): TwinRound {
  const of = <F extends object>(figures: readonly F[]): F =>
    Object.fromEntries(
      Object.keys(figures[0] ?? {}).map((name) => [name, median(figures.map((one) => one[name as keyof F] as number))]),
    ) as F
  return { sent: of(runs.map(({ sent }) => sent)), heard: of(runs.map(({ heard }) => heard)) }
}
