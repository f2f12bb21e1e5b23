/**
 * What a scan makes of an observation: bills that add up, and savings that are not counted twice (scan.ts R1-R3, savings.ts V1-V3).
 */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { ClusterEconomics } from '@mq/contract'
import fc from 'fast-check'
import { checkEconomics, clusterModelOf } from '../src/observe/cluster-model.ts'
import type { ClusterObservation, ObservedTopic } from '../src/observe/observation.ts'
import { rateOf } from '../src/observe/rates.ts'
import { type ScanReport, scanReport } from '../src/observe/scan.ts'
import { topicConfigsOf } from '../src/observe/topic-configs.ts'
import { batches, DAY_MS, MB, NOW_MS, observation, topic } from './observed.ts'

const scan = (seen: ClusterObservation, economics: ClusterEconomics | null = null): ScanReport =>
  scanReport(seen, clusterModelOf({ address: { name: 'main' }, economics }, seen))

const near = (a: number, b: number, message: string): void =>
  assert.ok(Math.abs(a - b) <= 1e-6 * Math.max(1, Math.abs(a), Math.abs(b)), `${message}: ${a} and ${b}`)

const anyTopic = fc
  .record({
    partitions: fc.integer({ min: 1, max: 200 }),
    replication: fc.integer({ min: 1, max: 5 }),
    recordsPerSecond: fc.oneof(fc.constant(0), fc.double({ min: 0.001, max: 1e6, noNaN: true })),
    leaderBytes: fc.double({ min: 0, max: 1e13, noNaN: true }),
    retentionMs: fc.constantFrom('-1', '3600000', String(3 * DAY_MS), String(90 * DAY_MS)),
    policy: fc.constantFrom('delete', 'compact', 'compact,delete'),
    tiered: fc.boolean(),
    newestDays: fc.integer({ min: 0, max: 100 }),
    quiet: fc.integer({ min: 0, max: 3 }),
    sampled: fc.boolean(),
  })
  .map(
    (any): ObservedTopic =>
      topic({
        partitions: any.partitions,
        replication: any.replication,
        leaderBytes: any.leaderBytes,
        rate: { recordsPerSecond: any.recordsPerSecond, basis: 'last-24h', overMs: DAY_MS },
        quietPartitions: Math.min(any.quiet, any.partitions),
        batches: any.sampled ? batches({ newestMs: NOW_MS - any.newestDays * DAY_MS }) : null,
        configs: topicConfigsOf(
          new Map([
            ['retention.ms', any.retentionMs],
            ['cleanup.policy', any.policy],
            ['remote.storage.enable', String(any.tiered)],
          ]),
        ),
      }),
  )

describe('a scan report', () => {
  it('adds up, by topics and by meters, whatever the topics are (R1)', () => {
    fc.assert(
      fc.property(
        fc.array(anyTopic, { maxLength: 8 }),
        fc.constantFrom('aws-us-east-1', 'aws-msk-us-east-1', 'aws-msk-serverless-us-east-1'),
        fc.boolean(),
        (topics, priceBook, read) => {
          const named = topics.map((one, index) => ({ ...one, name: `t${index}` }))
          const report = scan(observation(named, read ? {} : { groups: [] }), { priceBook, zones: 3 })
          const { totals } = report
          const topicSum = report.topics.reduce((sum, { usdPerMonth }) => sum + (usdPerMonth ?? 0), 0)
          near(topicSum, totals.topicsUsdPerMonth, 'topics')
          near(
            totals.meters.reduce((sum, { usdPerMonth }) => sum + usdPerMonth, 0),
            totals.usdPerMonth,
            'meters',
          )
          near(totals.topicsUsdPerMonth + totals.unallocatedUsdPerMonth, totals.usdPerMonth, 'topics and the rest')
          for (const one of report.topics) {
            near(
              Object.values(one.meters).reduce((sum, usd) => sum + usd, 0),
              one.usdPerMonth ?? 0,
              `meters of ${one.topic}`,
            )
          }
        },
      ),
    )
  })

  it('counts no saving twice: the list adds up to what all save together, and never to more than the topics cost (R2, V1)', () => {
    fc.assert(
      fc.property(fc.array(anyTopic, { maxLength: 8 }), fc.boolean(), (topics, read) => {
        const named = topics.map((one, index) => ({ ...one, name: `t${index}` }))
        const report = scan(observation(named, read ? {} : { groups: [] }))
        const { together, savings, totals } = report
        near(
          savings.reduce((sum, { usdPerMonth }) => sum + usdPerMonth, 0),
          together.usdPerMonth,
          'savings',
        )
        const { high, medium, low } = together.byConfidence
        near(high + medium + low, together.usdPerMonth, 'by confidence')
        assert.ok(together.usdPerMonth <= totals.topicsUsdPerMonth * (1 + 1e-9))
        for (const { usdPerMonth } of savings) assert.ok(usdPerMonth >= 0.01)
        assert.deepEqual(
          savings.map(({ usdPerMonth }) => usdPerMonth),
          savings.map(({ usdPerMonth }) => usdPerMonth).toSorted((a, b) => b - a),
        )
      }),
    )
  })

  it('measures a codec on the own records of the topic, and proposes none where none was tried (V2)', () => {
    const tried = scan(observation([topic()]))
    const codec = tried.savings.find(({ kind }) => kind === 'codec' || kind === 'codec-and-batches')!
    assert.match(codec.change, /zstd/)
    assert.match(codec.assumption, /400 of its own records/)
    const untried = scan(observation([topic({ batches: batches({ tried: [] }) })]))
    assert.ok(!untried.savings.some(({ kind }) => kind.startsWith('codec')))
    const done = batches({ codecs: { zstd: 1 }, wireBytes: 100 * 61 + 400 * 100 })
    assert.ok(!scan(observation([topic({ batches: done })])).savings.some(({ kind }) => kind === 'codec'))
  })

  it('says for a higher batch depth by how much records come later, and promises no more than the rate allows (V2)', () => {
    const fast = scan(observation([topic({ rate: { recordsPerSecond: 50_000, basis: 'last-24h', overMs: DAY_MS } })]))
    const deeper = fast.savings.find(({ kind }) => kind === 'codec-and-batches')!
    assert.match(deeper.change, /linger\.ms=50/)
    assert.match(deeper.assumption, /50 ms later/)
    const slow = scan(observation([topic({ rate: { recordsPerSecond: 1, basis: 'last-24h', overMs: DAY_MS } })]))
    assert.ok(!slow.savings.some(({ kind }) => kind === 'codec-and-batches' || kind === 'batches'))
  })

  it('never proposes fewer than three copies, and says what the third one costs (V3)', () => {
    const three = scan(observation([topic({ replication: 3 })]))
    assert.ok(!three.savings.some(({ kind }) => kind === 'replication'))
    assert.ok(three.remarks.some((remark) => /third copy .* not proposed/.test(remark)))
    const five = scan(observation([topic({ replication: 5 })]))
    const fewer = five.savings.find(({ kind }) => kind === 'replication')!
    assert.match(fewer.change, /^3 copies instead of 5/)
  })

  it('names idle topics with their age, keeps read ones, and leaves the topics of Kafka itself alone', () => {
    const idle = topic({
      name: 'old',
      rate: { recordsPerSecond: 0, basis: 'last-24h', overMs: DAY_MS },
      batches: batches({ newestMs: NOW_MS - 40 * DAY_MS }),
    })
    const alone = scan(observation([idle], { groups: [] }))
    assert.deepEqual(
      alone.savings.map(({ kind, confidence }) => [kind, confidence]),
      [['idle-topic', 'high']],
    )
    near(alone.savings[0]!.usdPerMonth, alone.totals.topicsUsdPerMonth, 'all of it')
    assert.deepEqual(
      scan(observation([idle]))
        .savings.map(({ kind }) => kind)
        .filter((kind) => kind === 'idle-topic'),
      [],
    )
    assert.deepEqual(scan(observation([{ ...idle, name: '__offsets', internal: true }], { groups: [] })).savings, [])
  })

  it('prices a topic it may not look into not at all, and says so, instead of for nothing (T1)', () => {
    const hidden = topic({ name: 'hidden', leaderBytes: null, batches: null })
    const report = scan(observation([topic(), hidden]))
    const row = report.topics.find((one) => one.topic === 'hidden')!
    assert.equal(row.usdPerMonth, null)
    assert.match(row.notes[0]!, /not priced/)
    assert.equal(report.totals.unpricedTopics, 1)
  })

  it('prices a log that is not full yet as it will be (T2)', () => {
    const young = topic({ leaderBytes: 1_000 * MB, retainedRecords: 2_000_000, endOffset: 2_000_000 })
    const full = topic({ leaderBytes: 1_000 * MB, retainedRecords: 2_000_000, endOffset: 900_000_000 })
    const storage = (one: ObservedTopic): number => scan(observation([one])).topics[0]!.meters['broker-storage']!
    assert.ok(storage(young) > 100 * storage(full))
  })

  it('shows brokers that no topic explains as the rest, and every assumption (R1, R3)', () => {
    const seen = observation([topic()])
    const report = scan(seen, { priceBook: 'aws-us-east-1', zones: 3, instanceType: 'm7g.4xlarge' })
    near(
      report.totals.meters.find(({ meter }) => meter === 'broker-compute')!.usdPerMonth,
      3 * 0.6528 * 730,
      'all brokers are on the bill',
    )
    assert.ok(report.totals.unallocatedUsdPerMonth > 0)
    const assumed = scan(seen)
    assert.ok(assumed.assumptions.some((text) => /price book aws-us-east-1 is assumed/.test(text)))
    assert.ok(assumed.assumptions.some((text) => /3 zones are assumed/.test(text)))
    assert.equal(assumed.priceBook.version, '2026-11-22')
  })

  it('is empty for an empty cluster', () => {
    const report = scan(observation([]))
    assert.deepEqual([report.totals.usdPerMonth, report.topics, report.savings], [0, [], []])
    assert.equal(report.together.shareOfTopics, 0)
  })
})

describe('prices of a cluster', () => {
  it('are refused when the book, a meter or the instance is unknown, and when one is below zero', () => {
    const refused = (economics: ClusterEconomics, code: string) =>
      assert.throws(() => checkEconomics(economics), { code })
    refused({ priceBook: 'aws-moon-1', zones: 3 }, 'MQ_PRICE_BOOK_UNKNOWN')
    refused({ priceBook: 'aws-us-east-1', zones: 3, overrides: { 'no-such-meter': 1 } }, 'MQ_PRICE_INVALID')
    refused({ priceBook: 'aws-us-east-1', zones: 3, overrides: { 'broker-storage': -1 } }, 'MQ_PRICE_INVALID')
    refused({ priceBook: 'aws-us-east-1', zones: 3, instanceType: 'm99.huge' }, 'MQ_PRICE_MISSING')
    checkEconomics({
      priceBook: 'aws-us-east-1',
      zones: 3,
      instanceType: 'm7g.large',
      overrides: { 'broker-storage': 0 },
    })
  })
})

describe('the rate of a topic', () => {
  const log = (partition: number, earliest: number, latest: number) => ({ partition, earliest, latest, bytes: 1 })

  it('is that of the last day when the log reaches back that far', () => {
    const rate = rateOf([log(0, 0, 100_000)], new Map([[0, { offset: 13_600, timestampMs: NOW_MS - DAY_MS }]]), NOW_MS)
    assert.deepEqual(rate, { recordsPerSecond: 1, basis: 'last-24h', overMs: DAY_MS })
  })

  it('is that since the first record when the log is younger', () => {
    const rate = rateOf([log(0, 0, 3_600)], new Map([[0, { offset: 0, timestampMs: NOW_MS - 3_600_000 }]]), NOW_MS)
    assert.deepEqual(rate, { recordsPerSecond: 1, basis: 'since-first-record', overMs: 3_600_000 })
  })

  it('is unknown within the first minute, and when timestamps come from the future', () => {
    assert.equal(rateOf([log(0, 0, 50)], new Map([[0, { offset: 0, timestampMs: NOW_MS - 5_000 }]]), NOW_MS), null)
    assert.equal(rateOf([log(0, 0, 50)], new Map([[0, { offset: 0, timestampMs: NOW_MS + DAY_MS }]]), NOW_MS), null)
  })

  it('is zero for a log in which nothing came for a day', () => {
    assert.equal(rateOf([log(0, 10, 500)], new Map(), NOW_MS)?.recordsPerSecond, 0)
  })
})
