/**
 * The surroundings of one demo: a Kafka broker, a control plane, a folder that goes away, and the applications on it.
 *
 * S1. However the demo ends, every process it started ends and its folder is removed.
 * S2. Nothing outside is touched: free ports, a temporary folder, caches of its own for the applications.
 */
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { MqIdDetail } from '@mq/contract'
import { ControlPlaneApi } from '../api.ts'
import { readDeclarations } from '../declarations-file.ts'
import type { Io } from '../io.ts'
import { sourceTree } from '../source-tree.ts'
import { AppProcess } from './app-process.ts'

interface Closable {
  close(): Promise<void>
}

export class Stage {
  readonly #io: Io
  readonly #folder: string
  readonly #apps: AppProcess[] = []
  readonly #stopApps = new AbortController()
  readonly #closing: Closable[]
  #api: ControlPlaneApi | undefined

  constructor(io: Io, folder: string) {
    this.#io = io
    this.#folder = folder
    this.#closing = [{ close: () => rm(folder, { recursive: true, force: true, maxRetries: 5 }) }]
  }

  static async create(io: Io): Promise<Stage> {
    return new Stage(io, await mkdtemp(join(tmpdir(), 'mq-demo-')))
  }

  get api(): ControlPlaneApi {
    if (this.#api === undefined) throw new Error('the stage has not started')
    return this.#api
  }

  /** Starts Kafka, or uses the one at `bootstrap`, and the control plane. */
  async start(bootstrap: readonly string[] | undefined, say: (text: string) => void): Promise<void> {
    const { startCluster } = await import('@mq/local')
    const { silentLogger, startControlPlane } = await import('@mq/control-plane')
    let addresses = bootstrap
    if (addresses === undefined) {
      const cluster = await startCluster({ name: 'demo', brokers: 1, signal: this.#io.interrupt, onProgress: say })
      this.#closing.unshift({ close: () => cluster.stop() })
      addresses = cluster.bootstrap
    }
    this.#io.interrupt.throwIfAborted()
    const controlPlane = await startControlPlane({
      port: 0,
      dataDir: join(this.#folder, 'control-plane'),
      createOnFirstUse: false,
      logger: silentLogger,
      clusters: [{ name: 'demo', bootstrap: [...addresses], securityProtocol: 'plaintext' }],
    })
    this.#closing.unshift(controlPlane)
    this.#api = new ControlPlaneApi({ url: controlPlane.url, source: 'mq demo' })
  }

  /** Declares the mQ IDs of an example. */
  async declare(file: string): Promise<void> {
    const path = join(sourceTree(), file)
    const declarations = readDeclarations([{ name: file, text: await readFile(path, 'utf8') }])
    const plan = await this.api.call(
      'apply',
      { body: { declarations, plan: false } },
      { signal: this.#io.interrupt, deadlineMs: 60_000 },
    )
    const refused = plan.entries.find((entry) => entry.refusal !== null)
    if (refused !== undefined) throw new Error(`${refused.id} was refused: ${refused.refusal?.message ?? ''}`)
  }

  /** Starts one application of `examples/`. */
  run(name: string, file: string, flags: readonly string[]): AppProcess {
    const app = new AppProcess({
      name,
      file: join(sourceTree(), 'examples', file),
      flags,
      cwd: sourceTree(),
      env: {
        ...this.#io.env,
        MQ_URL: this.#api?.target.url,
        MQ_TOKEN: undefined,
        XDG_CACHE_HOME: join(this.#folder, 'cache'),
      },
      signal: AbortSignal.any([this.#io.interrupt, this.#stopApps.signal]),
    })
    this.#apps.push(app)
    return app
  }

  describe(id: string): Promise<MqIdDetail> {
    return this.api.call('getId', { params: { id } }, { signal: this.#io.interrupt })
  }

  /** S1. */
  async close(): Promise<void> {
    this.#stopApps.abort()
    await Promise.all(this.#apps.map((app) => app.gone()))
    await closeAll(this.#closing)
  }
}

async function closeAll(closing: readonly Closable[]): Promise<void> {
  for (const one of closing) await one.close().catch(() => {})
}
