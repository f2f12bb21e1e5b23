/**
 * `mq measure optimiser`: how long it takes to find the cheapest configuration of many mQ IDs over many clusters, on one core.
 *
 * O1. Every mQ ID is another workload (rate, size, groups, keys, peaks, own codec curves) and every cluster has its own prices,
 *     zones and calibrated constants, so that nothing can be computed once for all of them.
 * O2. The time is CPU of this process, on one core: the garbage collector gets no threads of its own. The wall clock stands beside it.
 * O3. `brief` is what a loop over everything uses; `full` adds the price of every requirement and all runners-up, on a sample.
 */
import { spawnSync } from 'node:child_process'
import { Intent } from '@mq/contract'
import {
  assumedCurve,
  type ClusterModel,
  calibrated,
  clusterModel,
  DEFAULT_CONSTANTS,
  defaultConfiguration,
  GRID,
  type OptimiseInput,
  optimise,
  priceBooks,
  type Workload,
} from '@mq/economics'
import { readFlags } from './flags.ts'
import { machineFacts } from './machine.ts'
import { seededRandom } from './payloads.ts'
import { publish } from './publish.ts'
import { OptimiserResult } from './results.ts'
import { round } from './statistics.ts'
import { optimiserTable } from './tables.ts'

const USAGE = `mq measure optimiser [--json] [--save] [--ids 10000] [--clusters 50] [--sample 200] [--seed 1] [--date YYYY-MM-DD]`

const flags = readFlags(USAGE, { ids: 10_000, clusters: 50, sample: 200 })
// O2. Helper threads that wait for each other on a busy machine would count as our CPU.
const ONE_CORE = '--single-threaded-gc'
if (!process.execArgv.includes(ONE_CORE)) {
  const again = spawnSync(process.execPath, [ONE_CORE, ...process.execArgv, ...process.argv.slice(1)], {
    stdio: 'inherit',
  })
  process.exit(again.status ?? 1)
}
const DAY_MS = 86_400_000

const random = seededRandom(flags.seed)
const between = (low: number, high: number): number => low * (high / low) ** random()
const pick = <T>(list: readonly T[]): T => list[Math.floor(random() * list.length)]!

const books = priceBooks().filter(({ kind }) => kind !== 'own-hardware')
const clusters: ClusterModel[] = Array.from({ length: flags.clusters }, (_, at) => {
  const produceRttMs = between(1, 8)
  return clusterModel({
    name: `cluster-${String(at).padStart(3, '0')}`,
    book: { ...books[at % books.length]! },
    zones: pick([1, 3, 3]),
    brokers: pick([3, 6, 12]),
    constants: calibrated(DEFAULT_CONSTANTS, { produceRttMs, produceRttP99Ms: produceRttMs * between(2, 6) }),
    followerFetch: random() < 0.3,
  })
})

function workload(): Workload {
  const recordBytes = Math.round(between(20, 20_000))
  const framedBytes = recordBytes + 10
  return {
    recordsPerSecond: between(1, 20_000),
    peakMultiple: pick([1, 1, 2.5, 5]),
    recordBytes,
    framedBytes,
    producers: Math.ceil(between(1, 16)),
    keyed: random() < 0.7,
    busiestPartitionShare: random() < 0.5 ? 0 : random(),
    dispersion: between(0.5, 10),
    groups: Array.from({ length: Math.floor(random() * 4) }, (_, at) => ({ group: `g${at}`, members: 1 + at })),
    curves: GRID.codecs.map(({ codec, codecLevel }) => ({
      ...assumedCurve(codec, codecLevel, framedBytes * between(0.7, 1.4)),
      source: 'measured' as const,
    })),
    retainedBytes: null,
    observedMs: DAY_MS,
    records: 1_000_000,
    source: 'measured',
  }
}

function input(): OptimiseInput {
  const days = pick([1, 3, 7, 30])
  return {
    workload: workload(),
    intent: Intent.parse({ latencyP99Ms: pick([50, 100, 250, 1_000, 5_000]), retention: `${days}d` }),
    current: defaultConfiguration({
      cluster: pick(clusters).name,
      partitions: pick([4, 8, 16, 64]),
      replication: 3,
      retentionMs: days * DAY_MS,
    }),
    clusters,
  }
}

/** Made as they are needed, a few at a time and outside of what is timed: a loop does not hold the curves of all either. */
const AT_ONCE = 200

function timed(ids: number, detail: 'brief' | 'full') {
  const counts = { change: 0, keep: 0, infeasible: 0, 'too-little': 0 }
  let configurations = 0
  let cpuSeconds = 0
  let seconds = 0
  for (let from = 0; from < ids; from += AT_ONCE) {
    const inputs = Array.from({ length: Math.min(AT_ONCE, ids - from) }, input)
    const wall = performance.now()
    const cpu = process.cpuUsage()
    for (const one of inputs) {
      const { outcome, evaluated } = optimise({ ...one, detail })
      counts[outcome.kind]++
      configurations += evaluated
    }
    const { user, system } = process.cpuUsage(cpu)
    cpuSeconds += (user + system) / 1e6
    seconds += (performance.now() - wall) / 1_000
  }
  return { cpuSeconds, seconds, counts, configurations }
}

timed(200, 'brief')
const brief = timed(flags.ids, 'brief')
const full = timed(flags.sample, 'full')
const result = OptimiserResult.parse({
  measure: 'optimiser',
  machine: machineFacts('none', flags.date),
  options: { ids: flags.ids, clusters: flags.clusters, seed: flags.seed },
  cpuSeconds: round(brief.cpuSeconds, 2),
  seconds: round(brief.seconds, 2),
  usPerId: round((brief.cpuSeconds / flags.ids) * 1e6, 1),
  fullUsPerId: round((full.cpuSeconds / flags.sample) * 1e6, 1),
  configurations: brief.configurations,
  outcomes: brief.counts,
})
publish(result, optimiserTable(result), flags)
