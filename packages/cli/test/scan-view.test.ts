/**
 * The screen of `mq scan` on terminals of different widths (scan-view V1).
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { ScannedTopic, ScanReport } from '@mq/control-plane'
import { colorsFor } from '../src/io.ts'
import { scanText } from '../src/scan-view.ts'

const NOTE = 'its log did not reach the retention yet: storage is priced as it will be'

const topic = (name: string, usdPerMonth: number): ScannedTopic => ({
  topic: name,
  usdPerMonth,
  fromUsdPerMonth: usdPerMonth,
  toUsdPerMonth: usdPerMonth,
  fromRecordsPerSecond: 200,
  toRecordsPerSecond: 200,
  parts: { caused: usdPerMonth, toFill: 0, idle: 0 },
  confidence: 'high',
  oldestMs: 0,
  meters: { 'broker-storage': usdPerMonth },
  partitions: 6,
  quietPartitions: 0,
  storedRecords: 3_000,
  replication: 3,
  rateBasis: 'last-24h',
  rateOverMs: 86_400_000,
  wireBytesPerSecond: 62_400,
  recordsPerSecond: 200,
  storedBytes: 1_048_576,
  wireBytesPerRecord: 312,
  recordsPerBatch: 1,
  compressionRatio: 1,
  codec: 'none',
  readers: 0,
  idleGroups: 0,
  retentionMs: 604_800_000,
  notes: [NOTE],
})

const saving = (confidence: 'high' | 'medium' | 'low', usdPerMonth: number): ScanReport['savings'][number] => ({
  kind: confidence === 'low' ? 'unread-topic' : 'codec',
  topic: 'legacy.audit',
  topics: 1,
  change: 'another codec',
  assumption: 'measured on its own records',
  confidence,
  usdPerMonth,
  aloneUsdPerMonth: usdPerMonth,
  computeUsdPerMonth: 0,
  after: confidence === 'low' ? ['codec'] : [],
})

const report: ScanReport = {
  cluster: 'scanned',
  clusterId: 'abc',
  startedAtMs: 0,
  tookMs: 1_000,
  watchedMs: 1_000,
  brokers: 3,
  zones: 3,
  priceBook: { id: 'aws-us-east-1', version: '2026-11-22', title: 'Kafka on EC2', notes: [] },
  assumptions: ['3 zones are assumed'],
  problems: [
    {
      about: 'topic',
      name: 'gone',
      missing: 'everything',
      code: 'MQ_TOPIC_MISSING',
      message: 'there is no topic gone',
    },
  ],
  totals: {
    usdPerMonth: 100,
    topicsUsdPerMonth: 100,
    knownUsdPerMonth: 100,
    fromUsdPerMonth: 100,
    toUsdPerMonth: 100,
    rangedTopics: 0,
    unallocatedUsdPerMonth: 0,
    meters: [{ meter: 'broker-storage', usdPerMonth: 100 }],
    topics: 2,
    unpricedTopics: 0,
  },
  topics: [topic('legacy.audit', 80), topic('legacy.logs', 20)],
  savings: [saving('low', 60), saving('medium', 20), saving('high', 10)],
  together: {
    usdPerMonth: 90,
    shareOfTopics: 0.9,
    byConfidence: { high: 10, medium: 20, low: 60 },
    computeUsdPerMonth: 0,
  },
  remarks: [],
}

const shown = (width: number, seen: ScanReport = report): string =>
  scanText(seen, { top: 20, colors: colorsFor(process.stdout, { NO_COLOR: '1' }), width })

test('what only a person can judge is no part of what a scan says can be saved', () => {
  const text = shown(Number.POSITIVE_INFINITY)
  assert.match(
    text,
    /Savings: \$30\.00 a month, 30 % of the whole \(high confidence \$10\.00, medium \$20\.00\); \$60\.00 more for a person to judge \(low\)/,
  )
  assert.match(text, /topic gone: nothing of it is seen \(MQ_TOPIC_MISSING/)
})

test('a note stands once below the table of a terminal, and with each topic where the output is piped', () => {
  assert.equal(shown(Number.POSITIVE_INFINITY).split(NOTE).length - 1, 2)
  const wide = shown(160)
  assert.match(wide, new RegExp(`legacy\\.audit, legacy\\.logs: ${NOTE}`))
  assert.match(wide, /TRANSFER/)
})

test('the tables of a scan fit 80 columns', () => {
  const lines = shown(80).split('\n')
  const table = lines.slice(lines.findIndex((line) => line.startsWith('TOPIC')))
  assert.ok(table.length > 3)
  for (const line of table) assert.ok(line.length <= 80, line)
  assert.ok(!lines.some((line) => line.includes('TRANSFER')))
})

test('what was seen for too short a time is a range, and no part of what is known well', () => {
  const young = { ...topic('new.topic', 50), fromUsdPerMonth: 5, toUsdPerMonth: 200, confidence: 'low' as const }
  const totals = {
    ...report.totals,
    usdPerMonth: 150,
    topicsUsdPerMonth: 150,
    fromUsdPerMonth: 105,
    toUsdPerMonth: 300,
    rangedTopics: 1,
  }
  const text = shown(Number.POSITIVE_INFINITY, { ...report, totals, topics: [...report.topics, young] })
  assert.match(text, /Cost: \$105\.00 to \$300\.00 a month, \$150\.00 if it goes on as it was seen/)
  assert.match(text, /\$100\.00 of it is known well; 1 topic was seen .* from \$5\.00 to \$200\.00 a month/)
  assert.match(text, /new\.topic +\$5\.00 to \$200\.00/)
})

test('a saving says which others of its topic it counts on', () => {
  assert.match(shown(Number.POSITIVE_INFINITY), /counted after: codec/)
})
