/**
 * Runs configurations on a real broker and measures them: bytes on the wire, requests, CPU of sender and broker, latencies.
 *
 * S1. Each configuration has a topic and a sending process of its own; each way of fetching has a reader of its own on it.
 * S2. Configurations share the machine only as long as their requests, messages and bytes together stay far below what it
 *     carries; those that do not are measured alone.
 * S3. A run whose messages were not all stored is an error, never a figure.
 * S4. Nothing it made is left on the broker.
 */
import { setTimeout } from 'node:timers/promises'
import type { ConsumerSettings, ProducerSettings } from '@mq/contract'
import { Admin, Cluster, systemDeps } from '@mq/kafka'
import { type HeardFigures, Listener } from '../../packages/control-plane/src/twin/listener.ts'
import type { SentFigures } from '../../packages/control-plane/src/twin/replay.ts'
import { cpuShares, type Wave, workCosts } from './cpu-shares.ts'
import type { Crew } from './crew.ts'
import { processCpuUs } from './process-cpu.ts'
import type { BenchWorkload, WorkloadSource } from './workloads.ts'

export interface Trial<P extends ProducerSettings = ProducerSettings> {
  readonly producer: P
  /** Read side by side, each by a reader of its own. */
  readonly consumers: readonly ConsumerSettings[]
}

export interface TrialFigures {
  readonly sent: SentFigures
  /** In the order of the trial's consumers. */
  readonly heard: readonly HeardFigures[]
  /** Which wave it ran in, and its place there. */
  readonly wave: number
  readonly place: number
}

/** CPU of what a trial shared with others. */
export interface SharedCpu {
  readonly brokerProduceUs: number
  /** In the order of the trial's consumers. */
  readonly brokerFetchUs: readonly number[]
  readonly readerUs: readonly number[]
}

/** Of the broker: produce requests, fetch requests, KiB. Of the reader: records, fetch requests, KiB. */
const KINDS = 3
const KIB = 1_024

export interface Windows {
  readonly warmMs: number
  readonly windowMs: number
}

export interface SweepOptions {
  readonly workload: BenchWorkload
  readonly source: WorkloadSource
  readonly trials: readonly Trial[]
  readonly windows: Windows
  /** Of the moments: the same for all trials of one call, so that they see the same traffic. */
  readonly seed: number
  /** One after the other even where they would fit side by side. */
  readonly alone?: boolean
  onWave?(done: number, of: number): void
}

/** What the machine carries side by side without anybody waiting (S2). */
const MOST_TOGETHER = 24
const MOST_REQUESTS = 800
const MOST_MESSAGES = 10_000
const MOST_BYTES = 5e6
const START_MS = 250
const GRACE_MS = 300

export class Sweeper {
  readonly cluster: Cluster
  readonly admin: Admin
  readonly #bootstrap: readonly string[]
  readonly #brokerPid: number | undefined
  readonly #crew: Crew
  readonly #brokerWaves: Wave[] = []
  readonly #readerWaves: Wave[] = []
  #costs: { waves: number; broker: readonly number[]; reader: readonly number[] } | undefined
  #idleUsPerMs = 0
  #topics = 0

  constructor(bootstrap: readonly string[], brokerPid: number | undefined, crew: Crew) {
    this.#bootstrap = bootstrap
    this.#brokerPid = brokerPid
    this.#crew = crew
    this.cluster = new Cluster({ name: 'bench', clientId: 'mq-bench', bootstrap })
    this.admin = new Admin(this.cluster)
  }

  /** What the broker uses when nobody wants anything of it; taken off every wave. */
  async measureIdle(forMs: number): Promise<void> {
    const before = processCpuUs(this.#brokerPid) ?? 0
    await sleep(forMs)
    this.#idleUsPerMs = ((processCpuUs(this.#brokerPid) ?? 0) - before) / forMs
  }

  /** Drops what was learnt about CPU so far: it was warming up. */
  forget(): void {
    this.#brokerWaves.length = 0
    this.#readerWaves.length = 0
  }

  async run(options: SweepOptions): Promise<TrialFigures[]> {
    const { trials, workload } = options
    const bytes = workload.messages.reduce((sum, one) => sum + one.value.length + 70, 0) / workload.messages.length
    const figures: TrialFigures[] = []
    const waves = options.alone === true ? trials.map((_, n) => [n]) : plan(trials, workload, bytes)
    let done = 0
    for (const wave of waves) {
      const results = await this.#wave(
        options,
        wave.map((n) => trials[n]!),
      )
      for (const [at, n] of wave.entries()) figures[n] = results[at]!
      done += wave.length
      options.onWave?.(done, trials.length)
    }
    return figures
  }

  /** What the broker and the reader spent on a trial; better the more was measured before asking. */
  cpuOf(figures: TrialFigures): SharedCpu {
    const broker = cpuShares(this.#brokerWaves[figures.wave]!, this.costs().broker)
    const reader = cpuShares(this.#readerWaves[figures.wave]!, this.costs().reader)
    const count = figures.heard.length
    const first = figures.place * (count + 1)
    return {
      brokerProduceUs: broker[first]!,
      brokerFetchUs: broker.slice(first + 1, first + 1 + count),
      readerUs: reader.slice(figures.place * count, (figures.place + 1) * count),
    }
  }

  /** Microseconds of broker and reader for each kind of work. */
  costs(): { readonly broker: readonly number[]; readonly reader: readonly number[] } {
    const waves = this.#brokerWaves.length
    if (this.#costs?.waves !== waves) {
      this.#costs = {
        waves,
        broker: workCosts(this.#brokerWaves, KINDS),
        reader: workCosts(this.#readerWaves, KINDS),
      }
    }
    return this.#costs
  }

  /** CPU of the replay without a producer, for each millisecond. */
  async dryCpuUsPerMs(source: WorkloadSource, windowMs: number): Promise<number> {
    const job = { workload: source, bootstrap: [], target: null, startAtMs: Date.now(), warmMs: 300, windowMs, seed: 1 }
    const figures = await this.#crew.run(job)
    return figures.cpuUs / figures.windowMs
  }

  async close(): Promise<void> {
    await this.cluster.close()
  }

  async #wave(options: SweepOptions, trials: readonly Trial[]): Promise<TrialFigures[]> {
    const { workload, source, windows, seed } = options
    const { warmMs, windowMs } = windows
    const { partitions } = workload
    const topics = trials.map(() => `mq.twin.bench-${process.pid}-${++this.#topics}`)
    await this.#crew.muster(trials.length)
    await this.#crew.prepare(source)
    await Promise.all(topics.map((name) => this.admin.createTopic({ name, partitions, replication: 1 })))
    const listeners: Listener[][] = []
    try {
      const startAtMs = Date.now() + START_MS
      const fromMs = startAtMs + warmMs
      const untilMs = fromMs + windowMs
      for (const [n, { consumers }] of trials.entries()) {
        const offsets = Array.from({ length: partitions }, () => 0n)
        const common = { cluster: this.cluster, topic: topics[n]!, offsets, deps: systemDeps, fromMs, untilMs }
        listeners.push(consumers.map((settings) => new Listener({ ...common, settings })))
      }
      const sending = Promise.all(
        trials.map(({ producer }, n) =>
          this.#crew.run({
            workload: source,
            bootstrap: this.#bootstrap,
            target: { topic: topics[n]!, partitions, settings: producer },
            startAtMs,
            warmMs,
            windowMs,
            seed,
          }),
        ),
      )
      // A failure is awaited below; until then it must not end the process.
      sending.catch(() => {})
      await sleep(fromMs - Date.now())
      const cpuBefore = processCpuUs(this.#brokerPid)
      const ownBefore = ownCpuUs()
      await sleep(untilMs - Date.now())
      const cpuAfter = processCpuUs(this.#brokerPid)
      const ownUs = ownCpuUs() - ownBefore
      const sent = await sending
      const longestMs = Math.max(...trials.map((one) => one.producer.lingerMs + longestWaitMs(one.consumers)))
      await sleep(untilMs + longestMs + GRACE_MS - Date.now())
      const heard = await Promise.all(listeners.map((list) => Promise.all(list.map((one) => one.close()))))
      const usedUs = cpuBefore === null || cpuAfter === null ? 0 : cpuAfter - cpuBefore
      this.#brokerWaves.push({
        cpuUs: Math.max(0, usedUs - this.#idleUsPerMs * windowMs),
        items: sent.flatMap((one, n) => [
          [one.requests, 0, one.wireBytes / KIB],
          ...heard[n]!.map((each) => [0, each.fetchRequests, each.wireBytes / KIB]),
        ]),
      })
      this.#readerWaves.push({
        cpuUs: ownUs,
        items: heard.flat().map((each) => [each.records, each.fetchRequests, each.wireBytes / KIB]),
      })
      const wave = this.#brokerWaves.length - 1
      return sent.map((one, place) => ({ sent: one, heard: heard[place]!, wave, place }))
    } catch (error) {
      await Promise.allSettled(listeners.flat().map((one) => one.close()))
      throw error
    } finally {
      await Promise.allSettled(topics.map((name) => this.admin.deleteTopic(name)))
    }
  }
}

async function sleep(ms: number): Promise<void> {
  if (ms > 0) await setTimeout(ms)
}

function ownCpuUs(): number {
  const { user, system } = process.cpuUsage()
  return user + system
}

function longestWaitMs(consumers: readonly ConsumerSettings[]): number {
  return Math.max(...consumers.map((one) => (one.fetchMinBytes > 1 ? one.fetchMaxWaitMs : 0)))
}

/** Which trials run side by side, by their places in the list (S2). */
export function plan(trials: readonly Trial[], workload: BenchWorkload, bytesPerMessage: number): number[][] {
  const waves: { members: number[]; requests: number }[] = []
  const together = Math.max(
    1,
    Math.min(
      MOST_TOGETHER,
      Math.floor(MOST_MESSAGES / workload.burstPerSecond),
      Math.floor(MOST_BYTES / (workload.burstPerSecond * bytesPerMessage)),
    ),
  )
  for (const [n, { producer }] of trials.entries()) {
    const perPartition = 1_000 / Math.max(1, producer.lingerMs)
    const requests = Math.min(workload.burstPerSecond, workload.partitions * perPartition)
    const room = waves.find((one) => one.members.length < together && one.requests + requests <= MOST_REQUESTS)
    if (room === undefined) waves.push({ members: [n], requests })
    else {
      room.members.push(n)
      room.requests += requests
    }
  }
  return waves.map(({ members }) => members)
}
