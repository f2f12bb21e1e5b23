/** Properties of the byte, latency and CPU models: what more of something may never do. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { expectedMin } from '../src/batching.ts'
import {
  assumedCurve,
  batchingOf,
  bill,
  type CodecCurve,
  clusterModel,
  costOf,
  curveOf,
  FittedCurve,
  GRID,
  measuredCost,
  predict,
  priceBooks,
  type Quantities,
  SATURATED_MS,
  saving,
} from '../src/index.ts'
import { ratesOf, usdPerMonth } from '../src/rates.ts'
import { seeded } from '../src/seeded.ts'
import { configurations, homeCluster, workloads } from './arbitrary.ts'
import { traffic } from './traffic.ts'

const cluster = homeCluster()
/** Rounding, and the normal stand-in for large Poisson means. */
const SLACK = 1.002

test('more linger or more room never make fewer records a batch, nor more bytes a record (F1c)', () => {
  fc.assert(
    fc.property(workloads, configurations, fc.nat(8), fc.nat(2), (workload, configuration, linger, room) => {
      const less = predict(workload, configuration, cluster)
      const longer = { ...configuration, lingerMs: Math.max(configuration.lingerMs, GRID.lingerMs[linger + 1]!) }
      const wider = { ...configuration, batchBytes: Math.max(configuration.batchBytes, GRID.batchBytes[room + 1]!) }
      for (const more of [predict(workload, longer, cluster), predict(workload, wider, cluster)]) {
        assert.ok(
          more.recordsPerBatch * SLACK >= less.recordsPerBatch,
          `${less.recordsPerBatch} to ${more.recordsPerBatch}`,
        )
        assert.ok(more.wireBytesPerRecord <= less.wireBytesPerRecord * SLACK)
      }
    }),
    { numRuns: 500 },
  )
})

test('predictions are numbers, latencies rise from p50 to p99, and a saturated one says so (R4)', () => {
  fc.assert(
    fc.property(workloads, configurations, (workload, configuration) => {
      const prediction = predict(workload, configuration, cluster)
      for (const [name, value] of Object.entries(prediction)) {
        if (typeof value === 'number') assert.ok(Number.isFinite(value) && value >= 0, `${name} is ${value}`)
      }
      assert.ok(prediction.sendP50Ms <= prediction.sendP99Ms + 1e-9)
      assert.ok(prediction.sendP99Ms <= prediction.endToEndP99Ms + 1e-9)
      assert.ok(prediction.recordsPerBatch >= 1 - 1e-9)
      if (prediction.saturated) assert.equal(prediction.endToEndP99Ms, SATURATED_MS)
      assert.ok(prediction.wireBytesPerRecord <= workload.framedBytes + 61 + 1e-6)
    }),
    { numRuns: 500 },
  )
})

test('a rate of nothing costs nothing but what lies there, and divides by nothing', () => {
  const idle = { ...traffic, recordsPerSecond: 0 }
  fc.assert(
    fc.property(configurations, (configuration) => {
      const prediction = predict(idle, configuration, cluster)
      const cost = costOf(idle, configuration, cluster, prediction)
      assert.equal(cost.usdPerMonth, 0)
      assert.equal(cost.usdPerMillionRecords, null)
    }),
  )
})

test('a cost is the sum of its lines, and twice the traffic of a shape costs twice as much (C1, C2)', () => {
  const amounts = fc.double({ min: 0, max: 1e9, noNaN: true })
  const quantities: fc.Arbitrary<Quantities> = fc.record({
    recordsPerSecond: amounts,
    wireBytesPerSecond: amounts,
    logicalBytesPerSecond: amounts,
    brokerCpuUsPerSecond: amounts,
    producerCpuUsPerSecond: amounts,
    consumerCpuUsPerSecond: amounts,
    localBytes: amounts,
    localLogicalBytes: amounts,
    remoteBytes: amounts,
    remoteLogicalBytes: amounts,
  })
  const shapes = fc.record({
    groups: fc.nat(5),
    partitions: fc.integer({ min: 1, max: 64 }),
    replication: fc.integer({ min: 1, max: 3 }),
    followerFetch: fc.boolean(),
    tiered: fc.constant(false),
    peakMultiple: fc.double({ min: 1, max: 10, noNaN: true }),
  })
  const books = fc.constantFrom(...priceBooks().filter(({ kind }) => kind !== 'own-hardware'))
  fc.assert(
    fc.property(quantities, shapes, books, (one, shape, book) => {
      const priced = clusterModel({ name: 'x', book })
      const cost = bill(one, shape, priced)
      const sum = cost.lines.reduce((total, line) => total + line.usdPerMonth, 0)
      assert.ok(Math.abs(sum - cost.usdPerMonth) <= 1e-9 * Math.max(1, sum))
      const rates = ratesOf(shape, priced)
      const byRates = usdPerMonth(rates, one)
      assert.ok(
        Math.abs(byRates - cost.usdPerMonth) <= 1e-6 * Math.max(1, cost.usdPerMonth),
        `${byRates}, ${cost.usdPerMonth}`,
      )
      const twice = Object.fromEntries(
        Object.entries(one).map(([name, value]) => [name, value * 2]),
      ) as unknown as Quantities
      const fixed = rates.fixed
      assert.ok(
        Math.abs(bill(twice, shape, priced).usdPerMonth - fixed - 2 * (cost.usdPerMonth - fixed)) <=
          1e-6 * Math.max(1, cost.usdPerMonth),
      )
    }),
    { numRuns: 300 },
  )
})

test('a better ratio is cheaper on every meter of the wire, and saves nothing on those of logical bytes (F10)', () => {
  const start = {
    cluster: 'home',
    partitions: 4,
    replication: 3,
    retentionMs: 86_400_000,
    localRetentionMs: null,
  } as const
  const settings = { lingerMs: 20, batchBytes: 65_536, fetchMinBytes: 1, fetchMaxWaitMs: 500, followerFetch: false }
  const worse = { ...start, ...settings, codec: 'snappy', codecLevel: null } as const
  const betterOne = { ...start, ...settings, codec: 'zstd', codecLevel: 1 } as const
  const cost = (configuration: typeof worse | typeof betterOne) =>
    costOf(traffic, configuration, cluster, predict(traffic, configuration, cluster))
  const saved = saving(cost(worse), cost(betterOne), 'assumed')
  assert.ok(saved.usdPerMonth > 0)
  for (const { basis, beforeUsdPerMonth, afterUsdPerMonth } of saved.byMeter) {
    if (basis === 'wire') assert.ok(afterUsdPerMonth < beforeUsdPerMonth)
  }
  assert.ok(saved.range.fromUsdPerMonth < saved.usdPerMonth && saved.usdPerMonth < saved.range.toUsdPerMonth)
  const none = saving(cost(worse), cost(worse))
  assert.equal(none.usdPerMonth, 0)
  assert.equal(saving(cost(betterOne), cost(worse)).usdPerMonth, -saved.usdPerMonth)
})

test('a curve goes through its measured points and never falls with depth (C1, C2)', () => {
  const depths = [1, 10, 50, 100, 500, 1_000]
  const measured = [1.33, 2.9, 3.8, 4.04, 4.42, 4.48]
  const curve: CodecCurve = {
    codec: 'zstd',
    codecLevel: 1,
    source: 'measured',
    points: depths.map((depth, at) => ({
      depth,
      uncompressedBytes: depth * 862,
      compressedBytes: (depth * 862) / measured[at]!,
      compressUs: 10 + (depth * 862) / 700,
      decompressUs: null,
    })),
  }
  const fitted = new FittedCurve(curve, 862)
  for (const [at, depth] of depths.entries()) assert.ok(Math.abs(fitted.ratio(depth) - measured[at]!) < 1e-9)
  fc.assert(
    fc.property(
      fc.double({ min: 1, max: 5_000, noNaN: true }),
      fc.double({ min: 0, max: 500, noNaN: true }),
      (depth, more) => {
        assert.ok(fitted.ratio(depth + more) >= fitted.ratio(depth) - 1e-9)
        assert.ok(fitted.ratio(depth) < 5)
      },
    ),
  )
  // Half of the points say what lies between to 8 %: F2's shape holds.
  const half = new FittedCurve({ ...curve, points: curve.points.filter((_, at) => at % 2 === 0) }, 862)
  for (const [at, depth] of depths.entries())
    assert.ok(Math.abs(half.ratio(depth) / measured[at]! - 1) < 0.08, `${depth}`)
})

test('zstd that was measured to do worse beyond 16 KiB does so from there on; others, and noise, are levelled (C2)', () => {
  // 20-byte counters, 28 bytes framed: 7.13 bytes a record in batches of up to 16 KiB, 8.57 in larger ones.
  const ratios: readonly (readonly [number, number])[] = [
    [64, 3.2],
    [256, 3.7],
    [1_024, 3.27],
  ]
  const curveOf = (codec: 'zstd' | 'gzip', points: readonly (readonly [number, number])[]): FittedCurve =>
    new FittedCurve(
      {
        codec,
        codecLevel: 1,
        source: 'measured',
        points: points.map(([depth, ratio]) => ({
          depth,
          uncompressedBytes: depth * 28,
          compressedBytes: (depth * 28) / ratio,
          compressUs: 10 + depth,
          decompressUs: null,
        })),
      },
      28,
    )
  const near = (got: number, wanted: number): void => assert.ok(Math.abs(got - wanted) < 1e-9, `${got}, ${wanted}`)
  const zstd = curveOf('zstd', ratios)
  near(zstd.ratio(585), 3.7)
  near(zstd.ratio(586), 3.27)
  near(zstd.ratio(1_024), 3.27)
  near(zstd.ratio(9_000), 3.27)
  assert.ok(zstd.ratio(128) > 3.2 && zstd.ratio(128) < 3.7)
  assert.ok(curveOf('zstd', [...ratios, [4_096, 3.4]]).ratio(2_000) > 3.27)
  near(curveOf('gzip', ratios).ratio(1_024), 3.7)
  near(curveOf('zstd', [...ratios.slice(0, 2), [1_024, 3.65]]).ratio(1_024), 3.7)
})

test('assumed ratios are near the measured ones of the reference', () => {
  const reference: readonly (readonly ['gzip' | 'snappy' | 'lz4' | 'zstd', number | null, number, number, number])[] = [
    ['gzip', 6, 862, 10, 2.91],
    ['gzip', 6, 862, 100, 3.93],
    ['snappy', null, 862, 100, 2.44],
    ['lz4', null, 862, 100, 2.53],
    ['zstd', 1, 862, 10, 2.9],
    ['zstd', 1, 862, 100, 4.04],
    ['zstd', 3, 862, 100, 4.02],
    ['zstd', 1, 111, 1, 0.96],
    ['lz4', null, 111, 1, 0.93],
    ['zstd', 1, 111, 100, 4.24],
  ]
  for (const [codec, level, bytes, depth, ratio] of reference) {
    const got = new FittedCurve(assumedCurve(codec, level, bytes), bytes).ratio(depth)
    assert.ok(Math.abs(got / ratio - 1) < 0.12, `${codec} ${level ?? ''} at ${depth}: ${got}, ${ratio}`)
  }
})

test('damaged measurements are left out, one point bends the assumed shape, none gives it', () => {
  const point = { depth: 10, uncompressedBytes: 5_000, compressedBytes: 1_000, compressUs: 20, decompressUs: null }
  const broken = [
    { ...point, depth: 0 },
    { ...point, compressedBytes: 0 },
    { ...point, uncompressedBytes: Number.NaN },
  ]
  const curve = (points: CodecCurve['points']): CodecCurve => ({
    codec: 'zstd',
    codecLevel: 1,
    source: 'measured',
    points,
  })
  assert.ok(Math.abs(new FittedCurve(curve([...broken, point]), 500).ratio(10) - 5) < 0.15)
  const assumed = new FittedCurve(assumedCurve('zstd', 1, 500), 500)
  assert.equal(new FittedCurve(curve(broken), 500).ratio(50), assumed.ratio(50))
  const twice = curve([
    point,
    { ...point, compressedBytes: 1_250 },
    { ...point, depth: 100, uncompressedBytes: 50_000, compressedBytes: 9_000 },
  ])
  assert.ok(Math.abs(new FittedCurve(twice, 500).ratio(10) - 5_000 / 1_125) < 1e-9)
})

test('a codec that was not measured yet does on these records as the nearest one that was (C4)', () => {
  // What codecs made of the real flights of the examples, 127 bytes a record.
  const real = {
    'zstd 1': [1, 2.18, 3.85, 5.11, 5.3],
    'zstd 6': [1, 2.2, 3.9, 5.37, 5.49],
    'gzip 6': [1, 2.16, 3.73, 4.83, 5.24],
    'lz4 null': [1, 1.88, 2.82, 3.33, 3.47],
    'snappy null': [1, 1.73, 2.61, 3.19, 3.43],
  }
  const depths = [1, 4, 16, 64, 256]
  const curve = (name: keyof typeof real): CodecCurve => {
    const [codec, level] = name.split(' ') as [CodecCurve['codec'], string]
    const points = depths.map((depth, n) => ({
      depth,
      uncompressedBytes: 127 * depth,
      compressedBytes: (127 * depth) / real[name][n]!,
      compressUs: 20,
      decompressUs: 5,
    }))
    return { codec, codecLevel: level === 'null' ? null : Number(level), source: 'measured', points }
  }
  const names = Object.keys(real) as (keyof typeof real)[]
  const errors: number[] = []
  for (const name of names) {
    const { codec, codecLevel } = curve(name)
    for (const others of [names.filter((one) => one !== name), names.filter((one) => one !== name).slice(0, 1)]) {
      const got = curveOf({ curves: others.map(curve), framedBytes: 127 }, { codec, codecLevel })
      assert.equal(got.curve.source, 'assumed', 'and says so (C3)')
      for (const [n, depth] of depths.entries()) errors.push(Math.abs(got.ratio(depth) / real[name][n]! - 1))
    }
  }
  const sorted = errors.toSorted((a, b) => a - b)
  assert.ok(sorted[sorted.length >> 1]! < 0.05, `median ${sorted[sorted.length >> 1]}`)
  assert.ok(sorted.at(-1)! < 0.15, `worst ${sorted.at(-1)}`)
  assert.equal(
    curveOf({ curves: names.map(curve), framedBytes: 127 }, { codec: 'none', codecLevel: null }).ratio(64),
    1,
  )
})

test('E[min(N, 1 + Poisson)] is what a simulation counts', () => {
  const random = seeded(7)
  for (const [max, m] of [
    [4, 2],
    [60, 55],
    [100, 80],
    [10_000, 30],
  ] as const) {
    let sum = 0
    const runs = 20_000
    for (let run = 0; run < runs; run++) {
      let count = 1
      for (let left = m + Math.log(random() || 1e-12); left > 0 && count < max; left += Math.log(random() || 1e-12))
        count++
      sum += count
    }
    const counted = sum / runs
    assert.ok(
      Math.abs(expectedMin(max, 1 + m, m) / counted - 1) < 0.01,
      `${max}, ${m}: ${expectedMin(max, 1 + m, m)}, ${counted}`,
    )
  }
})

test('a measurement of what the model predicts costs what the model says (C3)', () => {
  fc.assert(
    fc.property(workloads, configurations, (workload, configuration) => {
      const read = { ...workload, peakMultiple: 1, groups: workload.groups.filter(({ members }) => members > 0) }
      const prediction = predict(read, configuration, cluster)
      const predicted = costOf(read, configuration, cluster, prediction)
      const seconds = 100
      const records = read.recordsPerSecond * seconds
      const cost = measuredCost(
        {
          windowMs: seconds * 1_000,
          records,
          wireBytes: prediction.wireBytesPerRecord * records,
          uncompressedBytes: prediction.logicalBytesPerRecord * records,
          produceRequests: prediction.produceRequestsPerSecond * seconds,
          fetchRequests: prediction.fetchRequestsPerSecond * seconds,
          producerCpuUs: prediction.producerCpuUsPerRecord * records,
          consumerCpuUs: prediction.consumerCpuUsPerRecord * records,
          groups: read.groups.length,
        },
        configuration,
        cluster,
      )
      assert.ok(Math.abs(cost.usdPerMonth / predicted.usdPerMonth - 1) < 1e-6)
    }),
    { numRuns: 200 },
  )
})

test('a latency that only holds while batches fill is not promised: a slower hour counts (F1d)', () => {
  const stream = { recordsPerMs: 1, dispersion: 1, lingerMs: 500, maxRecords: 100, flightMs: 0, slots: 1 }
  const { full, waitP99Ms, waitMeanMs } = batchingOf(stream)
  assert.equal(full, true)
  assert.ok(Math.abs(waitMeanMs - 49.5) < 0.5)
  assert.ok(waitP99Ms > 99 / 0.8 && waitP99Ms < 150, `${waitP99Ms}`)
  assert.equal(batchingOf({ ...stream, lingerMs: 110 }).waitP99Ms, 110)
})
