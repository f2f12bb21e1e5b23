/**
 * The surroundings of the measurement of faults: a cluster of three brokers behind proxies, a control plane and applications.
 *
 * T1. Every run has an mQ ID, producers and consumers of its own; each is a process that knows nothing of the fault.
 * T2. Whatever it starts is gone after `close`.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { freePorts, type LocalBroker, type LocalCluster, startCluster } from '@mq/local'
import { declare } from '../declare.ts'
import { allInSync } from '../in-sync.ts'
import { App } from '../migration/apps.ts'
import { type ConsumerJob, nowUs, type ProducerJob } from '../migration/job.ts'
import { type Judged, judge } from '../migration/judge.ts'
import { ElectionWatch } from './election.ts'
import type { Play, Scenario } from './scenario.ts'

const PRODUCERS = ['p0', 'p1'] as const
const MEMBERS = ['m0', 'm1'] as const
const GROUP = 'live'
const WARM_MESSAGES = 500
const SETTLE_MS = 180_000
/** Longer than the deadline of a send: one that is stuck ends as a failed one. */
const FLOW_MS = 150_000
const POLL_MS = 50

export interface LoadOptions {
  readonly rate: number
  readonly keys: number
  readonly payloadBytes: number
}

export interface PlayedRun {
  readonly judged: Judged
  /** How long the cluster itself could take no records. */
  readonly clusterMs: number
}

export class FaultStage {
  readonly failed = Promise.withResolvers<never>()
  readonly #folder = mkdtempSync(join(tmpdir(), 'mq-faults-'))
  readonly #apps: App[] = []
  readonly #stopping = new AbortController()
  readonly #load: LoadOptions
  #kafka: LocalCluster | undefined
  #plane: App | undefined
  #planePort = 0

  constructor(load: LoadOptions) {
    this.#load = load
    this.failed.promise.catch(() => {})
  }

  get kafka(): LocalCluster {
    if (this.#kafka === undefined) throw new Error('the stage has not been started')
    return this.#kafka
  }

  async start(): Promise<void> {
    this.#kafka = await startCluster({
      name: 'main',
      brokers: 3,
      proxy: true,
      dataDir: join(this.#folder, 'kafka'),
      signal: this.#stopping.signal,
      onProgress: (text) => console.error(`  ${text}`),
    })
    this.#planePort = (await freePorts(1))[0]!
    await this.#startPlane()
  }

  /** Plays one scenario once, under load, and judges what the applications wrote down. */
  async play(scenario: Scenario, run: number): Promise<PlayedRun> {
    const mqId = `faults.s${scenario.number}.r${run}`
    const { rate, keys, payloadBytes } = this.#load
    await declare(this.#url, mqId, {})
    const history = (name: string): string => join(this.#folder, `${mqId}.${name}.history`)
    const common = { url: this.#url, mqId, cacheDir: this.#folder }
    const consumers = MEMBERS.map((member) => {
      const job: ConsumerJob = { ...common, history: history(member), group: GROUP, member, waitMs: 0, everyMs: 0 }
      return this.#run(member, 'consumer.ts', job)
    })
    await Promise.all(consumers.map((app) => app.started))
    const producers = PRODUCERS.map((name) => {
      const share = { messagesPerSecond: rate / PRODUCERS.length, keys, payloadBytes }
      const job: ProducerJob = { ...common, ...share, history: history(name), producers: [name] }
      return this.#run(name, 'producer.ts', job)
    })
    await Promise.all(producers.map((app) => app.started))
    const handled = (): number => sum(consumers.map(({ progress }) => progress.handled))
    await this.#until('messages flow', () => handled() >= WARM_MESSAGES)

    const play = this.#playOf(mqId, producers)
    const fromUs = nowUs()
    const clusterMs = await Promise.race([scenario.act(play), this.failed.promise])
    await play.flowing()
    await play.inSync()
    const toUs = nowUs()

    await Promise.all(producers.map((app) => app.stop()))
    const sent = sum(producers.map(({ progress }) => progress.sent))
    for (const endMs = performance.now() + SETTLE_MS; handled() < sent && performance.now() < endMs; ) {
      await Promise.race([pause(POLL_MS), this.failed.promise])
    }
    // What would come twice comes soon.
    await pause(1_000)
    await Promise.all(consumers.map((app) => app.stop()))
    const paths = [...PRODUCERS, ...MEMBERS].map(history)
    const windows = [{ fromUs, toUs }]
    return { judged: judge({ paths, groups: [GROUP], members: MEMBERS, windows, seals: [] }), clusterMs }
  }

  /** T2 */
  async close(): Promise<void> {
    this.#stopping.abort()
    for (const app of this.#apps) app.kill()
    // A frozen broker does not hear that it is to end.
    for (const broker of this.#kafka?.brokers ?? []) if (broker.pid !== undefined) broker.resume()
    await this.#kafka?.stop()
    rmSync(this.#folder, { recursive: true, force: true, maxRetries: 5 })
  }

  #playOf(mqId: string, producers: readonly App[]): Play {
    const { kafka } = this
    const topic = `${mqId}.e1`
    const observer = (target: LocalBroker): Promise<ElectionWatch> =>
      ElectionWatch.open(kafka, topic, kafka.brokers.find((broker) => broker !== target)!)
    return {
      kafka,
      topic,
      observer,
      leader: async () => {
        const watch = await observer(kafka.brokers[0]!)
        try {
          const [first] = await watch.leaders()
          return kafka.brokers.find(({ nodeId }) => nodeId === first)!
        } finally {
          await watch.close()
        }
      },
      flowing: async () => {
        const settled = (): number => sum(producers.map(({ progress }) => progress.acked + progress.failed))
        // Progress is told four times a second: what was sent meanwhile counts, too.
        await pause(2 * PROGRESS_MS)
        const sent = sum(producers.map(({ progress }) => progress.sent))
        await this.#until('sends are acknowledged again', () => settled() > sent)
      },
      inSync: () => allInSync(kafka),
      pause: async (ms) => {
        await Promise.race([pause(Math.max(0, ms)), this.failed.promise])
      },
      killPlane: () => this.#plane!.kill(),
      startPlane: () => this.#startPlane(),
    }
  }

  get #url(): string {
    return `http://127.0.0.1:${this.#planePort}`
  }

  async #startPlane(): Promise<void> {
    const clusters = [{ name: 'main', bootstrap: this.kafka.bootstrap, securityProtocol: 'plaintext' }]
    const job = { port: this.#planePort, dataDir: join(this.#folder, 'plane'), clusters, migrationTimes: {} }
    this.#plane = this.#run('the control plane', 'plane.ts', job)
    await this.#plane.started
  }

  #run(name: string, program: string, job: unknown): App {
    const app = new App(name, program, job, this.failed.reject)
    this.#apps.push(app)
    return app
  }

  async #until(what: string, isSo: () => boolean): Promise<void> {
    for (const endMs = performance.now() + FLOW_MS; !isSo(); ) {
      if (performance.now() > endMs) throw new Error(`waited ${FLOW_MS} ms in vain until ${what}`)
      await Promise.race([pause(POLL_MS), this.failed.promise])
    }
  }
}

const PROGRESS_MS = 250

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, each) => total + each, 0)
}
