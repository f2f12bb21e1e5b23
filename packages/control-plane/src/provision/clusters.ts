/**
 * The clusters as they are now: one admin connection each, and a watcher that asks each of them every few seconds.
 *
 * W1. A name stands for one Kafka cluster. When another cluster id answers under it, nothing is placed or changed there
 *     until a person looks, and it is said loudly.
 * W2. No call waits longer than its deadline, whatever the cluster does.
 * W3. A check never changes a cluster.
 * W4. Every broker is tried where it says that clients find it. A cluster of which none is found there is of no use to anybody, whatever
 *     its bootstrap addresses answer, and counts as unreachable; of one of which some are not found there it is said.
 */
import { type AdvertisedBroker, type ClusterAddress, type ClusterView, MqError } from '@mq/contract'
import { type Deps, within, withinOrUndefined } from '@mq/kafka'
import { errorFacts, type Logger } from '../logger.ts'
import { regionOf } from '../observe/cluster-model.ts'
import type { Registry } from '../registry/registry.ts'
import { every, measured, type OnRound } from '../rounds.ts'
import type { ClusterAdmin, ClusterDescription, OpenAdmin } from './cluster-admin.ts'
import type { ClusterFacts } from './placement-rules.ts'
import type { ClusterTraits } from './requirements.ts'

export const CHECK_EVERY_MS = 5_000
export const CHECK_DEADLINE_MS = 5_000
/** A cluster that has had fewer brokers for longer has become smaller. */
const DOWN_AT_MOST_MS = 86_400_000
/** How long a cluster that was away is waited for when somebody asks for it. */
const KNOWN_AWAY_MS = 1_500
export const ADMIN_DEADLINE_MS = 15_000

type Health =
  | { readonly status: 'unknown' }
  | {
      readonly status: 'up'
      readonly clusterId: string
      readonly brokers: number
      readonly zones: number | null
      readonly advertised: readonly AdvertisedBroker[]
      readonly checkedAtMs: number
    }
  | {
      readonly status: 'unreachable'
      readonly error: MqError
      readonly clusterId: string | null
      readonly advertised: readonly AdvertisedBroker[]
      readonly checkedAtMs: number
    }

interface Entry {
  readonly address: ClusterAddress
  readonly admin: ClusterAdmin
  health: Health
  /** As it was when it last answered. */
  last: { readonly brokers: number; readonly zones: number | null } | null
  /** The most brokers it was seen with lately. */
  most: { readonly brokers: number; readonly seenAtMs: number }
  checking: Promise<Health> | undefined
}

export interface ClustersOptions {
  readonly registry: Registry
  readonly openAdmin: OpenAdmin
  readonly deps: Deps
  readonly logger: Logger
  readonly checkEveryMs?: number
  readonly onLoop?: OnRound | undefined
  /** Called after every round of checks. */
  readonly onRound?: () => Promise<void>
}

export class Clusters {
  readonly #options: ClustersOptions
  readonly #entries = new Map<string, Entry>()
  /** Of addresses that are not registered any more. */
  readonly #leaving = new Set<ClusterAdmin>()
  #stop: (() => Promise<void>) | undefined
  #closed = false

  constructor(options: ClustersOptions) {
    this.#options = options
  }

  /** Begins to watch; the first round is under way when this returns. */
  start(): void {
    const { deps, logger, onRound, checkEveryMs = CHECK_EVERY_MS } = this.#options
    const round = measured(deps, 'clusters', this.#options.onLoop, async () => {
      await this.checkAll()
      if (!this.#closed) await onRound?.()
    })
    const first = round().catch((error: unknown) => logger.error(errorFacts(error), 'cluster check failed'))
    const stop = every(
      deps,
      // Jitter keeps several control planes from asking in step.
      () => checkEveryMs * (0.9 + 0.2 * deps.random()),
      round,
      (error) => logger.error(errorFacts(error), 'cluster check failed'),
    )
    this.#stop = async () => {
      await Promise.all([first, stop()])
    }
  }

  /** The admin connection of a cluster, each call of it under a deadline (W2). */
  async use<T>(name: string, doing: string, work: (admin: ClusterAdmin) => Promise<T>): Promise<T> {
    const entry = this.#entry(name)
    if (entry.health.status === 'unreachable' && entry.health.error.code === 'MQ_KAFKA_REFUSED')
      throw entry.health.error
    const late = (): MqError =>
      new MqError('MQ_KAFKA_TIMEOUT', `cluster '${name}' did not finish ${doing} within ${ADMIN_DEADLINE_MS} ms`)
    return within(this.#options.deps, ADMIN_DEADLINE_MS, late, work(entry.admin))
  }

  /** Asks the cluster now; one question at a time each. */
  async check(name: string): Promise<Health> {
    const entry = this.#entry(name)
    entry.checking ??= this.#ask(name, entry).finally(() => {
      entry.checking = undefined
    })
    return entry.checking
  }

  async checkAll(): Promise<void> {
    await Promise.all(this.#options.registry.clusters().map((cluster) => this.check(cluster.address.name)))
  }

  /** Makes sure that the cluster answers and is the right one, or throws why not. */
  async reach(name: string): Promise<ClusterFacts> {
    const health = await this.check(name)
    if (health.status !== 'up') {
      if (health.status === 'unreachable') throw health.error
      throw new MqError('MQ_KAFKA_UNREACHABLE', `cluster '${name}' was not asked yet`)
    }
    return this.#facts(name, health)
  }

  /** Clusters that answer, asked now when none did before. */
  async reachable(): Promise<ClusterFacts[]> {
    const names = this.#options.registry.clusters().map((cluster) => cluster.address.name)
    if (names.length === 0) {
      throw new MqError('MQ_INTENT_UNMET', 'no cluster is registered, so there is nowhere to place an mQ ID')
    }
    // Who waits for an answer is told soon what is known already: a cluster that was away takes its time to say so again.
    const isKnownAway = names.every((name) => this.#entry(name).health.status === 'unreachable')
    const checked = this.checkAll()
    await (isKnownAway ? withinOrUndefined(this.#options.deps, KNOWN_AWAY_MS, checked) : checked)
    const up = names.flatMap((name) => {
      const { health } = this.#entry(name)
      return health.status === 'up' ? [this.#facts(name, health)] : []
    })
    if (up.length === 0) {
      const first = names.map((name) => this.#entry(name).health).find((health) => health.status === 'unreachable')
      if (names.length === 1 && first?.status === 'unreachable') throw first.error
      throw new MqError('MQ_KAFKA_UNREACHABLE', `none of the ${names.length} clusters answers: ${names.join(', ')}`)
    }
    return up
  }

  /** Those that answered when they were asked last, as they were then. */
  answered(): ClusterFacts[] {
    return this.#options.registry.clusters().flatMap(({ address: { name } }) => {
      const health = this.#entries.get(name)?.health
      return health?.status === 'up' ? [this.#facts(name, health)] : []
    })
  }

  /** Those that did not answer when they were asked last, or were never asked. */
  away(): ClusterTraits[] {
    return this.traits().filter(({ name }) => this.#entries.get(name)?.health.status !== 'up')
  }

  /** All of them, as last seen. */
  traits(): ClusterTraits[] {
    return this.#options.registry.clusters().map(({ address: { name } }) => {
      const { brokers, zones } = this.#entries.get(name)?.last ?? { brokers: null, zones: null }
      return { name, brokers, zones, ...this.#registered(name) }
    })
  }

  brokers(name: string): number | undefined {
    const health = this.#entries.get(name)?.health
    return health?.status === 'up' ? health.brokers : undefined
  }

  anyUp(): boolean {
    return this.views().some((view) => view.status === 'up')
  }

  view(name: string): ClusterView {
    const { registry } = this.#options
    const record = registry.cluster(name)
    if (record === undefined) throw new MqError('MQ_CLUSTER_UNKNOWN', `no cluster '${name}' is registered`)
    const health = this.#entries.get(name)?.health ?? { status: 'unknown' as const }
    const said = { ...record.address, economics: record.economics, ...this.#registered(name) }
    switch (health.status) {
      case 'unknown':
        return {
          ...said,
          zones: null,
          status: 'unknown',
          clusterId: record.kafkaId,
          brokers: null,
          checkedAtMs: null,
          problem: null,
          advertised: [],
        }
      case 'up':
        return {
          ...said,
          zones: health.zones,
          status: 'up',
          clusterId: health.clusterId,
          brokers: health.brokers,
          checkedAtMs: health.checkedAtMs,
          problem: health.advertised.find(({ problem }) => problem !== null)?.problem ?? null,
          advertised: [...health.advertised],
        }
      case 'unreachable':
        return {
          ...said,
          zones: this.#entries.get(name)?.last?.zones ?? null,
          status: 'unreachable',
          clusterId: record.kafkaId,
          brokers: null,
          checkedAtMs: health.checkedAtMs,
          problem: `${health.error.code}: ${health.error.message}`,
          advertised: [...health.advertised],
        }
    }
  }

  views(): ClusterView[] {
    return this.#options.registry.clusters().map((cluster) => this.view(cluster.address.name))
  }

  /** Asks addresses that are not registered yet, on a connection of their own. */
  async probe(address: ClusterAddress): Promise<ClusterDescription> {
    const admin = this.#options.openAdmin(address)
    try {
      return await within(this.#options.deps, CHECK_DEADLINE_MS, () => unreachable(address), admin.describe())
    } finally {
      await admin.close().catch(() => undefined)
    }
  }

  /**
   * Whether the cluster can be spoken to at all as it is described: secrets that nobody gave, and those that it refuses, are told before it
   * is registered. One that does not answer now may be registered.
   */
  async checkDescribed(address: ClusterAddress): Promise<void> {
    if (address.securityProtocol === 'plaintext') {
      await this.#options.openAdmin(address).close()
      return
    }
    try {
      await this.probe(address)
    } catch (error) {
      if (error instanceof MqError && !error.retryable) throw error
    }
  }

  /** Closes the connection of a cluster that was forgotten. */
  async drop(name: string): Promise<void> {
    const entry = this.#entries.get(name)
    this.#entries.delete(name)
    await entry?.admin.close().catch(() => undefined)
  }

  async close(): Promise<void> {
    this.#closed = true
    const entries = [...this.#entries.values()]
    this.#entries.clear()
    const admins = [...entries.map(({ admin }) => admin), ...this.#leaving]
    await Promise.all(admins.map((admin) => admin.close().catch(() => undefined)))
    await this.#stop?.()
  }

  #facts(name: string, { brokers, zones }: { brokers: number; zones: number | null }): ClusterFacts {
    const mqIds = this.#options.registry.idsOn(name).length
    const whole = Math.max(this.#entries.get(name)?.most.brokers ?? 0, mostCopiesOn(this.#options.registry, name))
    const more = whole > brokers ? { wholeBrokers: whole } : {}
    return { name, brokers, zones, mqIds, ...more, ...this.#registered(name) }
  }

  #registered(name: string): Pick<ClusterTraits, 'region' | 'labels'> {
    const record = this.#options.registry.cluster(name)
    return { region: record === undefined ? null : regionOf(record), labels: record?.site.labels ?? {} }
  }

  #entry(name: string): Entry {
    const record = this.#options.registry.cluster(name)
    if (record === undefined) throw new MqError('MQ_CLUSTER_UNKNOWN', `no cluster '${name}' is registered`)
    if (this.#closed) throw new MqError('MQ_CLOSED', 'the control plane is closing')
    const known = this.#entries.get(name)
    if (known !== undefined && known.address === record.address) return known
    if (known !== undefined) this.#closeLater(known.admin)
    const entry: Entry = {
      address: record.address,
      admin: this.#options.openAdmin(record.address),
      health: { status: 'unknown' },
      last: known?.last ?? null,
      most: known?.most ?? { brokers: 0, seenAtMs: 0 },
      checking: undefined,
    }
    this.#entries.set(name, entry)
    return entry
  }

  /** Other addresses were registered: what is under way at the old ones has its time to end. */
  #closeLater(admin: ClusterAdmin): void {
    this.#leaving.add(admin)
    this.#options.deps.timers
      .setTimeout(() => {
        this.#leaving.delete(admin)
        void admin.close().catch(() => undefined)
      }, ADMIN_DEADLINE_MS)
      .unref()
  }

  async #ask(name: string, entry: Entry): Promise<Health> {
    const { deps, registry, logger } = this.#options
    const before = entry.health
    let health: Health
    try {
      const facts = await within(deps, CHECK_DEADLINE_MS, () => unreachable(entry.address), entry.admin.describe())
      const known = registry.cluster(name)?.kafkaId ?? null
      if (known === null) {
        await registry
          .setKafkaId(name, facts.clusterId)
          .catch((error: unknown) => logger.warn({ cluster: name, ...errorFacts(error) }, 'cluster id not kept yet'))
      }
      const { clusterId, brokers, zones, advertised = [] } = facts
      const checkedAtMs = deps.clock.nowMs()
      const error =
        known === null || known === clusterId
          ? noneFound(name, advertised)
          : new MqError(
              'MQ_KAFKA_REFUSED',
              `the addresses of cluster '${name}' now answer as Kafka cluster ${clusterId}, not ${known}: nothing is placed or changed there`,
            )
      health =
        error === undefined
          ? { status: 'up', clusterId, brokers, zones, advertised, checkedAtMs }
          : { status: 'unreachable', error, clusterId, advertised, checkedAtMs }
    } catch (error) {
      const known = registry.cluster(name)?.kafkaId ?? null
      const failure =
        error instanceof MqError
          ? error
          : new MqError('MQ_KAFKA_UNREACHABLE', `cluster '${name}' cannot be asked`, { cause: error })
      health = {
        status: 'unreachable',
        error: failure,
        clusterId: known,
        advertised: [],
        checkedAtMs: deps.clock.nowMs(),
      }
    }
    entry.health = health
    if (health.status === 'up') {
      entry.last = { brokers: health.brokers, zones: health.zones }
      const nowMs = deps.clock.monotonicMs()
      if (health.brokers >= entry.most.brokers || nowMs - entry.most.seenAtMs > DOWN_AT_MOST_MS) {
        entry.most = { brokers: health.brokers, seenAtMs: nowMs }
      }
    }
    if (health.status !== before.status) {
      if (health.status === 'up') logger.info({ cluster: name, brokers: health.brokers }, 'cluster is up')
      if (health.status === 'unreachable')
        logger.error({ cluster: name, ...errorFacts(health.error) }, 'cluster is away')
    }
    return health
  }
}

/** Copies that topics of mQ IDs have there: so many brokers it had once, also for a process that never saw them. */
function mostCopiesOn(registry: Registry, cluster: string): number {
  return registry
    .all()
    .reduce(
      (most, record) =>
        record.state === 'active' && record.epochs.some((epoch) => epoch.state === 'open' && epoch.cluster === cluster)
          ? Math.max(most, record.spec.replication)
          : most,
      0,
    )
}

/** W4 */
function noneFound(name: string, advertised: readonly AdvertisedBroker[]): MqError | undefined {
  const problems = advertised.flatMap(({ problem }) => problem?.replace(/^MQ_[A-Z_]+: /, '') ?? [])
  if (problems.length === 0 || problems.length < advertised.length) return undefined
  return new MqError(
    'MQ_KAFKA_ADVERTISED',
    `cluster '${name}' answers at its bootstrap addresses, and none of its brokers can be reached where it says that clients find it: ${problems.join('; ')}`,
  )
}

function unreachable(address: ClusterAddress): MqError {
  return new MqError(
    'MQ_KAFKA_UNREACHABLE',
    `cluster '${address.name}' at ${address.bootstrap.join(', ')} did not answer within ${CHECK_DEADLINE_MS} ms`,
  )
}
