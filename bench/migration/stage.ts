/**
 * The surroundings of the measurement of migrations: two clusters, a control plane and applications, each in a process of its own.
 *
 * T1. Whatever it starts is gone after `close`.
 * T2. Migrations are asked for and followed over the control plane's API, as a person would.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { Migration, type MigrationState } from '@mq/contract'
import { type LocalCluster, startCluster } from '@mq/local'
import { App } from './apps.ts'
import { nowUs } from './job.ts'

const POLL_MS = 20
const OPENED: readonly MigrationState[] = ['open', 'draining', 'retired']
const GIVE_UP_MS = 90_000

/** Short enough that epochs retire while the next migrations are made; what is measured does not depend on them. */
const MIGRATION_TIMES = { watchMs: 2_000, pollMs: 1_000, quietMs: 12_000, deleteAfterMs: 2_000 }

export interface MigrationStageOptions {
  readonly sourceBrokers: 1 | 3
  readonly mqId: string
}

export interface MeasuredMigration {
  readonly migration: Migration
  readonly askedUs: number
  readonly openedUs: number
}

export class MigrationStage {
  readonly folder = mkdtempSync(join(tmpdir(), 'mq-migration-'))
  readonly failed = Promise.withResolvers<never>()
  readonly #options: MigrationStageOptions
  readonly #clusters: LocalCluster[] = []
  readonly #apps: App[] = []
  readonly #stop = new AbortController()
  #starting: Promise<void> = Promise.resolve()
  kafkaVersion = ''
  url = ''

  constructor(options: MigrationStageOptions) {
    this.#options = options
    this.failed.promise.catch(() => {})
  }

  start(): Promise<void> {
    const starting = this.#start()
    this.#starting = starting.catch(() => {})
    return starting
  }

  run(name: string, program: string, job: unknown): App {
    const app = new App(name, program, job, this.failed.reject)
    this.#apps.push(app)
    return app
  }

  /** Declares the mQ ID on the first cluster, with the asked number of partitions. */
  async declare(intent: object, partitions: number): Promise<void> {
    const { mqId } = this.#options
    await this.#call('PUT', `/v1/ids/${mqId}`, { intent })
    await this.move({ to: 'a', partitions })
  }

  /** Resolves when the new epoch is open. */
  async move(request: { to: string; partitions: number }): Promise<MeasuredMigration> {
    const askedUs = nowUs()
    const answer = await this.#call('POST', `/v1/ids/${this.#options.mqId}/migrations`, {
      allowFewerCopies: true,
      ...request,
    })
    const begun = Migration.parse(answer.migration)
    const migration = await this.until(begun.number, OPENED)
    return { migration, askedUs, openedUs: nowUs() }
  }

  async until(number: number, states: readonly MigrationState[]): Promise<Migration> {
    const endMs = performance.now() + GIVE_UP_MS
    for (;;) {
      const migration = Migration.parse(await this.#call('GET', `/v1/migrations/${number}`))
      if (states.includes(migration.state)) return migration
      if (migration.problem !== null || performance.now() > endMs) {
        throw new Error(`move ${number} is ${migration.state}: ${JSON.stringify(migration.problem ?? migration.steps)}`)
      }
      await Promise.race([pause(POLL_MS), this.failed.promise])
    }
  }

  /** T1 */
  async close(): Promise<void> {
    this.#stop.abort()
    for (const app of this.#apps) app.kill()
    await this.#starting
    await Promise.all(this.#clusters.map((cluster) => cluster.stop().catch(() => {})))
    rmSync(this.folder, { recursive: true, force: true, maxRetries: 5 })
  }

  async #start(): Promise<void> {
    const { sourceBrokers } = this.#options
    for (const [name, brokers] of [
      ['a', sourceBrokers],
      ['b', 1],
    ] as const) {
      const cluster = await startCluster({
        name,
        brokers,
        dataDir: join(this.folder, name),
        signal: this.#stop.signal,
        onProgress: (message) => console.error(message),
      })
      this.#clusters.push(cluster)
      this.kafkaVersion = cluster.kafka.version
    }
    this.#stop.signal.throwIfAborted()
    const clusters = this.#clusters.map(({ name, bootstrap }) => ({ name, bootstrap, securityProtocol: 'plaintext' }))
    const plane = this.run('the control plane', 'plane.ts', {
      dataDir: join(this.folder, 'plane'),
      clusters,
      migrationTimes: MIGRATION_TIMES,
    })
    this.url = ((await plane.started) as { url: string }).url
  }

  async #call(method: string, path: string, body?: object): Promise<Record<string, unknown>> {
    const answer = await fetch(new URL(path, this.url), {
      method,
      ...(body === undefined ? {} : { headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) }),
    })
    const text = await answer.text()
    if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${text}`)
    return JSON.parse(text) as Record<string, unknown>
  }
}
