/**
 * What a scan makes of an observation: bills that add up, and savings that are not counted twice (scan.ts R1-R3, savings.ts V1-V3).
 */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { ClusterEconomics } from '@mq/contract'
import fc from 'fast-check'
import { checkEconomics, clusterModelOf } from '../src/observe/cluster-model.ts'
import type { ClusterObservation, ObservedTopic } from '../src/observe/observation.ts'
import { type RateEvidence, rateOf, timesOf } from '../src/observe/rates.ts'
import { type ScanReport, scanReport } from '../src/observe/scan.ts'
import { topicConfigsOf } from '../src/observe/topic-configs.ts'
import { batches, DAY_MS, MB, NOW_MS, observation, rate, topic } from './observed.ts'

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
        rate: rate(any.recordsPerSecond),
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
        for (const [at, { topic, after }] of savings.entries()) {
          for (const later of savings.slice(at + 1)) {
            assert.ok(!after.includes(later.kind) || (topic !== null && later.topic !== topic), 'stands after it')
          }
        }
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
    const fast = scan(observation([topic({ rate: rate(50_000) })]))
    const deeper = fast.savings.find(({ kind }) => kind === 'codec-and-batches')!
    assert.match(deeper.change, /linger\.ms=50/)
    assert.match(deeper.assumption, /50 ms later/)
    const slow = scan(observation([topic({ rate: rate(1) })]))
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
      rate: rate(0),
      times: 'append',
      watched: { offsets: 0, bytes: 0, overMs: 10_000 },
      batches: batches({ newestMs: NOW_MS - 40 * DAY_MS }),
    })
    const alone = scan(observation([idle], { groups: [] }))
    assert.deepEqual(
      alone.savings.map(({ kind, confidence }) => [kind, confidence]),
      [['idle-topic', 'medium']],
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
    const young = topic({ leaderBytes: 1_000 * MB, retainedRecords: 2_000_000, startOffset: 0, endOffset: 2_000_000 })
    const full = topic({
      leaderBytes: 1_000 * MB,
      retainedRecords: 2_000_000,
      startOffset: 898_000_000,
      endOffset: 900_000_000,
    })
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
  const log = (earliest: number, latest: number) => [{ partition: 0, earliest, latest, bytes: 1 }]
  const from = (offset: number, ageMs: number) => new Map([[0, { offset, timestampMs: NOW_MS - ageMs }]])
  const grew = (offsets: number, overMs = 10_000) => ({ offsets, bytes: offsets * 100, overMs })
  const of = (more: Partial<RateEvidence>) =>
    rateOf({
      logs: log(0, 100_000),
      day: new Map(),
      watched: null,
      times: 'unknown',
      compacted: false,
      nowMs: NOW_MS,
      ...more,
    })

  it('is that of the last day where the times are proven to be those of arrival, and then no range', () => {
    const found = of({ day: from(13_600, DAY_MS), watched: grew(10), times: 'arrival' })!
    assert.deepEqual([found.recordsPerSecond, found.from, found.to, found.confidence], [1, 1, 1, 'high'])
  })

  it('is what was watched where times say something else, and a range that holds it (Q2)', () => {
    const old = of({ day: new Map(), watched: grew(500), times: 'astray' })!
    assert.deepEqual([old.recordsPerSecond, old.basis, old.confidence], [50, 'watched', 'low'])
    assert.ok(old.from < 50 && old.to > 50)
    const future = of({ day: from(0, 1), watched: grew(500), times: 'astray' })!
    assert.equal(future.recordsPerSecond, 50)
  })

  it('of a topic younger than a day is a range, the wider the younger, and a burst that is over none at all (Q3)', () => {
    const young = of({ logs: log(0, 3_600), day: from(0, 3_600_000), watched: grew(10), times: 'arrival' })!
    assert.deepEqual([young.recordsPerSecond, young.basis, young.confidence], [1, 'since-first-record', 'medium'])
    assert.ok(young.from <= 0.5 && young.to >= 2)
    const younger = of({ logs: log(0, 600), day: from(0, 600_000), watched: grew(10), times: 'arrival' })!
    assert.ok(younger.to / younger.from > young.to / young.from)
    assert.equal(younger.confidence, 'low')
    const burst = of({ logs: log(0, 1e6), day: from(0, 120_000), watched: grew(0) })!
    assert.deepEqual([burst.recordsPerSecond, burst.from, burst.confidence], [0, 0, 'low'])
    assert.ok(burst.to >= 1e6 / 120)
  })

  it('is never nothing where nothing tells: a quiet watch leaves room for a slow writer, and no watch leaves all open', () => {
    const quiet = of({ watched: grew(0) })!
    assert.equal(quiet.recordsPerSecond, 0)
    assert.ok(quiet.to >= 0.2, 'a record every five seconds is easily missed in ten')
    assert.equal(of({}), null)
    assert.equal(of({ day: null }), null)
    assert.equal(of({ logs: log(0, 0), watched: grew(0) })!.basis, 'never')
  })

  it('believes times that brokers write, watched or not', () => {
    assert.equal(of({ day: from(13_600, DAY_MS), times: 'append' })!.confidence, 'high')
    assert.deepEqual(of({ watched: grew(0), times: 'append' })!.to, 0)
  })

  it('counts what compaction took away by watching, not by what is left', () => {
    const left = of({ day: from(99_990, 60_000), watched: grew(1_000), times: 'arrival', compacted: true })!
    assert.deepEqual([left.recordsPerSecond, left.basis], [100, 'watched'])
  })

  it('tells times of arrival from others by the records that came while it was watched (Q1)', () => {
    const ends = new Map([[0, 10_000]])
    const at = (offset: number) => new Map([[0, { offset, timestampMs: NOW_MS }]])
    assert.equal(timesOf(false, grew(100), at(9_300), ends), 'arrival')
    assert.equal(timesOf(false, grew(100), new Map(), ends), 'astray', 'old times: none of them is recent')
    assert.equal(timesOf(false, grew(100), at(0), ends), 'astray', 'times of the future: all of them are')
    assert.equal(timesOf(false, grew(0), at(10_000), ends), 'unknown')
    assert.equal(timesOf(true, null, null, ends), 'append')
  })
})

describe('what a scan does not propose', () => {
  const kinds = (one: ObservedTopic, more: Partial<ClusterObservation> = {}) =>
    scan(observation([one], more)).savings.map(({ kind, confidence }) => `${kind} ${confidence}`)
  const quiet = { offsets: 0, bytes: 0, overMs: 10_000 }

  it('no deletion on the times of records: a quiet topic with old times is only named (V4)', () => {
    const old = topic({
      rate: rate(0, { to: 0.3, confidence: 'medium', basis: 'watched' }),
      watched: quiet,
      times: 'unknown',
      batches: batches({ newestMs: NOW_MS - 400 * DAY_MS }),
    })
    const report = scan(observation([old], { groups: [] }))
    assert.deepEqual(report.savings, [])
    assert.ok(report.remarks.some((text) => /may be idle: orders\..*producers write as they like/.test(text)))
    const growing = { ...old, rate: rate(50, { confidence: 'low', from: 10, to: 200 }), times: 'astray' as const }
    assert.ok(
      !kinds({ ...growing, watched: { ...quiet, offsets: 500 } }, { groups: [] }).some((one) => /idle/.test(one)),
    )
  })

  it('names topics that never held a record, and proposes to ask', () => {
    const report = scan(
      observation([
        topic({
          name: 'unused',
          endOffset: 0,
          startOffset: 0,
          watched: quiet,
          rate: rate(0, { basis: 'never' }),
          leaderBytes: 0,
        }),
      ]),
    )
    assert.ok(report.remarks.some((text) => /1 topic never held a record: unused/.test(text)))
  })

  it('no shorter retention below where a group stands, and none on a rate that is a guess (V4)', () => {
    const days = (lagRecords: number, members: number) => [
      {
        group: 'late',
        state: 'Stable',
        members,
        assignor: null,
        topics: [{ topic: 'orders', lagRecords, lostRecords: 0, moving: false }],
      },
      {
        group: 'now',
        state: 'Stable',
        members: 1,
        assignor: null,
        topics: [{ topic: 'orders', lagRecords: 0, lostRecords: 0, moving: true }],
      },
    ]
    const has = (found: string[]) => found.some((one) => one.startsWith('retention'))
    assert.ok(has(kinds(topic(), { groups: days(0, 1) })))
    assert.ok(!has(kinds(topic(), { groups: days(4 * 86_400 * 1_000, 1) })), 'four days behind, three proposed')
    assert.ok(!has(kinds(topic(), { groups: days(4 * 86_400 * 1_000, 0) })), 'a group that is away comes back')
    assert.ok(
      !has(kinds(topic({ rate: rate(1_000, { from: 200, to: 4_000, confidence: 'low' }) }), { groups: days(0, 1) })),
    )
    const report = scan(observation([topic()], { groups: days(1_000_000, 1) }))
    assert.match(
      report.savings.find(({ kind }) => kind === 'retention')!.assumption,
      /late, now.*late, has 1,000,000 records/,
    )
  })

  it('no zstd to readers that cannot read it, and elsewhere only with the question to them (V6)', () => {
    const codec = (assignor: string, codecs = { none: 1 } as Record<string, number>) =>
      scan(
        observation([topic({ batches: batches({ codecs }) })], {
          groups: [
            {
              group: 'billing',
              state: 'Stable',
              members: 1,
              assignor,
              topics: [{ topic: 'orders', lagRecords: 0, lostRecords: 0, moving: true }],
            },
          ],
        }),
      ).savings.find(({ kind }) => kind.startsWith('codec'))
    assert.ok(!/zstd|lz4/.test(codec('RoundRobinAssigner')?.change ?? ''))
    const asked = codec('range')!
    assert.match(asked.change, /zstd/)
    assert.match(asked.assumption, /ask first: its readers \(billing\) must be able to read zstd.*kafkajs/)
    assert.notEqual(asked.confidence, 'high')
    assert.doesNotMatch(codec('range', { none: 0.5, zstd: 0.5 })?.assumption ?? '', /ask first/)
  })

  it('no reading from the nearest copy where brokers have one zone, or do it already', () => {
    const prices = { priceBook: 'aws-us-east-1' }
    const has = (more: Partial<ClusterObservation>) =>
      scan(observation([topic()], more), prices).savings.some(({ kind }) => kind === 'follower-fetch')
    assert.ok(has({ racks: 3 }))
    assert.ok(!has({ racks: 1 }))
    assert.ok(!has({ racks: 3, readsNearby: true }))
    const one = scan(observation([topic()], { racks: 1 }), prices)
    assert.equal(one.zones, 1, 'racks win over an assumption')
    assert.equal(one.topics[0]!.meters['cross-zone-transfer'], undefined)
  })

  it('nothing surer than the rate it is computed from (V5)', () => {
    const guessed = topic({ rate: rate(1_000, { from: 100, to: 5_000, confidence: 'low', basis: 'watched' }) })
    for (const one of kinds(guessed)) assert.match(one, /low$/)
  })
})

describe('brokers that no topic needs', () => {
  it('are the first saving, of the same family, and large enough for the load with one broker away', () => {
    const small = topic({
      rate: rate(10),
      watched: { offsets: 100, bytes: 50_000, overMs: 10_000 },
      leaderBytes: 300 * MB,
    })
    const report = scan(observation([small]), { priceBook: 'aws-us-east-1', zones: 3, instanceType: 'm7g.4xlarge' })
    const [first] = report.savings
    assert.equal(first!.kind, 'brokers')
    assert.match(first!.change, /3 brokers of m7g\.large instead of m7g\.4xlarge/)
    near(first!.usdPerMonth, 3 * (0.6528 - 0.0816) * 730, 'the difference of the prices')
    const busy = topic({ rate: rate(200_000), watched: null })
    const needed = scan(observation([busy]), { priceBook: 'aws-us-east-1', zones: 3, instanceType: 'm7g.large' })
    assert.ok(!needed.savings.some(({ kind }) => kind === 'brokers'))
  })
})

describe('storage ahead (F4)', () => {
  it('counts the segment that is still open, by its own settings', () => {
    const configs = (segment: Record<string, string>) =>
      topicConfigsOf(new Map([['retention.ms', String(7 * DAY_MS)], ...Object.entries(segment)]))
    const stored = (segment: Record<string, string>): number => {
      const young = topic({
        startOffset: 0,
        leaderBytes: 1,
        configs: configs(segment),
        rate: rate(1_000),
        watched: null,
        retainedRecords: 1,
      })
      return scan(observation([young])).topics[0]!.meters['broker-storage']!
    }
    const [day, week, bounded] = [
      stored({ 'segment.ms': String(DAY_MS), 'segment.bytes': String(2 ** 50) }),
      stored({ 'segment.ms': String(7 * DAY_MS), 'segment.bytes': String(2 ** 50) }),
      stored({ 'segment.ms': String(7 * DAY_MS), 'segment.bytes': '1048576' }),
    ]
    near(week / day, 14 / 8, 'a week of retention and a week of open segment')
    assert.ok(bounded < day)
  })
})
