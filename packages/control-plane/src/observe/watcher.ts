/**
 * Watches every registered cluster: one look after the other, the newest kept for whoever needs it.
 *
 * A1. A cluster that is away costs the others nothing: each is watched by itself, and its problem is kept and said.
 * A2. What was sampled of batches is carried over to the looks between two samplings.
 * A3. A connection is opened anew after the address of the cluster changed, and closed with the watcher.
 */
import { type ClusterAddress, MqError } from '@mq/contract'
import { type Cluster, type Deps, within } from '@mq/kafka'
import { errorFacts, type Logger } from '../logger.ts'
import type { Registry } from '../registry/registry.ts'
import { every, measured, type OnRound } from '../rounds.ts'
import { type BrokerMetrics, type MetricsScrape, metricsBetween, scrapeMetrics } from './broker-metrics.ts'
import type { ClusterObservation, ObservedTopic } from './observation.ts'
import { observeCluster } from './observe-cluster.ts'
import { SAMPLING, type SamplingLimits } from './sampling.ts'

export const OBSERVE_EVERY_MS = 60_000
const FIRST_LOOK_MS = 5_000
const SAMPLE_EVERY_MS = 600_000
const LOOK_DEADLINE_MS = 120_000
/** The control plane has other work: fewer partitions, and no codec is tried. */
const LIGHT: SamplingLimits = { ...SAMPLING, triedTopics: 0, sampledBytes: 16 * 1_024, partitionsPerTopic: 1, tryMs: 0 }

export interface WatcherOptions {
  readonly registry: Registry
  readonly openCluster: (address: ClusterAddress) => Cluster
  readonly deps: Deps
  readonly logger: Logger
  readonly observeEveryMs?: number
  readonly onLoop?: OnRound | undefined
  /** Called with every look, and with the one before it. */
  readonly onLook: (name: string, look: ClusterObservation, before: ClusterObservation | null) => Promise<void>
}

interface Entry {
  readonly address: ClusterAddress
  readonly cluster: Cluster
  latest: ClusterObservation | null
  topics: ReadonlyMap<string, ObservedTopic>
  problem: string | null
  scrape: MetricsScrape | undefined
  metricsProblem: string | null
  sampledAtMs: number
}

export class Watcher {
  readonly #options: WatcherOptions
  readonly #entries = new Map<string, Entry>()
  #stop: (() => Promise<void>) | undefined

  constructor(options: WatcherOptions) {
    this.#options = options
  }

  start(): void {
    const { deps, logger, observeEveryMs = OBSERVE_EVERY_MS } = this.#options
    let first = true
    this.#stop = every(
      deps,
      () => {
        const pauseMs = first ? Math.min(FIRST_LOOK_MS, observeEveryMs) : observeEveryMs
        first = false
        return pauseMs
      },
      measured(deps, 'costs', this.#options.onLoop, () => this.lookAtAll()),
      (error) => logger.warn(errorFacts(error), 'clusters were not looked at'),
    )
  }

  /** The newest look at a cluster; null before the first one. */
  observation(name: string): ClusterObservation | null {
    return this.#entries.get(name)?.latest ?? null
  }

  /** A topic as it was last seen. */
  topic(cluster: string, name: string): ObservedTopic | undefined {
    return this.#entries.get(cluster)?.topics.get(name)
  }

  /** Clusters whose last look failed, and why. */
  problems(): string[] {
    return [...this.#entries].flatMap(([name, { problem, metricsProblem }]) =>
      [problem, metricsProblem].flatMap((text) => (text === null ? [] : [`cluster ${name}: ${text}`])),
    )
  }

  /** Looks at every registered cluster once (A1). */
  async lookAtAll(): Promise<void> {
    const names = new Set(this.#options.registry.clusters().map(({ address }) => address.name))
    for (const [name, entry] of this.#entries) {
      if (names.has(name)) continue
      this.#entries.delete(name)
      await entry.cluster.close()
    }
    await Promise.all([...names].map((name) => this.#look(name)))
  }

  async close(): Promise<void> {
    const entries = [...this.#entries.values()]
    this.#entries.clear()
    // A look under way ends when its connections do.
    await Promise.all(entries.map(({ cluster }) => cluster.close()))
    await this.#stop?.()
  }

  async #look(name: string): Promise<void> {
    const { deps, logger, onLook } = this.#options
    const entry = await this.#entry(name)
    if (entry === undefined) return
    const nowMs = deps.clock.monotonicMs()
    const samples = entry.latest === null || nowMs - entry.sampledAtMs >= SAMPLE_EVERY_MS
    const late = (): MqError =>
      new MqError('MQ_KAFKA_TIMEOUT', `cluster '${name}' was not looked at within ${LOOK_DEADLINE_MS} ms`)
    try {
      const sampling = samples ? LIGHT : null
      const seen = await within(deps, LOOK_DEADLINE_MS, late, observeCluster(entry.cluster, { watchMs: 0, sampling }))
      if (this.#entries.get(name) !== entry) return
      const before = entry.latest
      const metrics = await this.#metrics(name, entry)
      const batched = samples ? seen : withBatchesOf(seen, before)
      const look = metrics === null ? batched : { ...batched, metrics }
      if (samples) entry.sampledAtMs = nowMs
      if (entry.problem !== null) logger.info({ cluster: name }, 'cluster is looked at again')
      entry.problem = null
      entry.latest = look
      entry.topics = new Map(look.topics.map((topic) => [topic.name, topic]))
      await onLook(name, look, before)
    } catch (error) {
      if (this.#entries.get(name) !== entry) return
      const problem = error instanceof MqError ? `${error.code}: ${error.message}` : String(error)
      if (entry.problem === null) logger.warn({ cluster: name, ...errorFacts(error) }, 'cluster cannot be looked at')
      entry.problem = problem
    }
  }

  /** Null without an endpoint, before its second scrape, and while it cannot be read. */
  async #metrics(name: string, entry: Entry): Promise<BrokerMetrics | null> {
    const { registry, deps } = this.#options
    const url = registry.cluster(name)?.economics?.prometheus
    if (url === undefined) {
      entry.scrape = undefined
      entry.metricsProblem = null
      return null
    }
    try {
      const before = entry.scrape
      entry.scrape = await scrapeMetrics(url, deps)
      entry.metricsProblem = null
      return before === undefined ? null : metricsBetween(before, entry.scrape)
    } catch (error) {
      entry.scrape = undefined
      entry.metricsProblem = error instanceof MqError ? error.message : String(error)
      return null
    }
  }

  async #entry(name: string): Promise<Entry | undefined> {
    const address = this.#options.registry.cluster(name)?.address
    if (address === undefined) return undefined
    const known = this.#entries.get(name)
    if (known !== undefined && known.address === address) return known
    await known?.cluster.close()
    const entry: Entry = {
      address,
      cluster: this.#options.openCluster(address),
      // Another address is the same cluster: what was seen of it stays.
      latest: known?.latest ?? null,
      topics: known?.topics ?? new Map(),
      problem: null,
      scrape: undefined,
      metricsProblem: null,
      sampledAtMs: known?.sampledAtMs ?? 0,
    }
    this.#entries.set(name, entry)
    return entry
  }
}

/** A2 */
function withBatchesOf(look: ClusterObservation, before: ClusterObservation | null): ClusterObservation {
  const known = new Map(before?.topics.map(({ name, batches }) => [name, batches]))
  return { ...look, topics: look.topics.map((topic) => ({ ...topic, batches: known.get(topic.name) ?? null })) }
}
