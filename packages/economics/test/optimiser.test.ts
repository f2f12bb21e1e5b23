/** P1-P5, and that looking cleverly finds what looking at everything finds. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { MqError } from '@mq/contract'
import fc from 'fast-check'
import {
  type Candidate,
  type ClusterModel,
  type Configuration,
  calibrated,
  candidateOf,
  clusterModel,
  DEFAULT_CONSTANTS,
  defaultConfiguration,
  GRID,
  type Grid,
  LATENCY_MARGIN,
  optimise,
  priceBook,
  type Workload,
} from '../src/index.ts'
import { configurations, homeCluster, intentOf, workloads } from './arbitrary.ts'
import { traffic } from './traffic.ts'

const GRID_SMALL: Grid = {
  codecs: GRID.codecs.filter((_, at) => at % 2 === 0),
  lingerMs: [0, 5, 50],
  batchBytes: [16_384, 262_144],
  fetches: [GRID.fetches[0]!, GRID.fetches[2]!],
}

/** Every configuration of the grid on every cluster, one after the other. */
function everything(
  workload: Workload,
  current: Configuration,
  clusters: readonly ClusterModel[],
  grid: Grid,
  limitMs: number,
): Candidate[] {
  const all: Candidate[] = []
  for (const cluster of clusters) {
    if (cluster.brokers < current.replication) continue
    for (const codec of grid.codecs) {
      for (const lingerMs of grid.lingerMs) {
        for (const batchBytes of grid.batchBytes) {
          for (const fetch of grid.fetches) {
            const configuration = { ...current, cluster: cluster.name, ...codec, lingerMs, batchBytes, ...fetch }
            all.push(candidateOf(workload, configuration, cluster))
          }
        }
      }
    }
  }
  return all.filter(({ peakEndToEndP99Ms, prediction, configuration }) => {
    const cores =
      (workload.recordsPerSecond * workload.peakMultiple * prediction.producerCpuUsPerRecord) / workload.producers / 1e6
    return (
      peakEndToEndP99Ms <= limitMs && prediction.bufferBytes < 32 * 1_048_576 && cores < 0.5 && configuration !== null
    )
  })
}

test('the search finds what looking at every configuration finds: in brief to 5 % and 1 USD, in full to a tenth of a percent (H1)', {
  timeout: 300_000,
}, () => {
  const other = clusterModel({ name: 'other', book: priceBook('aws-msk-us-east-1'), zones: 3 })
  const near = clusterModel({
    name: 'near',
    book: priceBook('aws-us-east-1'),
    zones: 1,
    constants: calibrated(DEFAULT_CONSTANTS, { produceRttMs: 1, produceRttP99Ms: 3 }),
  })
  fc.assert(
    fc.property(
      workloads,
      configurations,
      fc.constantFrom(20, 100, 500, 5_000),
      fc.boolean(),
      (workload, current, latency, isBrief) => {
        const clusters = [homeCluster(), other, near]
        const optimum = optimise({
          workload,
          intent: intentOf(latency, current),
          current,
          clusters,
          grid: GRID_SMALL,
          detail: isBrief ? 'brief' : 'full',
        })
        const best = everything(workload, current, clusters, GRID_SMALL, latency * (1 - LATENCY_MARGIN)).toSorted(
          (a, b) => a.cost.usdPerMonth - b.cost.usdPerMonth,
        )[0]
        if (best === undefined) return
        assert.notEqual(optimum.outcome.kind, 'infeasible')
        assert.ok(
          optimum.best.cost.usdPerMonth <= best.cost.usdPerMonth * (isBrief ? 1.051 : 1.001) + (isBrief ? 1.01 : 0),
          `${optimum.best.cost.usdPerMonth} on ${optimum.best.configuration.cluster}, ${best.cost.usdPerMonth} on ${best.configuration.cluster}`,
        )
      },
    ),
    { numRuns: 120 },
  )
})

test('an answer keeps the copies, the retention and the latency that are asked for (P1)', { timeout: 300_000 }, () => {
  fc.assert(
    fc.property(workloads, configurations, fc.constantFrom(20, 250, 2_000), (workload, current, latency) => {
      const clusters = [
        homeCluster(),
        clusterModel({ name: 'one', book: priceBook('aws-us-east-1'), brokers: 1, zones: 1 }),
      ]
      const { outcome, best } = optimise({ workload, intent: intentOf(latency, current), current, clusters })
      if (outcome.kind === 'infeasible') return
      assert.ok(best.configuration.replication >= current.replication)
      assert.equal(best.configuration.retentionMs, current.retentionMs)
      if (outcome.kind === 'change') assert.ok(best.peakEndToEndP99Ms <= latency * (1 - LATENCY_MARGIN) + 1e-6)
      if (current.replication > 1) assert.equal(best.configuration.cluster, 'home')
    }),
    { numRuns: 80 },
  )
})

test('no requirement has a price below zero, and relaxing the latency never costs more', { timeout: 300_000 }, () => {
  fc.assert(
    fc.property(workloads, configurations, fc.constantFrom(30, 250), (workload, current, latency) => {
      const clusters = [homeCluster()]
      const strict = optimise({ workload, intent: intentOf(latency, current), current, clusters })
      const loose = optimise({ workload, intent: intentOf(latency * 2, current), current, clusters })
      if (strict.outcome.kind === 'infeasible') return
      for (const { usdPerMonth } of strict.priceOf) assert.ok(usdPerMonth >= 0)
      assert.ok(loose.best.cost.usdPerMonth <= strict.best.cost.usdPerMonth * 1.0011)
    }),
    { numRuns: 60 },
  )
})

const start = defaultConfiguration({ cluster: 'home', partitions: 4, replication: 3, retentionMs: 7 * 86_400_000 })

test('JSON events on default settings are told what saves more than half', () => {
  const optimum = optimise({
    workload: traffic,
    intent: intentOf(250, start),
    current: start,
    clusters: [homeCluster()],
  })
  assert.equal(optimum.outcome.kind, 'change')
  assert.ok(optimum.best.cost.usdPerMonth < 0.5 * optimum.current.cost.usdPerMonth)
  assert.equal(optimum.best.configuration.codec, 'zstd')
  assert.ok(optimum.runnersUp.length > 0)
  assert.ok(optimum.rejected.some(({ constraint, count }) => constraint === 'latency' && count > 0))
  assert.deepEqual(optimum.priceOf.map(({ constraint }) => constraint).toSorted(), [
    'durability',
    'latency',
    'ordering',
    'retention',
  ])
  assert.ok(optimum.priceOf.find(({ constraint }) => constraint === 'retention')!.usdPerMonth > 10)
})

test('what was decided is kept afterwards: the best of the best is itself (P4)', () => {
  const input = { workload: traffic, intent: intentOf(250, start), clusters: [homeCluster()] }
  const first = optimise({ ...input, current: start })
  const again = optimise({ ...input, current: first.best.configuration })
  assert.equal(again.outcome.kind, 'keep')
  assert.deepEqual(again.best.configuration, first.best.configuration)
})

test('a saving below the threshold changes nothing (P4)', () => {
  const optimum = optimise({
    workload: traffic,
    intent: intentOf(250, start),
    current: start,
    clusters: [homeCluster()],
    hysteresis: { minSavingShare: 0, minSavingUsdPerMonth: 1e9 },
  })
  assert.equal(optimum.outcome.kind, 'keep')
})

test('a configuration that misses the latency is changed even when that costs more (P4)', () => {
  const slow: Configuration = { ...start, codec: 'zstd', codecLevel: 6, lingerMs: 500, batchBytes: 1_048_576 }
  const { outcome, best } = optimise({
    workload: traffic,
    intent: intentOf(50, start),
    current: slow,
    clusters: [homeCluster()],
  })
  assert.equal(outcome.kind, 'change')
  assert.ok(best.peakEndToEndP99Ms <= 45)
  assert.ok(outcome.kind === 'change' && outcome.savingUsdPerMonth < 0)
})

test('an intent nothing can meet gets the nearest answer, what fails, and by how much (P2)', () => {
  const far = homeCluster({ constants: calibrated(DEFAULT_CONSTANTS, { produceRttMs: 30, produceRttP99Ms: 80 }) })
  const { outcome, best } = optimise({
    workload: traffic,
    intent: intentOf(20, start),
    current: start,
    clusters: [far],
  })
  assert.ok(outcome.kind === 'infeasible' && outcome.constraint === 'latency')
  assert.equal(best.configuration.lingerMs, 0)
  assert.ok(Math.abs(outcome.by - (best.peakEndToEndP99Ms - 18)) < 1e-6)
  assert.match(outcome.why, /fastest configuration has a p99 of \d/)
})

test('a budget that is too small is said, with what is missing (P2)', () => {
  const intent = { ...intentOf(250, start), budgetUsdPerMonth: 1 }
  const { outcome } = optimise({ workload: traffic, intent, current: start, clusters: [homeCluster()] })
  assert.ok(outcome.kind === 'infeasible' && outcome.constraint === 'budget' && outcome.by > 10)
})

test('one partition that has to carry too much is named (P2)', () => {
  const current = { ...start, partitions: 1 }
  const workload = { ...traffic, recordsPerSecond: 5_000_000, producers: 1 }
  const { outcome } = optimise({ workload, intent: intentOf(2_000, start), current, clusters: [homeCluster()] })
  assert.ok(outcome.kind === 'infeasible')
  assert.ok(['partition-rate', 'producer-cpu', 'producer-memory'].includes(outcome.constraint))
})

test('too little traffic, too short a look and an idle mQ ID are waited for (P3)', () => {
  const answer = (workload: Workload): string =>
    optimise({ workload, intent: intentOf(250, start), current: start, clusters: [homeCluster()] }).outcome.kind
  assert.equal(answer({ ...traffic, observedMs: 5_000 }), 'too-little')
  assert.equal(answer({ ...traffic, records: 12 }), 'too-little')
  assert.equal(answer({ ...traffic, recordsPerSecond: 0 }), 'too-little')
  assert.equal(answer({ ...traffic, observedMs: 0, records: 0, source: 'assumed' }), 'change')
})

test('the order of clusters changes nothing (P5)', () => {
  const clusters = ['a', 'b', 'home', 'z'].map((name, at) =>
    homeCluster({ name, book: priceBook(at % 2 === 0 ? 'aws-us-east-1' : 'aws-msk-us-east-1') }),
  )
  const input = { workload: traffic, intent: intentOf(250, start), current: start }
  assert.deepEqual(
    optimise({ ...input, clusters }).best.configuration,
    optimise({ ...input, clusters: clusters.toReversed() }).best.configuration,
  )
})

test('a cheaper cluster without room is left alone, and the reason is counted', () => {
  const cheap = homeCluster({
    name: 'cheap',
    zones: 1,
    room: { inBytesPerSecond: 1_000, outBytesPerSecond: null, diskBytes: null, replicas: null },
  })
  const input = { workload: traffic, intent: intentOf(250, start), current: start }
  const { best, rejected } = optimise({ ...input, clusters: [homeCluster(), cheap] })
  assert.equal(best.configuration.cluster, 'home')
  assert.ok(rejected.some(({ constraint }) => constraint === 'headroom'))
  const roomy = { ...cheap, room: { ...cheap.room, inBytesPerSecond: null } }
  assert.equal(optimise({ ...input, clusters: [homeCluster(), roomy] }).best.configuration.cluster, 'cheap')
})

test('a workload, a grid and a cluster that cannot be are refused with a code', () => {
  const input = { workload: traffic, intent: intentOf(250, start), current: start, clusters: [homeCluster()] }
  const code = (run: () => unknown): string => {
    try {
      run()
    } catch (error) {
      return error instanceof MqError ? error.code : String(error)
    }
    return 'none'
  }
  assert.equal(
    code(() => optimise({ ...input, workload: { ...traffic, recordsPerSecond: -1 } })),
    'MQ_WORKLOAD_INVALID',
  )
  assert.equal(
    code(() => optimise({ ...input, workload: { ...traffic, dispersion: Number.NaN } })),
    'MQ_WORKLOAD_INVALID',
  )
  assert.equal(
    code(() => optimise({ ...input, grid: { ...GRID, lingerMs: [] } })),
    'MQ_WORKLOAD_INVALID',
  )
  assert.equal(
    code(() => optimise({ ...input, clusters: [] })),
    'MQ_CLUSTER_UNKNOWN',
  )
})

test('the time until a send is acknowledged is held, has a price, and is refused where nothing meets it (P1, P2)', () => {
  const workload = { ...traffic, recordsPerSecond: 200 }
  const cluster = homeCluster()
  const current = {
    ...defaultConfiguration({ cluster: cluster.name, partitions: 6, replication: 3, retentionMs: 604_800_000 }),
    lingerMs: 100,
  }
  const solve = (acknowledgedWithinMs?: number) =>
    optimise({
      workload,
      intent: { ...intentOf(5_000, current), ...(acknowledgedWithinMs === undefined ? {} : { acknowledgedWithinMs }) },
      current,
      clusters: [cluster],
    })
  const free = solve()
  const bound = solve(40)
  assert.ok(free.best.prediction.sendP99Ms > 40, 'it would wait for longer')
  assert.ok(bound.best.prediction.sendP99Ms <= 40 * 0.8)
  assert.ok(bound.best.cost.usdPerMonth >= free.best.cost.usdPerMonth)
  assert.ok(bound.rejected.some(({ constraint, reason }) => constraint === 'acknowledgement' && /32 ms/.test(reason)))
  assert.ok(bound.priceOf.some(({ constraint }) => constraint === 'acknowledgement'))
  assert.equal(bound.outcome.kind, 'change')
  assert.match(bound.outcome.why, /acknowledged with a p99 of .* over the 40 ms/)
  const none = solve(2).outcome
  assert.deepEqual([none.kind, none.kind === 'infeasible' && none.constraint], ['infeasible', 'acknowledgement'])
})
