/**
 * A real Kafka broker and a real control plane for one test file.
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { Binding, type IntentInput } from '@mq/contract'
import { type ControlPlane, silentLogger, startControlPlane } from '@mq/control-plane'
import { Cluster, MemoryBudget, Producer } from '@mq/kafka'
import { type LocalCluster, startCluster } from '@mq/local'
import { type ConnectOptions, connect, type MqConnection } from '../../src/index.ts'
import { RecordingLogger } from './logs.ts'

const PATIENCE_MS = 120_000

export class Stack {
  readonly cluster: LocalCluster
  readonly dir: string
  #plane: ControlPlane | undefined
  #port = 0
  readonly #open = new Set<MqConnection>()

  private constructor(cluster: LocalCluster, dir: string) {
    this.cluster = cluster
    this.dir = dir
  }

  static async start(): Promise<Stack> {
    const dir = await mkdtemp(join(tmpdir(), 'mq-client-'))
    const cluster = await startCluster({
      name: 'main',
      // A member that died is put out after 6 s instead of 45.
      configs: {
        'group.consumer.heartbeat.interval.ms': '1000',
        'group.consumer.min.heartbeat.interval.ms': '1000',
        'group.consumer.session.timeout.ms': '6000',
        'group.consumer.min.session.timeout.ms': '6000',
      },
    })
    const stack = new Stack(cluster, dir)
    await stack.startPlane()
    return stack
  }

  get url(): string {
    return `http://127.0.0.1:${this.#port}`
  }

  get cacheDir(): string {
    return join(this.dir, 'cache')
  }

  async startPlane(): Promise<void> {
    this.#plane = await startControlPlane({
      port: this.#port,
      dataDir: join(this.dir, 'plane'),
      createOnFirstUse: true,
      clusters: [{ name: 'main', bootstrap: this.cluster.bootstrap, securityProtocol: 'plaintext' }],
      logger: silentLogger,
    })
    this.#port = Number(new URL(this.#plane.url).port)
  }

  async stopPlane(): Promise<void> {
    await this.#plane?.close()
    this.#plane = undefined
  }

  /** Declares an mQ ID. */
  async declare(id: string, intent: IntentInput): Promise<void> {
    await this.#ask('PUT', `/v1/ids/${id}`, { intent })
  }

  async delete(id: string): Promise<void> {
    await this.#ask('DELETE', `/v1/ids/${id}?force=true&now=true`)
  }

  /** Again while it says that this may help: a broker on a busy machine may not answer the control plane in time. */
  async #ask(method: string, path: string, body?: unknown): Promise<void> {
    const content = { headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) }
    for (const endMs = performance.now() + PATIENCE_MS; ; await pause(100)) {
      const response = await fetch(`${this.url}${path}`, { method, ...(body === undefined ? {} : content) })
      if (response.ok) return
      const problem = await response.text()
      const { retryable } = JSON.parse(problem) as { retryable?: boolean }
      const isOver = retryable !== true || performance.now() > endMs
      if (isOver) throw new Error(`${method} ${path}: ${response.status} ${problem}`)
    }
  }

  /** Writes records as somebody would who does not go through mQ. */
  async writeRaw(id: string, records: readonly (readonly [key: string, value: string])[]): Promise<void> {
    const response = await fetch(`${this.url}/v1/bindings/${id}`)
    const { epochs, producer: settings } = Binding.parse(await response.json())
    const cluster = new Cluster({ name: 'main', clientId: 'foreign', bootstrap: this.cluster.bootstrap })
    const producer = new Producer({ cluster, settings, budget: new MemoryBudget(1_048_576) })
    const topic = producer.topic(epochs[0]!.topic, epochs[0]!.partitions)
    await Promise.all(records.map(([key, value]) => producer.send(topic, key, value)))
    await producer.close()
    await cluster.close()
  }

  /** A connection that the end of the test closes. */
  async connect(options: Partial<ConnectOptions> = {}): Promise<MqConnection & { logger: RecordingLogger }> {
    const logger = new RecordingLogger()
    const mq = await connect({ url: this.url, app: 'test', cacheDir: this.cacheDir, logger, ...options })
    this.#open.add(mq)
    return Object.assign(mq, { logger })
  }

  /** Closes what tests left open. */
  async closeConnections(): Promise<void> {
    for (const mq of this.#open) await mq.close({ deadlineMs: 5_000 }).catch(() => {})
    this.#open.clear()
  }

  async stop(): Promise<void> {
    await this.closeConnections()
    await this.stopPlane()
    await this.cluster.stop()
    await rm(this.dir, { recursive: true, force: true })
  }
}
