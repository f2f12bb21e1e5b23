/** Workload twins without a broker: made-up records (E1-E3), moments (M2), bounds (N1, N2), constants (K1-K3, B1, B4), drift (D1, D2), ranking (A1). */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  type CodecCurve,
  type Configuration,
  clusterModel,
  DEFAULT_CONSTANTS,
  defaultConfiguration,
  priceBook,
  seeded,
  type Workload,
} from '@mq/economics'
import { measureCodecs, probeBatchOf } from '@mq/kafka'
import fc from 'fast-check'
import { type CalibrationRun, calibrate } from '../src/twin/calibrate.ts'
import { agreeing, calmOf, disagreement, merged } from '../src/twin/calibrations.ts'
import { DRIFT_RULE, driftOf, markOf } from '../src/twin/drift.ts'
import { leastSquares } from '../src/twin/least-squares.ts'
import type { HeardFigures } from '../src/twin/listener.ts'
import { burstyMoments, poissonMoments } from '../src/twin/messages.ts'
import { median, quantile } from '../src/twin/quantile.ts'
import { rank } from '../src/twin/ranking.ts'
import { fitRecipe, makeValues, type RatioPoint } from '../src/twin/recipe.ts'
import type { SentFigures } from '../src/twin/replay.ts'
import { planOf, sweepTwins, TWIN_LIMITS } from '../src/twin/run-twin.ts'

const CANDIDATES = [
  { codec: 'zstd', codecLevel: 1 },
  { codec: 'lz4', codecLevel: null },
] as const

function ratiosOf(values: readonly Buffer[]): RatioPoint[] {
  const records = values.map((value, n) => ({ key: null, value, headers: undefined, timestampMs: n }))
  return measureCodecs([probeBatchOf(records)], () => 0, CANDIDATES, [1, 16, 256]).map((one) => ({
    codec: one.codec,
    codecLevel: one.codecLevel,
    depth: one.depth,
    ratio: one.uncompressedBytes / one.compressedBytes,
  }))
}

function jsonEvents(count: number): Buffer[] {
  const random = seeded(5)
  const of = (list: readonly string[]): string => list[Math.floor(random() * list.length)]!
  return Array.from({ length: count }, (_, n) =>
    Buffer.from(
      JSON.stringify({
        event: of(['viewed', 'added', 'removed', 'paid']),
        at: 1_770_000_000_000 + n * 13,
        user: `u-${Math.floor(random() * 9_000)}`,
        page: `/${of(['shoes', 'hats', 'coats'])}/${Math.floor(random() * 900)}`,
        token: Math.floor(random() * 2 ** 40).toString(36),
      }),
    ),
  )
}

test('made-up records compress like the JSON they stand for, at every depth and with both kinds of codec (E1, E3)', async () => {
  const events = jsonEvents(1_024)
  const lengths = events.map((one) => one.length).toSorted((a, b) => a - b)
  const points = ratiosOf(events)
  const bytes = (share: number): number => lengths[Math.min(lengths.length - 1, Math.floor(share * lengths.length))]!
  const { recipe, error } = await fitRecipe({ bytes, points }, 1)
  assert.ok(error !== null && error < 0.1, `off by ${error}`)
  const random = seeded(12)
  const made = ratiosOf(
    makeValues(
      recipe,
      lengths.map(() => bytes(random())),
      99,
    ),
  )
  for (const [n, point] of points.entries()) {
    const off = Math.abs(made[n]!.ratio / point.ratio - 1)
    assert.ok(off < 0.25, `${point.codec} at depth ${point.depth}: ${made[n]!.ratio} instead of ${point.ratio}`)
  }
})

test('made-up records that stand for random bytes do not compress either (E1)', async () => {
  const random = seeded(3)
  const noise = Array.from({ length: 256 }, () =>
    Buffer.from(Array.from({ length: 400 }, () => Math.floor(random() * 256))),
  )
  const { error } = await fitRecipe({ bytes: () => 400, points: ratiosOf(noise) }, 1)
  assert.ok(error !== null && error < 0.02, `off by ${error}`)
})

test('without any measured ratio nothing is claimed about the records (E3)', async () => {
  const { recipe, error } = await fitRecipe({ bytes: () => 100, points: [] }, 1)
  assert.equal(error, null)
  assert.equal(makeValues(recipe, [100], 1)[0]!.length, 100)
})

test('the same recipe and seed give the same bytes, another seed others, each of its length (E2)', () => {
  fc.assert(
    fc.property(
      fc.record({
        freshShare: fc.double({ min: 0, max: 0.5, noNaN: true }),
        wordShare: fc.double({ min: 0, max: 0.5, noNaN: true }),
        words: fc.integer({ min: 1, max: 100 }),
        bits: fc.double({ min: 1, max: 8, noNaN: true }),
      }),
      fc.array(fc.integer({ min: 1, max: 300 }), { minLength: 1, maxLength: 20 }),
      (recipe, lengths) => {
        const made = makeValues(recipe, lengths, 4)
        assert.deepEqual(
          made.map((value) => value.length),
          lengths,
        )
        assert.deepEqual(makeValues(recipe, lengths, 4), made)
      },
    ),
  )
})

test('moments rise, stay in their time and have the asked rate; bursts only fall into the part that is on (M2)', () => {
  const plain = poissonMoments(2_000, 10_000, seeded(1))
  assert.ok(Math.abs(plain.length - 20_000) < 600)
  const bursts = burstyMoments({ perSecond: 1_000, periodMs: 2_000, onShare: 0.25 }, 20_000, seeded(2))
  assert.ok(Math.abs(bursts.length - 20_000) < 600)
  for (const moments of [plain, bursts]) {
    for (let n = 1; n < moments.length; n++) assert.ok(moments[n]! >= moments[n - 1]!)
    assert.ok(moments.at(-1)! < 20_000)
  }
  for (const at of bursts) assert.ok(at % 2_000 <= 500)
})

test('a quantile is a value that was seen, and the median of an even number lies between its middles', () => {
  assert.equal(quantile([1, 2, 3, 4], 0.5), 2)
  assert.equal(quantile([], 0.99), 0)
  assert.equal(median([4, 1, 3, 2]), 2.5)
  assert.equal(median([]), 0)
})

test('costs of kinds of work are found again from sums of them, and are never negative', () => {
  fc.assert(
    fc.property(
      fc.tuple(fc.integer({ min: 0, max: 500 }), fc.integer({ min: 1, max: 500 }), fc.integer({ min: 0, max: 50 })),
      fc.integer({ min: 1, max: 1_000 }),
      (costs, seed) => {
        const random = seeded(seed)
        const rows = Array.from({ length: 12 }, () => {
          const x = [random() * 100, random() * 100 + 1, random() * 1_000]
          return { x, y: x.reduce((sum, value, n) => sum + value * costs[n]!, 0) }
        })
        const found = leastSquares(rows, 3)
        for (const [n, cost] of costs.entries()) {
          assert.ok(found[n]! >= 0)
          assert.ok(Math.abs(found[n]! - cost) <= 0.02 * cost + 1, `${found[n]} instead of ${cost}`)
        }
      },
    ),
    { numRuns: 30 },
  )
})

const messages = [{ key: null, value: Buffer.alloc(1_000) }]
const request = {
  messages,
  recordsPerSecond: 100,
  candidates: [1, 2] as never[],
  rounds: 2,
  warmMs: 1_000,
  windowMs: 5_000,
}

test('a twin within its bounds is cut nowhere, one beyond them is, and says so (N1)', () => {
  assert.deepEqual(planOf({ ...request, limits: TWIN_LIMITS }), { recordsPerSecond: 100, windowMs: 5_000, cut: [] })
  const fast = planOf({ ...request, recordsPerSecond: 1_000_000, limits: TWIN_LIMITS })
  assert.equal(fast.recordsPerSecond, 4_000)
  assert.match(fast.cut[0]!, /1000000 records a second, the twin 4000/)
  const long = planOf({ ...request, windowMs: 60_000, limits: { ...TWIN_LIMITS, totalMs: 40_000 } })
  assert.equal(long.windowMs, 9_000)
  assert.match(long.cut[0]!, /9000 ms instead of 60000 ms/)
  const heavy = planOf({ ...request, limits: { ...TWIN_LIMITS, totalBytes: 1_000_000 } })
  assert.ok(heavy.windowMs < 5_000)
})

test('a sweep deletes the topics of this store alone, and none that is in use (N2)', async () => {
  const names = ['mq.twin.aa.1.x', 'mq.twin.aa.2.y', 'mq.twin.bb.1.z', 'orders.placed.e1', 'mq.twin']
  const deleted: string[] = []
  const left = await sweepTwins(
    { topicNames: async () => names },
    {
      deleteTopic: async (name) => {
        deleted.push(name)
      },
    },
    'mq.twin.aa.',
    'mq.twin.aa.2.',
  )
  assert.deepEqual(left, ['mq.twin.aa.1.x'])
  assert.deepEqual(deleted, left)
})

function sentWith(parts: Partial<SentFigures>): SentFigures {
  return {
    windowMs: 10_000,
    records: 10_000,
    recordBytes: 1_000_000,
    uncompressedBytes: 1_150_000,
    wireBytes: 500_000,
    batches: 1_000,
    requests: 1_000,
    retries: 0,
    failures: 0,
    cpuUs: 0,
    compressUs: 20_000,
    encodeUs: 10_000,
    sendP50Ms: 2,
    sendP99Ms: 6,
    samples: 10_000,
    behindMs: 0,
    ...parts,
  }
}

function heardWith(parts: Partial<HeardFigures>): HeardFigures {
  return {
    windowMs: 10_000,
    records: 10_000,
    wireBytes: 500_000,
    fetchRequests: 1_000,
    endToEndP50Ms: 3,
    endToEndP99Ms: 8,
    samples: 10_000,
    ...parts,
  }
}

const runWith = (parts: Partial<CalibrationRun>): CalibrationRun => ({
  configuration: { codec: 'none', codecLevel: null, lingerMs: 0, batchBytes: 16_384, fetchMinBytes: 1 },
  framedBytes: 115,
  curve: null,
  sent: sentWith({}),
  heard: heardWith({}),
  senderCpuUs: null,
  readerCpuUs: null,
  brokerCpuUs: null,
  ...parts,
})

test('the way to the broker and back comes from batches that left at once, its spread from all that were not full (K1)', () => {
  const slow = { ...runWith({}).configuration, lingerMs: 100, batchBytes: 65_536 }
  const found = calibrate([runWith({})])
  assert.equal(found.produceRttMs, 2)
  assert.equal(found.produceRttP99Ms, 6)
  assert.equal(found.fetchRttMs, 1)
  assert.ok(found.fetchRttP99Ms! > 1 && found.fetchRttP99Ms! < 5)
  assert.equal(found.brokerCpu, undefined)
  // Ten records a batch: the linger explains 44 ms from the median to the p99, the way the rest.
  const lingered = runWith({ configuration: slow, sent: sentWith({ sendP50Ms: 60, sendP99Ms: 105 }) })
  const busy = runWith({ sent: sentWith({ sendP50Ms: 2, sendP99Ms: 180 }) })
  const together = calibrate([runWith({}), lingered, busy])
  assert.equal(together.produceRttMs, 2)
  assert.ok(together.produceRttP99Ms! > 7 && together.produceRttP99Ms! < 12, `${together.produceRttP99Ms}`)
  const full = runWith({
    configuration: { ...slow, batchBytes: 1_200 },
    sent: sentWith({ sendP50Ms: 60, sendP99Ms: 900 }),
  })
  assert.equal(calibrate([runWith({}), full]).produceRttP99Ms, 6)
  assert.deepEqual(calibrate([lingered]), {})
})

test('CPU that was measured becomes costs of records and requests, in the proportions of the defaults where runs cannot tell (K2)', () => {
  const base = DEFAULT_CONSTANTS
  const twice = (sent: SentFigures): number =>
    2 *
    (sent.records * (base.encodeUsPerRecord + base.encodeUsPerByte * 115) +
      sent.batches * base.batchUs +
      sent.requests * base.requestUs)
  const runs = [
    sentWith({}),
    sentWith({ batches: 200, requests: 150 }),
    sentWith({ batches: 5_000, requests: 4_000 }),
  ].map((sent) => runWith({ sent, senderCpuUs: twice(sent) }))
  const found = calibrate(runs)
  assert.ok(Math.abs(found.encodeUsPerRecord! / base.encodeUsPerRecord - 2) < 0.05)
  assert.ok(Math.abs(found.requestUs! / base.requestUs - 2) < 0.05)
  assert.ok(Math.abs(found.requestUs! / found.batchUs! - base.requestUs / base.batchUs) < 1e-9)
})

test('of rounds each constant counts with its median, of calibrations the way of a calm moment (B1)', () => {
  const all = [{ produceRttMs: 3, batchUs: 9 }, { produceRttMs: 90, fetchRttMs: 1, batchUs: 10 }, { produceRttMs: 4 }]
  assert.deepEqual(merged(all), { produceRttMs: 4, fetchRttMs: 1, batchUs: 9.5 })
  assert.deepEqual(calmOf(all), { produceRttMs: 3, fetchRttMs: 1, batchUs: 9.5 })
  const crossed = calmOf([{ produceRttMs: 6, produceRttP99Ms: 7 }, { produceRttP99Ms: 5 }])
  assert.equal(crossed.produceRttP99Ms, 6, 'no p99 below the median')
})

test('rounds that are more than three times apart calibrate nothing, and the reason is said (B4)', () => {
  const round = (produceRttP99Ms: number, fetchRttP99Ms = 8) => ({ produceRttMs: 2, produceRttP99Ms, fetchRttP99Ms })
  assert.equal(disagreement([round(13), round(38)]), null)
  assert.match(disagreement([round(13), round(46)])!, /p99\) took 13\.0 ms in one round and 46\.0 ms in another/)
  assert.match(disagreement([round(13, 90), round(46)])!, /way to readers \(p99\) took 8\.0 ms/, 'the worst of them')
  assert.equal(disagreement([round(0.5), round(4)]), null, 'timers differ by as much')
  assert.equal(disagreement([round(13)]), null)
  assert.equal(disagreement([]), null)
  assert.deepEqual(agreeing([round(147), round(13), round(20)]), [round(13), round(20)])
  assert.deepEqual(agreeing([]), [])
})

const curve: CodecCurve = {
  codec: 'zstd',
  codecLevel: 1,
  source: 'measured',
  points: [
    { depth: 1, uncompressedBytes: 115, compressedBytes: 110, compressUs: 8, decompressUs: 4 },
    { depth: 64, uncompressedBytes: 7_360, compressedBytes: 1_840, compressUs: 30, decompressUs: 10 },
  ],
}
const workload: Workload = {
  recordsPerSecond: 1_000,
  peakMultiple: 1,
  recordBytes: 100,
  framedBytes: 115,
  producers: 2,
  keyed: true,
  busiestPartitionShare: 0.25,
  dispersion: 1,
  groups: [{ group: 'one', members: 1 }],
  curves: [curve],
  retainedBytes: null,
  observedMs: 3_600_000,
  records: 100_000,
  source: 'measured',
}

test('a workload that changed a little is the same one, and one that changed in what decides is another (D1, D2)', () => {
  const before = markOf(workload)
  assert.equal(before.ratio, 4)
  assert.equal(driftOf(before, { ...workload, recordsPerSecond: 1_500, recordBytes: 115, producers: 3 }), null)
  assert.match(driftOf(before, { ...workload, recordsPerSecond: 2_100 })!, /from 1000 to 2100 records/)
  assert.match(driftOf(before, { ...workload, recordBytes: 60 })!, /from 100 to 60\.0 bytes/)
  assert.match(driftOf(before, { ...workload, keyed: false })!, /lost their keys/)
  assert.match(driftOf(before, { ...workload, producers: 4 })!, /2 processes sent, now 4/)
  const plain = {
    ...curve,
    points: curve.points.map((point) => ({ ...point, compressedBytes: point.uncompressedBytes / 2 })),
  }
  assert.match(driftOf(before, { ...workload, curves: [plain] })!, /from 4\.00 to 2\.00 times/)
})

test('a workload seen too briefly has not drifted (D1)', () => {
  const other = { ...workload, recordsPerSecond: 50_000 }
  assert.equal(driftOf(markOf(workload), { ...other, records: DRIFT_RULE.leastRecords - 1 }), null)
  assert.equal(driftOf(markOf(workload), { ...other, observedMs: DRIFT_RULE.leastObservedMs - 1 }), null)
})

test('what misses the intent stands behind everything that meets it, however cheap it is (A1)', () => {
  const cluster = clusterModel({ name: 'here', book: priceBook('aws-us-east-1') })
  const current = defaultConfiguration({ cluster: 'here', partitions: 4, replication: 3, retentionMs: 86_400_000 })
  const other: Configuration = { ...current, codec: 'zstd', codecLevel: 1 }
  const late: Configuration = { ...other, lingerMs: 500 }
  const ranking = rank({
    workload,
    intent: { latencyP99Ms: 100 },
    cluster,
    current,
    measured: [
      { configuration: late, sent: sentWith({ wireBytes: 200_000 }), heard: heardWith({ endToEndP99Ms: 510 }) },
      { configuration: current, sent: sentWith({ wireBytes: 1_150_000 }), heard: heardWith({}) },
      { configuration: other, sent: sentWith({ wireBytes: 400_000 }), heard: heardWith({}) },
    ],
  })
  assert.deepEqual(
    ranking.map((one) => [one.rank, one.settings.codec, one.settings.lingerMs, one.isCurrent, one.meetsIntent]),
    [
      [1, 'zstd', 5, false, true],
      [2, 'none', 5, true, true],
      [3, 'zstd', 500, false, false],
    ],
  )
  assert.ok(ranking[0]!.recordsPerUsd! > ranking[1]!.recordsPerUsd!)
  assert.ok(Math.abs(ranking[0]!.measured.wireBytesPerRecord! - 40) < 1e-9)
})
