/**
 * Kroxylicious before a cluster: a proxy that speaks Kafka's protocol and answers for the brokers, as people put it before theirs.
 *
 * X1. Clients know only its addresses: one to begin with, and one for each broker, which it writes into every answer that names brokers.
 * X2. It starts when the brokers are ready, and is ready when it passes on an answer that names them all.
 */
import type { ChildProcess } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { MqError } from '@mq/contract'
import { HOST } from './broker-config.ts'
import { classPathOf, type InstallProgress, installJars } from './jar-install.ts'
import { findJava } from './java.ts'
import { startJvm } from './jvm.ts'
import { neighbouringPorts } from './ports.ts'
import { probe } from './probe.ts'
import type { Watchdog } from './watchdog.ts'

const VERSION = '0.12.0'
const POM = fileURLToPath(new URL('../kroxylicious.pom.xml', import.meta.url))
const SCRIPT = fileURLToPath(new URL('../kroxylicious.groovy', import.meta.url))
const PROBE_EVERY_MS = 100
const PROBE_TIMEOUT_MS = 2_000

export interface KroxyliciousOptions {
  readonly folder: string
  /** `host:port` of the brokers behind it. */
  readonly target: readonly string[]
  /** Rising without gaps. */
  readonly nodeIds: readonly number[]
  readonly watchdog: Watchdog
  readonly startDeadlineMs: number
  readonly onProgress: InstallProgress
}

export class Kroxylicious {
  readonly #options: KroxyliciousOptions
  readonly #port: number
  #running: { readonly child: ChildProcess; readonly ended: Promise<void> } | undefined

  private constructor(options: KroxyliciousOptions, port: number) {
    this.#options = options
    this.#port = port
  }

  static async prepare(options: KroxyliciousOptions): Promise<Kroxylicious> {
    return new Kroxylicious(options, await neighbouringPorts(options.nodeIds.length + 1))
  }

  /** What clients are told. */
  get address(): string {
    return `${HOST}:${this.#port}`
  }

  async start(signal?: AbortSignal): Promise<void> {
    const { folder, target, nodeIds, watchdog, onProgress } = this.#options
    const jars = await installJars(
      {
        ...{ name: 'kroxylicious', version: VERSION, pom: POM, properties: {} },
        label: `Kroxylicious ${VERSION} (about 40 MB, once)`,
        proof: `kroxylicious-runtime-${VERSION}.jar`,
      },
      onProgress,
    )
    mkdirSync(folder, { recursive: true })
    const configuration = join(folder, 'kroxylicious.yaml')
    // JSON is YAML.
    const gateway = {
      name: 'clients',
      portIdentifiesNode: {
        bootstrapAddress: this.address,
        nodeStartPort: this.#port + 1,
        nodeIdRanges: [{ name: 'brokers', start: nodeIds[0], end: nodeIds.at(-1) }],
      },
    }
    writeFileSync(
      configuration,
      JSON.stringify({
        virtualClusters: [
          { name: 'local', targetCluster: { bootstrapServers: target.join(',') }, gateways: [gateway] },
        ],
      }),
    )
    const logFile = join(folder, 'kroxylicious.log')
    const child = startJvm({
      java: await findJava(),
      classPath: classPathOf(jars),
      mainClass: 'groovy.ui.GroovyMain',
      arguments: [SCRIPT, configuration],
      maxHeapMb: 192,
      logFile,
      outputFile: join(folder, 'output.log'),
      cwd: folder,
    })
    const { pid } = child
    if (pid === undefined) {
      child.on('error', () => {})
      throw new MqError('MQ_KAFKA_START_FAILED', 'java could not be started for Kroxylicious')
    }
    watchdog.add(pid)
    const ended = new Promise<void>((resolve) => {
      child.once('exit', () => {
        watchdog.drop(pid)
        this.#running = undefined
        resolve()
      })
    })
    child.unref()
    this.#running = { child, ended }
    await this.#ready(logFile, signal)
  }

  async stop(): Promise<void> {
    if (this.#running === undefined) return
    const { child, ended } = this.#running
    child.ref()
    child.kill('SIGKILL')
    await ended
  }

  /** X2 */
  async #ready(logFile: string, signal: AbortSignal | undefined): Promise<void> {
    const { nodeIds, startDeadlineMs } = this.#options
    const deadline = performance.now() + startDeadlineMs
    for (;;) {
      signal?.throwIfAborted()
      const answer = await probe(this.#port, PROBE_TIMEOUT_MS)
      if (answer !== undefined && nodeIds.every((id) => answer.brokers.includes(id))) return
      if (this.#running === undefined || performance.now() > deadline) {
        const how = this.#running === undefined ? 'ended' : `did not answer within ${startDeadlineMs} ms`
        throw new MqError('MQ_KAFKA_START_FAILED', `Kroxylicious ${how} (log: ${logFile})`, { details: { logFile } })
      }
      await sleep(PROBE_EVERY_MS)
    }
  }
}
