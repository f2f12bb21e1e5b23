/**
 * Starts a cluster of one or three brokers on this machine, of any version of Kafka: each broker and controller at once (KRaft), or
 * beside one ZooKeeper.
 *
 * C1. `startCluster` resolves when every broker answers with every broker and a controller, and never leaves a process behind when it
 *     rejects or is aborted.
 * C2. With `dataDir` data stays between runs and the folder is locked; without, everything lies in a temporary folder that goes away.
 * C3. When this process dies without `stop()`, the brokers die with it (watchdog).
 */
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { MqError } from '@mq/contract'
import { bootstrapTemplate } from './bootstrap-template.ts'
import { Broker, type BrokerSoftware, type LocalBroker } from './broker.ts'
import { HOST, type MetadataPlace } from './broker-config.ts'
import { finalisedFeatures } from './broker-features.ts'
import { classArchiveFlags } from './class-archive.ts'
import { type BrokerSeat, clusterIdOnDisk, noteInClusterFolder, openClusterFolder } from './cluster-folder.ts'
import { type FeatureTarget, upgradeFeatures } from './feature-command.ts'
import { type FolderLock, tryLockFolder } from './folder-lock.ts'
import type { InstallProgress } from './jar-install.ts'
import { installKafka } from './kafka-install.ts'
import {
  checkedChoice,
  compareKafkaVersions,
  type Front,
  type KafkaChoice,
  type MetadataMode,
  parseKafkaChoice,
} from './kafka-version.ts'
import { Kroxylicious } from './kroxylicious.ts'
import { TcpProxy } from './tcp-proxy.ts'
import { Watchdog } from './watchdog.ts'
import { Zookeeper } from './zookeeper.ts'

const START_ATTEMPTS = 3
const FEATURES_TIMEOUT_MS = 10_000

export interface StartClusterOptions {
  /** For people: folder names and messages. */
  readonly name?: string
  readonly brokers?: 1 | 3
  /** Of Kafka, such as `3.9.2`; else what the environment variable MQ_KAFKA_VERSION says (`3.9.2-zk`), else the default version. */
  readonly version?: string
  /** Where metadata lies; KRaft when missing, and ZooKeeper before Kafka 3.3. Counts only with `version`. */
  readonly mode?: MetadataMode
  /** Puts a protocol proxy before the brokers; clients are told its addresses. Counts only with `version`. */
  readonly front?: Front
  /** Features of a new KRaft cluster, by the release they belong to (`3.9`); those of the version when missing. */
  readonly features?: string
  /** Keeps data between runs; a temporary folder, removed by `stop()`, when missing. */
  readonly dataDir?: string
  /** Broker settings by their Kafka names, over the ones chosen here. Client listener: `CLIENT`. */
  readonly configs?: Readonly<Record<string, string>>
  /** `broker.rack` of each broker, in the order of their numbers. */
  readonly racks?: readonly string[]
  /** Rights are checked, by the authorizer that belongs to the metadata mode. */
  readonly authorizer?: boolean
  /** Puts a fault proxy before every broker; clients are told its address instead of the broker's. */
  readonly proxy?: boolean
  /** Default 256, which holds a broker within 320 MB of memory. */
  readonly maxHeapMb?: number
  /** Default 180,000: a broker that cannot start ends by itself, and one on a busy machine takes many times the usual 3 s. */
  readonly startDeadlineMs?: number
  /** How long `stop()` and `restart()` wait for an orderly end of a broker. */
  readonly stopDeadlineMs?: number
  readonly signal?: AbortSignal
  readonly onProgress?: InstallProgress
}

export interface LocalCluster {
  readonly name: string
  readonly clusterId: string
  /** What it was started with; brokers may have been restarted with others since. */
  readonly kafka: KafkaChoice
  /** `host:port` of every broker, or of what stands before them all. */
  readonly bootstrap: string[]
  readonly brokers: LocalBroker[]
  /** Data and logs. */
  readonly folder: string
  /** Raises the finalised features (metadata.version and others), as at the end of a rolling upgrade. */
  upgradeFeatures(target: FeatureTarget): Promise<void>
  /** The finalised features, as the first broker tells them. */
  features(): Promise<ReadonlyMap<string, number>>
  /** Why a test that needs this feature cannot run here; undefined when it can. */
  lacks(feature: string, level?: number): Promise<string | undefined>
  /** Ends every broker; with `dataDir` in order, so that nothing needs recovery at the next start. Idempotent. */
  stop(): Promise<void>
}

export async function startCluster(options: StartClusterOptions = {}): Promise<LocalCluster> {
  options.signal?.throwIfAborted()
  const kafka =
    options.version === undefined
      ? parseKafkaChoice(process.env.MQ_KAFKA_VERSION)
      : { ...checkedChoice(options.version, options.mode), ...(options.front && { front: options.front }) }
  const softwareOf = async (version: string): Promise<BrokerSoftware> => {
    const install = await installKafka(options.onProgress, version)
    return { install, flags: await classArchiveFlags(install, options.onProgress) }
  }
  const software = await softwareOf(kafka.version)
  const template = kafka.mode === 'kraft' ? await bootstrapTemplate(software.install, options.features) : undefined
  const name = options.name ?? 'local'
  const temporary = options.dataDir === undefined
  const folder = options.dataDir === undefined ? mkdtempSync(join(tmpdir(), `mq-${name}-`)) : resolve(options.dataDir)
  mkdirSync(folder, { recursive: true })
  const lock = tryLockFolder(folder)
  if (lock === undefined) {
    throw new MqError('MQ_STORE_LOCKED', `Another process runs the cluster in ${folder}`)
  }
  for (let attempt = 1; ; attempt++) {
    const freshPorts = attempt > 1
    const cluster = await prepare({
      ...{ options, name, kafka, software, softwareOf, template, folder, temporary, lock, freshPorts },
    })
    try {
      await cluster.start(options.signal)
      return cluster
    } catch (error) {
      const again = error instanceof MqError && error.details.portTaken === true && attempt < START_ATTEMPTS
      await cluster.abandon(again)
      if (!again) throw error
    }
  }
}

interface Preparation {
  readonly options: StartClusterOptions
  readonly name: string
  readonly folder: string
  readonly temporary: boolean
  readonly kafka: KafkaChoice
  readonly software: BrokerSoftware
  readonly softwareOf: (version: string) => Promise<BrokerSoftware>
  readonly template: string | undefined
  readonly lock: FolderLock
  readonly freshPorts: boolean
}

async function prepare(preparation: Preparation): Promise<Cluster> {
  const { options, folder, software, softwareOf, kafka, lock, temporary } = preparation
  try {
    const { clusterId, seats } = await openClusterFolder(folder, {
      brokers: options.brokers ?? 1,
      kafka,
      template: preparation.template,
      freshPorts: preparation.freshPorts,
    })
    const watchdog = new Watchdog(temporary ? folder : undefined)
    const voters = seats.map((seat) => ({ nodeId: seat.nodeId, controllerPort: seat.ports.controller }))
    // ZooKeeper stands where the first broker's controller would.
    const zookeeperPort = voters[0]?.controllerPort ?? 0
    const metadata: MetadataPlace =
      kafka.mode === 'kraft' ? { mode: 'kraft', voters } : { mode: 'zookeeper', port: zookeeperPort }
    const startDeadlineMs = options.startDeadlineMs ?? 180_000
    const zookeeper =
      kafka.mode === 'zookeeper'
        ? new Zookeeper({
            folder: join(folder, 'zookeeper'),
            port: zookeeperPort,
            install: software.install,
            watchdog,
            startDeadlineMs,
          })
        : undefined
    const brokers = seats.map(
      (seat, index) =>
        new Broker({
          seat,
          brokers: seats.length,
          metadata,
          authorizer: options.authorizer === true,
          advertisedPort: options.proxy === true ? seat.proxyPort : seat.ports.client,
          proxy:
            options.proxy === true ? new TcpProxy(seat.proxyPort, { host: HOST, port: seat.ports.client }) : undefined,
          configs: { ...options.configs, ...rackOf(options.racks?.[index]) },
          software,
          softwareOf: async (version) => {
            const other = await softwareOf(version)
            noteInClusterFolder(folder, { kafka: version })
            return other
          },
          maxHeapMb: options.maxHeapMb ?? 256,
          watchdog,
          stopDeadlineMs: options.stopDeadlineMs ?? 10_000,
          startDeadlineMs,
        }),
    )
    const front =
      kafka.front === undefined
        ? undefined
        : await Kroxylicious.prepare({
            folder: join(folder, kafka.front),
            target: brokers.map((broker) => `${HOST}:${broker.port}`),
            nodeIds: brokers.map((broker) => broker.nodeId),
            ...{ watchdog, startDeadlineMs, onProgress: options.onProgress ?? (() => {}) },
          })
    return new Cluster(preparation, { clusterId, seats, brokers, zookeeper, front, watchdog })
  } catch (error) {
    lock.release()
    throw error
  }
}

interface ClusterParts {
  readonly clusterId: string
  readonly seats: readonly BrokerSeat[]
  readonly brokers: Broker[]
  readonly zookeeper: Zookeeper | undefined
  readonly front: Kroxylicious | undefined
  readonly watchdog: Watchdog
}

class Cluster implements LocalCluster {
  readonly name: string
  readonly kafka: KafkaChoice
  readonly folder: string
  readonly brokers: Broker[]
  readonly bootstrap: string[]
  readonly #preparation: Preparation
  readonly #seats: readonly BrokerSeat[]
  readonly #zookeeper: Zookeeper | undefined
  readonly #front: Kroxylicious | undefined
  readonly #watchdog: Watchdog
  #clusterId: string
  #stopping: Promise<void> | undefined

  constructor(preparation: Preparation, { clusterId, seats, brokers, zookeeper, front, watchdog }: ClusterParts) {
    this.#preparation = preparation
    this.name = preparation.name
    this.kafka = preparation.kafka
    this.folder = preparation.folder
    this.brokers = brokers
    this.bootstrap = front === undefined ? brokers.map((broker) => `${HOST}:${broker.port}`) : [front.address]
    this.#clusterId = clusterId
    this.#seats = seats
    this.#zookeeper = zookeeper
    this.#front = front
    this.#watchdog = watchdog
  }

  get clusterId(): string {
    return this.#clusterId
  }

  async start(signal: AbortSignal | undefined): Promise<void> {
    const everyone = this.brokers.map((broker) => broker.nodeId)
    // Before the brokers, so that nobody takes the ports meanwhile.
    for (const broker of this.brokers) await broker.proxy?.accept()
    await this.#zookeeper?.start(signal)
    for (const broker of this.brokers) broker.start()
    await Promise.all(this.brokers.map((broker) => broker.ready(everyone, signal)))
    await this.#front?.start(signal)
    if (this.#zookeeper === undefined) return
    const [seat] = this.#seats
    this.#clusterId = (seat && clusterIdOnDisk(seat)) ?? this.#clusterId
    noteInClusterFolder(this.folder, { clusterId: this.#clusterId })
  }

  async upgradeFeatures(target: FeatureTarget): Promise<void> {
    const [seat] = this.#seats
    const newest = this.brokers
      .map((broker) => broker.version)
      .toSorted(compareKafkaVersions)
      .at(-1)
    if (seat === undefined || newest === undefined) return
    const { install } = await this.#preparation.softwareOf(newest)
    await upgradeFeatures(install, `${HOST}:${seat.ports.internal}`, target)
  }

  async features(): Promise<ReadonlyMap<string, number>> {
    return await finalisedFeatures(this.#seats[0]?.ports.internal ?? 0, FEATURES_TIMEOUT_MS)
  }

  async lacks(feature: string, level = 1): Promise<string | undefined> {
    const found = (await this.features()).get(feature)
    if (found !== undefined && found >= level) return undefined
    const { version, mode } = this.kafka
    return `Kafka ${version} (${mode}) has ${found === undefined ? `no finalised feature ${feature}` : `${feature} ${found}, not ${level}`}`
  }

  /** After a failed start. Logs stay, because the error names them. */
  async abandon(startsAgain: boolean): Promise<void> {
    await this.#front?.stop()
    await Promise.all(this.brokers.map((broker) => broker.kill()))
    await this.#zookeeper?.stop()
    await this.#closeProxies()
    this.#watchdog.end()
    if (!startsAgain) this.#preparation.lock.release()
  }

  stop(): Promise<void> {
    this.#stopping ??= this.#stop()
    return this.#stopping
  }

  async #stop(): Promise<void> {
    const { temporary, lock, folder } = this.#preparation
    await this.#front?.stop()
    // Data that is about to be removed needs no orderly end, which would take seconds.
    await Promise.all(this.brokers.map((broker) => (temporary ? broker.kill() : broker.stop())))
    await this.#zookeeper?.stop()
    await this.#closeProxies()
    this.#watchdog.end()
    lock.release()
    if (temporary) rmSync(folder, { recursive: true, force: true, maxRetries: 5 })
  }

  async #closeProxies(): Promise<void> {
    for (const broker of this.brokers) await broker.proxy?.refuse()
  }
}

function rackOf(rack: string | undefined): Record<string, string> {
  return rack === undefined ? {} : { 'broker.rack': rack }
}
