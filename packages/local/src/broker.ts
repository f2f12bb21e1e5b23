/**
 * One broker process: start, readiness, and the controls that tests need.
 *
 * B1. A broker keeps its node id, ports and data over kill and restart.
 * B2. Ready is said by the broker itself, in Kafka's protocol.
 * B3. A broker of another version takes over node id, ports and data, as in a rolling upgrade.
 * B4. A broker that ends without having been told to is in state `ended`; nothing restarts it behind the owner's back.
 */
import type { ChildProcess } from 'node:child_process'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { MqError } from '@mq/contract'
import { type MetadataPlace, serverProperties } from './broker-config.ts'
import { type BrokerSeat, dataFolder } from './cluster-folder.ts'
import { startJvm } from './jvm.ts'
import type { KafkaInstall } from './kafka-install.ts'
import { probe } from './probe.ts'
import type { FaultProxy, TcpProxy } from './tcp-proxy.ts'
import type { Watchdog } from './watchdog.ts'

const PROBE_EVERY_MS = 50
const PROBE_TIMEOUT_MS = 2_000
const SESSION_RETRY_MS = 500

export interface LocalBroker {
  readonly nodeId: number
  /** Where clients connect. */
  readonly port: number
  /** Of the present process; undefined while the broker is down. */
  readonly pid: number | undefined
  readonly logFile: string
  /** The version of Kafka it runs. */
  readonly version: string
  /** Only when the cluster was started with `proxy: true`. */
  readonly proxy: FaultProxy | undefined
  /** Takes it down at once (SIGKILL), as a crash would. */
  kill(): Promise<void>
  /** Freezes it (SIGSTOP): connections stay open and nothing answers. */
  pause(): void
  resume(): void
  /**
   * Starts it again on its ports and data, after an orderly stop if it still runs; resolves when it is ready.
   * @param version of Kafka to go on with; the present one when missing
   */
  restart(version?: string): Promise<void>
}

/** An installed version and how its JVM starts fast. */
export interface BrokerSoftware {
  readonly install: KafkaInstall
  readonly flags: readonly string[]
}

export interface BrokerOptions {
  readonly seat: BrokerSeat
  readonly brokers: number
  readonly metadata: MetadataPlace
  readonly authorizer: boolean
  readonly advertisedPort: number
  readonly proxy?: TcpProxy | undefined
  readonly configs: Readonly<Record<string, string>>
  readonly software: BrokerSoftware
  readonly softwareOf: (version: string) => Promise<BrokerSoftware>
  readonly maxHeapMb: number
  readonly watchdog: Watchdog
  readonly stopDeadlineMs: number
  readonly startDeadlineMs: number
}

type State =
  | { readonly kind: 'down' }
  | { readonly kind: 'up'; readonly child: ChildProcess; readonly pid: number; readonly ended: Promise<void> }
  | { readonly kind: 'ended'; readonly how: string }

export class Broker implements LocalBroker {
  readonly nodeId: number
  readonly port: number
  readonly logFile: string
  readonly proxy: TcpProxy | undefined
  readonly #options: BrokerOptions
  readonly #outputFile: string
  #software: BrokerSoftware
  #state: State = { kind: 'down' }

  constructor(options: BrokerOptions) {
    this.#options = options
    this.#software = options.software
    this.nodeId = options.seat.nodeId
    this.port = options.advertisedPort
    this.proxy = options.proxy
    this.logFile = join(options.seat.folder, 'broker.log')
    this.#outputFile = join(options.seat.folder, 'output.log')
  }

  get version(): string {
    return this.#software.install.version
  }

  get pid(): number | undefined {
    return this.#state.kind === 'up' ? this.#state.pid : undefined
  }

  start(): void {
    if (this.#state.kind === 'up') return
    const { seat } = this.#options
    const { install, flags } = this.#software
    const properties = join(seat.folder, 'server.properties')
    writeFileSync(
      properties,
      serverProperties({
        nodeId: seat.nodeId,
        ports: seat.ports,
        advertisedPort: this.#options.advertisedPort,
        version: install.version,
        metadata: this.#options.metadata,
        brokers: this.#options.brokers,
        authorizer: this.#options.authorizer,
        logFolder: dataFolder(seat),
        overrides: this.#options.configs,
      }),
    )
    const child = startJvm({
      java: install.java,
      classPath: install.classPath,
      mainClass: 'kafka.Kafka',
      arguments: [properties],
      maxHeapMb: this.#options.maxHeapMb,
      flags,
      logFile: this.logFile,
      outputFile: this.#outputFile,
      cwd: seat.folder,
    })
    const pid = child.pid
    if (pid === undefined) {
      child.on('error', () => {})
      throw new MqError('MQ_KAFKA_START_FAILED', `${install.java.path} could not be started for broker ${this.nodeId}`)
    }
    this.#options.watchdog.add(pid)
    const ended = new Promise<void>((resolve) => {
      child.once('exit', (code, signal) => {
        this.#options.watchdog.drop(pid)
        this.#state = { kind: 'ended', how: signal === null ? `exit code ${code}` : signal }
        resolve()
      })
    })
    // A broker must not keep a program alive that forgot to stop it; the watchdog ends it.
    child.unref()
    this.#state = { kind: 'up', child, pid, ended }
  }

  /** Resolves when the broker answers with a controller and at least the brokers in `expected`. */
  async ready(expected: readonly number[], signal?: AbortSignal): Promise<void> {
    const deadline = performance.now() + this.#options.startDeadlineMs
    for (;;) {
      signal?.throwIfAborted()
      if (this.#state.kind !== 'up')
        throw this.#startFailure(this.#state.kind === 'ended' ? this.#state.how : 'not started')
      const answer = await probe(this.#options.seat.ports.internal, PROBE_TIMEOUT_MS)
      if (answer !== undefined && answer.controller >= 0 && expected.every((id) => answer.brokers.includes(id))) return
      if (performance.now() > deadline) throw this.#startFailure(`not ready after ${this.#options.startDeadlineMs} ms`)
      await sleep(PROBE_EVERY_MS)
    }
  }

  async kill(): Promise<void> {
    await this.#end('SIGKILL')
  }

  pause(): void {
    this.#signal('SIGSTOP')
  }

  resume(): void {
    this.#signal('SIGCONT')
  }

  async restart(version: string = this.version): Promise<void> {
    // Fetched before the stop: a download is no part of the time a broker is away.
    const software = version === this.version ? this.#software : await this.#options.softwareOf(version)
    await this.stop()
    this.#software = software
    const deadline = performance.now() + this.#options.startDeadlineMs
    for (;;) {
      this.start()
      try {
        await this.ready([this.nodeId])
        return
      } catch (error) {
        // ZooKeeper keeps the session of a broker that was killed for a while, and Kafka gives up at once then.
        const isWaiting = error instanceof MqError && error.details.sessionLives === true
        if (!isWaiting || performance.now() > deadline) throw error
        await sleep(SESSION_RETRY_MS)
      }
    }
  }

  /** An orderly stop, bounded: after the deadline it is killed. */
  async stop(): Promise<void> {
    await this.#end('SIGTERM')
  }

  #signal(signal: 'SIGSTOP' | 'SIGCONT'): void {
    if (this.#state.kind !== 'up') {
      throw new MqError('MQ_OPTION_INVALID', `Broker ${this.nodeId} is not running, so it cannot get ${signal}`)
    }
    this.#state.child.kill(signal)
  }

  async #end(signal: 'SIGTERM' | 'SIGKILL'): Promise<void> {
    if (this.#state.kind !== 'up') return
    const { child, ended } = this.#state
    child.ref()
    child.kill(signal)
    if (signal === 'SIGTERM') {
      // A paused broker sees SIGTERM only when it runs again.
      child.kill('SIGCONT')
      const late = setTimeout(() => child.kill('SIGKILL'), this.#options.stopDeadlineMs)
      await ended
      clearTimeout(late)
    }
    await ended
  }

  #startFailure(how: string): MqError {
    const line = tellingLine(this.logFile) ?? tellingLine(this.#outputFile)
    return new MqError(
      'MQ_KAFKA_START_FAILED',
      `Broker ${this.nodeId}: ${how}${line === undefined ? '' : `; ${line}`} (log: ${this.logFile})`,
      {
        details: {
          nodeId: this.nodeId,
          logFile: this.logFile,
          portTaken: /Address already in use/.test(line ?? ''),
          sessionLives: this.#options.metadata.mode === 'zookeeper' && /NodeExistsException/.test(line ?? ''),
        },
      },
    )
  }
}

/** The line that most likely says why: the port, else the exception, else the last error. */
function tellingLine(file: string): string | undefined {
  if (!existsSync(file)) return undefined
  const lines = readFileSync(file, 'utf8').split('\n')
  const telling =
    lines.findLast((line) => /Address already in use/.test(line)) ??
    lines.findLast((line) => /^Caused by: |^[\w.$]+(Exception|Error): /.test(line)) ??
    lines.findLast((line) => / (ERROR|FATAL) /.test(line)) ??
    lines.findLast((line) => line.trim() !== '')
  return telling?.trim().slice(0, 400)
}
