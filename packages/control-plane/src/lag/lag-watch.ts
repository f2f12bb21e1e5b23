/**
 * Asks every cluster again and again where groups stand and where logs end, and keeps what it says.
 *
 * W1. One pass asks each cluster in bulk: its cost grows with brokers and answers, not with mQ IDs.
 * W2. A cluster that is away costs the others nothing.
 * W3. Histories are saved every SAVE_EVERY_MS and at the end; what a crash takes is at most that.
 */
import { type ClusterAddress, MqError } from '@mq/contract'
import { type Cluster, type Deps, within } from '@mq/kafka'
import { errorFacts, type Logger } from '../logger.ts'
import type { Registry } from '../registry/registry.ts'
import { every, measured, type OnRound } from '../rounds.ts'
import type { Store } from '../store/store.ts'
import { LagState } from './lag-state.ts'
import { loadLagHistories, saveLagHistories } from './lag-store.ts'
import { type ClusterPositions, readPositions } from './positions.ts'

export const LAG_EVERY_MS = 15_000
export const LAG_EVERY_DEV_MS = 2_000
const DEADLINE_MS = 30_000
const SAVE_EVERY_MS = 300_000
/** Requests have their turn between so many mQ IDs. */
const IDS_AT_ONCE = 200

export interface LagWatchOptions {
  readonly store: Store
  readonly registry: Registry
  readonly openCluster: (address: ClusterAddress) => Cluster
  readonly deps: Deps
  readonly logger: Logger
  readonly everyMs: number
  readonly onLoop?: OnRound
  /** Tests bring their own. */
  readonly read?: typeof readPositions
}

interface Entry {
  readonly address: ClusterAddress
  readonly cluster: Cluster
  isFailing: boolean
}

export class LagWatch {
  readonly book: LagState
  readonly #options: LagWatchOptions
  readonly #entries = new Map<string, Entry>()
  #savedAtMs: number
  #stop: (() => Promise<void>) | undefined

  private constructor(options: LagWatchOptions, book: LagState) {
    this.#options = options
    this.book = book
    this.#savedAtMs = options.deps.clock.monotonicMs()
  }

  static async load(options: LagWatchOptions): Promise<LagWatch> {
    const { store, deps, everyMs } = options
    const staleMs = Math.max(60_000, 4 * everyMs)
    const known = await loadLagHistories(store)
    return new LagWatch(options, new LagState({ nowMs: () => deps.clock.nowMs(), staleMs }, known))
  }

  get everyMs(): number {
    return this.#options.everyMs
  }

  start(): void {
    const { deps, logger, everyMs } = this.#options
    let isFirst = true
    const pauseMs = (): number => {
      const ms = isFirst ? Math.min(1_000, everyMs) : everyMs
      isFirst = false
      return ms
    }
    this.#stop = every(
      deps,
      pauseMs,
      measured(deps, 'lag', this.#options.onLoop, () => this.look()),
      (error) => logger.warn(errorFacts(error), 'lag was not looked at'),
    )
  }

  /** One pass over all clusters (W1, W2). */
  async look(): Promise<void> {
    const { registry, deps, store } = this.#options
    const active = registry.all().flatMap((record) => (record.state === 'active' ? [record] : []))
    const topics = Map.groupBy(
      active.flatMap(({ epochs }) => epochs.filter(({ state }) => state !== 'preparing')),
      ({ cluster }) => cluster,
    )
    for (const [name, entry] of this.#entries) {
      if (topics.has(name)) continue
      this.#entries.delete(name)
      await entry.cluster.close()
    }
    this.book.keep(new Set(topics.keys()))
    await Promise.all(
      [...topics].map(([name, epochs]) =>
        this.#ask(
          name,
          epochs.map(({ topic }) => topic),
        ),
      ),
    )
    for (const [index, record] of active.entries()) {
      this.book.record(record)
      if (index % IDS_AT_ONCE === IDS_AT_ONCE - 1) await new Promise((resolve) => setImmediate(resolve))
    }
    this.book.forget((mqId) => registry.get(mqId)?.state === 'active')
    if (deps.clock.monotonicMs() - this.#savedAtMs < SAVE_EVERY_MS) return
    this.#savedAtMs = deps.clock.monotonicMs()
    await saveLagHistories(store, this.book.ids, deps.clock.nowMs())
  }

  /** Connections to a cluster that is looked at. */
  cluster(name: string): Cluster | undefined {
    return this.#entries.get(name)?.cluster
  }

  async close(): Promise<void> {
    const { store, deps } = this.#options
    const entries = [...this.#entries.values()]
    this.#entries.clear()
    // A look under way ends when its connections do.
    await Promise.all(entries.map(({ cluster }) => cluster.close()))
    await this.#stop?.()
    await saveLagHistories(store, this.book.ids, deps.clock.nowMs())
  }

  async #ask(name: string, topics: readonly string[]): Promise<void> {
    const { deps, logger, read = readPositions } = this.#options
    const late = (): MqError =>
      new MqError('MQ_KAFKA_TIMEOUT', `cluster '${name}' did not tell positions within ${DEADLINE_MS} ms`)
    let entry: Entry | undefined
    try {
      entry = await this.#entry(name)
      if (entry === undefined) return
      const positions: ClusterPositions = await within(deps, DEADLINE_MS, late, read(entry.cluster, topics))
      if (this.#entries.get(name) !== entry) return
      this.book.update(name, positions, deps.clock.nowMs())
      entry.isFailing = false
    } catch (error) {
      if (entry !== undefined && this.#entries.get(name) !== entry) return
      if (entry?.isFailing !== true) logger.warn({ cluster: name, ...errorFacts(error) }, 'positions cannot be read')
      if (entry !== undefined) entry.isFailing = true
      this.book.failed(name, error instanceof MqError ? `${error.code}: ${error.message}` : String(error))
    }
  }

  async #entry(name: string): Promise<Entry | undefined> {
    const address = this.#options.registry.cluster(name)?.address
    if (address === undefined) return undefined
    const known = this.#entries.get(name)
    if (known !== undefined && known.address === address) return known
    await known?.cluster.close()
    const entry: Entry = { address, cluster: this.#options.openCluster(address), isFailing: known?.isFailing ?? false }
    this.#entries.set(name, entry)
    return entry
  }
}
