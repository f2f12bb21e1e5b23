/**
 * The stack of `mq dev`: one owner of the data folder, Kafka, the control plane.
 *
 * V1. The folder is locked before anything is started; a second owner is refused and disturbs nothing.
 * V2. However the start fails or is interrupted, nothing that was started stays.
 * V3. A broker that ends by itself ends the stack with an error that names its log; nothing goes on half alive.
 */
import { createWriteStream, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { MqError } from '@mq/contract'
import type { ControlPlane } from '@mq/control-plane'
import type { LocalCluster } from '@mq/local'
import { localMigrationTimes } from './migration-times.ts'

const WATCH_MS = 500

export interface DevOptions {
  readonly dataDir: string
  /** As the person wrote it, for messages. */
  readonly shownDataDir: string
  readonly host: string
  readonly port: number
  readonly brokers: 1 | 3
  readonly bootstrap: readonly string[] | undefined
  readonly token: string | undefined
  /** Whether unknown mQ IDs are made on first use. */
  readonly create: boolean
  readonly onFirstUse: (id: string, actor: string, hint: string) => void
  readonly signal: AbortSignal
  readonly onProgress: (text: string) => void
}

export class DevStack {
  readonly url: string
  readonly bootstrap: readonly string[]
  readonly kafkaVersion: string
  readonly #cluster: LocalCluster | undefined
  readonly #closing: (() => Promise<void> | void)[]

  constructor(
    url: string,
    bootstrap: readonly string[],
    kafkaVersion: string,
    cluster: LocalCluster | undefined,
    closing: (() => Promise<void> | void)[],
  ) {
    this.url = url
    this.bootstrap = bootstrap
    this.kafkaVersion = kafkaVersion
    this.#cluster = cluster
    this.#closing = closing
  }

  static async start(options: DevOptions): Promise<DevStack> {
    const { isFree, KAFKA_VERSION, startCluster, tryLockFolder } = await import('@mq/local')
    const { createLogger, startControlPlane } = await import('@mq/control-plane')
    const closing: (() => Promise<void> | void)[] = []
    try {
      closing.unshift(lock(options, tryLockFolder))
      if (options.port !== 0 && !(await isFree(options.port, options.host))) {
        throw new MqError('MQ_PORT_IN_USE', `Port ${options.port} of ${options.host} is taken by another program`)
      }
      let cluster: LocalCluster | undefined
      if (options.bootstrap === undefined) {
        cluster = await startCluster({
          name: 'dev',
          brokers: options.brokers,
          dataDir: join(options.dataDir, 'kafka'),
          signal: options.signal,
          onProgress: options.onProgress,
        })
        closing.unshift(() => cluster?.stop())
      }
      options.signal.throwIfAborted()
      options.onProgress('starting the control plane')
      const log = createWriteStream(join(options.dataDir, 'control-plane.log'), { flags: 'a', mode: 0o600 })
      closing.unshift(() => void log.end())
      const bootstrap = options.bootstrap ?? cluster?.bootstrap ?? []
      const controlPlane: ControlPlane = await startControlPlane({
        host: options.host,
        port: options.port,
        dataDir: join(options.dataDir, 'control-plane'),
        createOnFirstUse: options.create,
        onFirstUse: options.onFirstUse,
        timing: 'dev',
        // A stack to try things on: changes are tried without a question.
        newInstallationMode: 'auto',
        clusters: [{ name: 'dev', bootstrap: [...bootstrap], securityProtocol: 'plaintext' }],
        logger: createLogger('info', log),
        migrationTimes: localMigrationTimes,
        ...(options.token === undefined ? {} : { token: options.token }),
      })
      closing.unshift(() => controlPlane.close())
      return new DevStack(controlPlane.url, bootstrap, KAFKA_VERSION, cluster, closing)
    } catch (error) {
      await closeAll(closing)
      throw error
    }
  }

  /** Resolves at the interruption, or with the error that ended the stack before it (V3). */
  async ended(signal: AbortSignal): Promise<MqError | undefined> {
    return await new Promise((resolve) => {
      const timer = setInterval(() => {
        const dead = this.#cluster?.brokers.find((broker) => broker.pid === undefined)
        if (dead !== undefined)
          finish(new MqError('MQ_KAFKA_ENDED', `Broker ${dead.nodeId} ended by itself; its log is ${dead.logFile}`))
      }, WATCH_MS)
      const finish = (error?: MqError): void => {
        clearInterval(timer)
        resolve(error)
      }
      if (signal.aborted) finish()
      signal.addEventListener('abort', () => finish(), { once: true })
    })
  }

  async close(): Promise<void> {
    await closeAll(this.#closing)
  }
}

/** V1. */
function lock(options: DevOptions, tryLockFolder: (folder: string) => { release(): void } | undefined): () => void {
  try {
    mkdirSync(options.dataDir, { recursive: true, mode: 0o700 })
  } catch (error) {
    throw new MqError('MQ_STORE_FAILED', `${options.shownDataDir} cannot be made: ${(error as Error).message}`, {
      cause: error,
    })
  }
  const held = tryLockFolder(options.dataDir)
  if (held === undefined) {
    throw new MqError('MQ_STORE_LOCKED', `Another mq dev runs on ${options.shownDataDir}`)
  }
  return () => held.release()
}

async function closeAll(closing: readonly (() => Promise<void> | void)[]): Promise<void> {
  for (const close of closing) {
    try {
      await close()
    } catch {
      // The others still have to end.
    }
  }
}
