/** Part C of the demo: what it holds to be true of a decision (tuning N2, N3), and how it tells it. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Decision, type DecisionState, type MqIdDetail, type ProducerSettings } from '@mq/contract'
import picocolors from 'picocolors'
import { near } from '../src/demo/checks.ts'
import { bytesBetween, judgeDecision, type TuningReport } from '../src/demo/tuning.ts'
import { tuningText } from '../src/demo/tuning-view.ts'

const PLAIN = picocolors.createColors(false)
const before: ProducerSettings = {
  codec: 'none',
  lingerMs: 5,
  batchBytes: 16_384,
  maxMessageBytes: 1_048_576,
  requestTimeoutMs: 30_000,
}
const after: ProducerSettings = { ...before, codec: 'zstd', codecLevel: 3, lingerMs: 200, batchBytes: 65_536 }
const TOO_SHORT = { state: 'too-short', reason: 'watched for 3 s' } as const
const STORED = { before: 150, after: 24 }
const side = (windows: number) => ({ median: 0.01, windows, records: 5_000 })

function decisionIn(state: DecisionState, change: Partial<Decision> = {}): Decision {
  const outcome = (usd: number, bytes: number) => ({
    usdPerMonth: usd,
    usdPerMillionRecords: usd / 3_942,
    sendP99Ms: 15,
    endToEndP99Ms: 17,
    wireBytesPerRecord: bytes,
    recordsPerBatch: 2,
  })
  return Decision.parse({
    number: 7,
    mqId: 'flights.tracked',
    kind: 'producer-settings',
    state,
    loop: 'tuning',
    title: 'none -> zstd level 3',
    why: 'cheaper',
    change: { kind: 'producer-settings', before, after },
    choices: [],
    evidence: [],
    alternatives: [],
    before: outcome(36, 152),
    predicted: outcome(7, 26),
    measuredBefore: outcome(35, 151),
    measured: outcome(6, 25),
    predictionError: null,
    savingUsdPerMonth: 29,
    costOfChangeUsd: 0,
    assumptions: [],
    policy: 'auto',
    trial: {
      design: 'instances',
      instances: ['flights-1'],
      ofInstances: 3,
      startedAtMs: 0,
      endedAtMs: 1,
      dropped: 0,
    },
    trialComparisons: [
      {
        test: 'Mann-Whitney',
        metric: 'cost per million records',
        before: side(30),
        after: side(15),
        pValue: 0.0001,
        changeShare: -0.83,
        low: -0.84,
        high: -0.82,
      },
    ],
    watchComparisons: [],
    guardrails: [],
    status: 'the guardrail said so',
    undo: null,
    migration: null,
    revision: 3,
    approvedBy: null,
    steps: [],
    createdAtMs: 0,
    updatedAtMs: 0,
    endedAtMs: null,
    ...change,
  })
}

const marks = (...of: Parameters<typeof judgeDecision>): string =>
  judgeDecision(...of)
    .map(({ ok, isOpen }) => (isOpen ? '-' : ok ? '+' : '!'))
    .join('')

test('N2: a decision counts as kept only where its settings run and the logs of brokers grew by what it says', () => {
  assert.equal(marks(decisionIn('kept'), null, after, STORED), '++++')
  assert.equal(marks(decisionIn('kept'), null, before, STORED), '+!++')
  assert.equal(marks(decisionIn('kept'), null, { ...after, lingerMs: 5 }, STORED), '+!++')
  assert.equal(marks(decisionIn('kept'), null, after, { before: 150, after: 96 }), '+++!')
  assert.equal(marks(decisionIn('kept'), null, after, { before: 100, after: 24 }), '++!+')
  assert.equal(marks(decisionIn('kept'), null, after, { before: null, after: null }), '++!!')
})

test('N3: what is undone or still under way is open and not broken; what was not taken back is; a loop that sees nothing is', () => {
  assert.equal(marks(decisionIn('undone'), null, before, STORED), '-+')
  assert.equal(marks(decisionIn('undone'), null, after, STORED), '-!')
  assert.equal(marks(decisionIn('trial'), null, before, STORED), '-')
  assert.equal(marks(decisionIn('watching'), null, after, STORED), '-')
  assert.equal(marks(null, { state: 'idle', reason: 'no client reports traffic' }, before, STORED), '!')
  assert.equal(marks(null, { state: 'nothing-to-gain', reason: 'none is cheaper' }, before, STORED), '!')
  assert.equal(marks(null, null, before, STORED), '!')
  assert.equal(marks(null, TOO_SHORT, before, STORED), '-')
  assert.match(judgeDecision(null, TOO_SHORT, before, STORED)[0]!.detail, /watched for 3 s/)
  assert.match(
    judgeDecision(decisionIn('undone'), null, before, STORED)[0]!.detail,
    /7 is undone: the guardrail said so/,
  )
})

test('bytes between two looks need two looks, and messages between them', () => {
  const look = (storedBytes: number | null, storedRecords: number | null) => ({ storedBytes, storedRecords })
  assert.equal(bytesBetween(look(1_000, 10), look(3_000, 30)), 100)
  assert.equal(bytesBetween(look(1_000, 10), look(1_000, 10)), null)
  assert.equal(bytesBetween(null, look(1, 1)), null)
  assert.equal(bytesBetween(look(0, 0), null), null)
  assert.equal(bytesBetween(look(null, 10), look(3_000, 30)), null)
  assert.equal(near('n', 119, 100, 0.2, 'b').ok, true)
  assert.equal(near('n', 121, 100, 0.2, 'b').ok, false)
  assert.equal(near('n', 79, 100, 0.2, 'b').ok, false)
})

const report = (decision: Decision | null, change: Partial<TuningReport> = {}): TuningReport => ({
  id: 'flights.tracked',
  messagesPerSecond: 1_500,
  instances: 3,
  sent: 60_000,
  durationMs: 40_000,
  decidedAfterMs: 40_000,
  decision,
  outlook: null,
  stored: STORED,
  group: { group: 'board', received: 60_000, endToEndMs: { p50: 10, p99: 300, max: 400 } },
  latencyWishMs: 1_000,
  priceBook: { id: 'aws-us-east-1', version: '2026-11-22', title: 'Kafka on EC2' },
  assumptions: ['no prices are registered: price book aws-us-east-1 is assumed'],
  detail: { producer: before } as unknown as MqIdDetail,
  checks: [],
  ...change,
})

test('the report puts configuration and $ a month side by side, before and after, predicted and measured, in 80 columns', () => {
  const text = tuningText(report(decisionIn('kept')), PLAIN, 80)
  assert.match(text, /before +no codec, linger 5 ms, batch 16 KiB/)
  assert.match(text, /now +zstd level 3, linger 200 ms, batch 64 KiB/)
  assert.match(text, /\$ a month +\$36\.00 +\$35\.00 +\$7\.00 +\$6\.00 +-83 %/)
  assert.match(text, /wire bytes a message +152 +151 +26 +25 /)
  assert.match(text, /log bytes a message +150 +24 +-84 %/)
  assert.match(text.replaceAll(/\s+/g, ' '), /price book aws-us-east-1, version 2026-11-22 .* 1,500 messages\/s/)
  assert.match(text, /is assumed/)
  for (const line of text.split('\n')) assert.ok(line.length <= 80, line)
  assert.ok(!text.includes('\u001b'))
})

test('a report without a kept decision says what is the case instead, and promises nothing', () => {
  const undone = tuningText(report(decisionIn('undone', { measured: null })), PLAIN, 110)
  assert.match(undone, /not reached +as before/)
  assert.match(undone, /the guardrail said so/)
  assert.match(undone, /\$ a month +\$36\.00 +\$35\.00 +\$7\.00 +- +-\n/)
  const running = tuningText(report(decisionIn('trial', { measured: null }), { decidedAfterMs: null }), PLAIN, 110)
  assert.match(running, /not decided in the time of the demo/)
  const none = tuningText(report(null, { decidedAfterMs: null, outlook: TOO_SHORT }), PLAIN, 110)
  assert.match(none, /and still so/)
  assert.match(none, /not decided +watched for 3 s/)
  assert.ok(!none.includes('$'))
})
