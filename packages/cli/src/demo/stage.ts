/**
 * The surroundings of one demo: two Kafka clusters, a control plane, a folder that goes away, and the applications on it.
 *
 * S1. However the demo ends, every process it started ends and its folder is removed.
 * S2. Nothing outside is touched: free ports, a temporary folder, caches of its own for the applications.
 */
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { ApiClient } from '@mq/api-client'
import type { MqIdDetail } from '@mq/contract'
import type { ScannedTopic, StartingSettings } from '@mq/control-plane'
import { readDeclarations } from '../declarations-file.ts'
import { localMigrationTimes } from '../dev/migration-times.ts'
import type { Io } from '../io.ts'
import { sourceTree } from '../source-tree.ts'
import { AppProcess } from './app-process.ts'

const SECOND = 'demo-2'

interface Closable {
  close(): Promise<void>
}

export class Stage {
  readonly #io: Io
  readonly #folder: string
  readonly #apps: AppProcess[] = []
  readonly #stopApps = new AbortController()
  readonly #closing: Closable[]
  #api: ApiClient | undefined
  /** Where mQ IDs can be moved to; none when the demo runs on somebody's Kafka. */
  secondCluster: string | undefined
  #clusters: readonly { readonly name: string; readonly bootstrap: readonly string[] }[] = []

  constructor(io: Io, folder: string) {
    this.#io = io
    this.#folder = folder
    this.#closing = [{ close: () => rm(folder, { recursive: true, force: true, maxRetries: 5 }) }]
  }

  static async create(io: Io): Promise<Stage> {
    return new Stage(io, await mkdtemp(join(tmpdir(), 'mq-demo-')))
  }

  get api(): ApiClient {
    if (this.#api === undefined) throw new Error('the stage has not started')
    return this.#api
  }

  /** Fires when the demo is to end. */
  get signal(): AbortSignal {
    return this.#io.interrupt
  }

  async pause(ms: number): Promise<void> {
    await sleep(ms, undefined, { signal: this.#io.interrupt })
  }

  /**
   * Starts Kafka, or uses the one at `bootstrap`, and the control plane.
   * @param startWith what the clients of an mQ ID had before mQ
   */
  async start(
    bootstrap: readonly string[] | undefined,
    startWith: Readonly<Record<string, StartingSettings>>,
    say: (text: string) => void,
  ): Promise<void> {
    const { startCluster } = await import('@mq/local')
    const { silentLogger, startControlPlane } = await import('@mq/control-plane')
    const clusters: { name: string; bootstrap: readonly string[] }[] =
      bootstrap === undefined ? [] : [{ name: 'demo', bootstrap }]
    if (bootstrap === undefined) {
      // One after the other: the first start may have to fetch Kafka.
      for (const name of ['demo', SECOND]) {
        const cluster = await startCluster({ name, brokers: 1, signal: this.#io.interrupt, onProgress: say })
        this.#closing.unshift({ close: () => cluster.stop() })
        clusters.push({ name, bootstrap: cluster.bootstrap })
      }
      this.secondCluster = SECOND
    }
    this.#clusters = clusters
    this.#io.interrupt.throwIfAborted()
    const controlPlane = await startControlPlane({
      port: 0,
      dataDir: join(this.#folder, 'control-plane'),
      createOnFirstUse: false,
      logger: silentLogger,
      clusters: clusters.map(({ name, bootstrap: addresses }) => {
        return { name, bootstrap: [...addresses], securityProtocol: 'plaintext' as const }
      }),
      migrationTimes: localMigrationTimes,
      timing: 'dev',
      newInstallationMode: 'auto',
      startWith,
    })
    this.#closing.unshift(controlPlane)
    this.#api = new ApiClient({ url: controlPlane.url, source: 'mq demo' })
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
        MQ_URL: this.#api?.url,
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

  /** Looks at the topic of an mQ ID from outside, as `mq scan` does: nothing of it comes from clients of mQ. */
  async look(id: string): Promise<ScannedTopic> {
    const { scanCluster } = await import('@mq/control-plane')
    const { cluster, topic } = (await this.describe(id)).epochs.at(-1)!
    const { bootstrap } = this.#clusters.find(({ name }) => name === cluster)!
    const address = { name: cluster, bootstrap: [...bootstrap], securityProtocol: 'plaintext' as const }
    const signal = this.#io.interrupt
    const { topics } = await scanCluster({ address, economics: null, watchMs: 0, topics: [topic], signal })
    return topics[0]!
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
