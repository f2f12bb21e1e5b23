/**
 * Starts a cluster of one or three brokers (each broker and controller at once) on this machine.
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
import { Broker, type LocalBroker } from './broker.ts'
import { HOST } from './broker-config.ts'
import { classArchiveFlags } from './class-archive.ts'
import { openClusterFolder } from './cluster-folder.ts'
import { type FolderLock, tryLockFolder } from './folder-lock.ts'
import { type InstallProgress, installKafka, type KafkaInstall } from './kafka-install.ts'
import { TcpProxy } from './tcp-proxy.ts'
import { Watchdog } from './watchdog.ts'

const START_ATTEMPTS = 3

export interface StartClusterOptions {
  /** For people: folder names and messages. */
  readonly name?: string
  readonly brokers?: 1 | 3
  /** Keeps data between runs; a temporary folder, removed by `stop()`, when missing. */
  readonly dataDir?: string
  /** Broker settings by their Kafka names, over the ones chosen here. Client listener: `CLIENT`. */
  readonly configs?: Readonly<Record<string, string>>
  /** Puts a fault proxy before every broker; clients are told its address instead of the broker's. */
  readonly proxy?: boolean
  /** Default 256, which holds a broker within 320 MB of memory. */
  readonly maxHeapMb?: number
  readonly startDeadlineMs?: number
  /** How long `stop()` and `restart()` wait for an orderly end of a broker. */
  readonly stopDeadlineMs?: number
  readonly signal?: AbortSignal
  readonly onProgress?: InstallProgress
}

export interface LocalCluster {
  readonly name: string
  readonly clusterId: string
  /** `host:port` of every broker. */
  readonly bootstrap: string[]
  readonly brokers: LocalBroker[]
  /** Data and logs. */
  readonly folder: string
  /** Ends every broker; with `dataDir` in order, so that nothing needs recovery at the next start. Idempotent. */
  stop(): Promise<void>
}

export async function startCluster(options: StartClusterOptions = {}): Promise<LocalCluster> {
  options.signal?.throwIfAborted()
  const install = await installKafka(options.onProgress)
  const flags = await classArchiveFlags(install, options.onProgress)
  const name = options.name ?? 'local'
  const temporary = options.dataDir === undefined
  const folder = options.dataDir === undefined ? mkdtempSync(join(tmpdir(), `mq-${name}-`)) : resolve(options.dataDir)
  mkdirSync(folder, { recursive: true })
  const lock = tryLockFolder(folder)
  if (lock === undefined) {
    throw new MqError('MQ_STORE_LOCKED', `Another process runs the cluster in ${folder}`)
  }
  for (let attempt = 1; ; attempt++) {
    const cluster = await prepare({ options, name, folder, temporary, install, flags, lock, freshPorts: attempt > 1 })
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
  readonly install: KafkaInstall
  readonly flags: readonly string[]
  readonly lock: FolderLock
  readonly freshPorts: boolean
}

async function prepare(preparation: Preparation): Promise<Cluster> {
  const { options, folder, install, flags, lock, temporary } = preparation
  try {
    const { clusterId, seats } = await openClusterFolder(folder, options.brokers ?? 1, install, preparation.freshPorts)
    const watchdog = new Watchdog(temporary ? folder : undefined)
    const brokers = seats.map(
      (seat) =>
        new Broker({
          seat,
          seats,
          advertisedPort: options.proxy === true ? seat.proxyPort : seat.ports.client,
          proxy:
            options.proxy === true ? new TcpProxy(seat.proxyPort, { host: HOST, port: seat.ports.client }) : undefined,
          configs: options.configs ?? {},
          install,
          maxHeapMb: options.maxHeapMb ?? 256,
          flags,
          watchdog,
          stopDeadlineMs: options.stopDeadlineMs ?? 10_000,
          startDeadlineMs: options.startDeadlineMs ?? 60_000,
        }),
    )
    return new Cluster(preparation, clusterId, brokers, watchdog)
  } catch (error) {
    lock.release()
    throw error
  }
}

class Cluster implements LocalCluster {
  readonly name: string
  readonly clusterId: string
  readonly folder: string
  readonly brokers: Broker[]
  readonly bootstrap: string[]
  readonly #preparation: Preparation
  readonly #watchdog: Watchdog
  #stopping: Promise<void> | undefined

  constructor(preparation: Preparation, clusterId: string, brokers: Broker[], watchdog: Watchdog) {
    this.#preparation = preparation
    this.name = preparation.name
    this.clusterId = clusterId
    this.folder = preparation.folder
    this.brokers = brokers
    this.bootstrap = brokers.map((broker) => `${HOST}:${broker.port}`)
    this.#watchdog = watchdog
  }

  async start(signal: AbortSignal | undefined): Promise<void> {
    const everyone = this.brokers.map((broker) => broker.nodeId)
    // Before the brokers, so that nobody takes the ports meanwhile.
    for (const broker of this.brokers) await broker.proxy?.accept()
    for (const broker of this.brokers) broker.start()
    await Promise.all(this.brokers.map((broker) => broker.ready(everyone, signal)))
  }

  /** After a failed start. Logs stay, because the error names them. */
  async abandon(startsAgain: boolean): Promise<void> {
    await Promise.all(this.brokers.map((broker) => broker.kill()))
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
    // Data that is about to be removed needs no orderly end, which would take seconds.
    await Promise.all(this.brokers.map((broker) => (temporary ? broker.kill() : broker.stop())))
    await this.#closeProxies()
    this.#watchdog.end()
    lock.release()
    if (temporary) rmSync(folder, { recursive: true, force: true, maxRetries: 5 })
  }

  async #closeProxies(): Promise<void> {
    for (const broker of this.brokers) await broker.proxy?.refuse()
  }
}
