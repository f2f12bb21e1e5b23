/**
 * Explanations and questions over the API, on a fake cluster (explain E1-E3, what-if H1-H2, contract X1-X2).
 */
import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { type CostOption, Explanation, WhatIfAnswer } from '@mq/contract'
import { assertProblem, type Harness, mainCluster, movableClock, startHarness, telemetryReport } from './harness.ts'

const TIMEOUT = { timeout: 300_000 }
const ID = 'orders.placed'

const sum = (option: CostOption): number => option.lines.reduce((total, { usdPerMonth }) => total + usdPerMonth, 0)

async function declared(t: TestContext, intent: object, options: Parameters<typeof startHarness>[1] = {}) {
  const plane = await startHarness(t, options)
  const put = await plane.call('PUT', `/v1/ids/${ID}`, { intent })
  assert.equal(put.status, 200, put.text)
  return plane
}

async function explained(plane: Harness): Promise<Explanation> {
  const answer = await plane.call('GET', `/v1/ids/${ID}/explanation`)
  assert.equal(answer.status, 200, answer.text)
  return Explanation.parse(answer.body)
}

async function asked(plane: Harness, body: object): Promise<WhatIfAnswer> {
  const answer = await plane.call('POST', `/v1/ids/${ID}/what-if`, body)
  assert.equal(answer.status, 200, answer.text)
  return WhatIfAnswer.parse(answer.body)
}

test(
  'before any traffic the expected rate is taken, and the answer says that it is assumed (E1)',
  TIMEOUT,
  async (t) => {
    const plane = await declared(t, {
      expectedMessagesPerSecond: 2_000,
      expectedMessageBytes: 500,
      latencyP99Ms: '250ms',
    })
    const explanation = await explained(plane)
    assert.equal(explanation.workload.source, 'assumed')
    assert.equal(explanation.workload.recordsPerSecond, 2_000)
    assert.ok(explanation.assumptions.some((text) => /no traffic was measured yet/.test(text)))
    assert.ok(explanation.assumptions.some((text) => /price book aws-us-east-1 is assumed/.test(text)))
    assert.equal(explanation.priceBook.id, 'aws-us-east-1')
    assert.equal(explanation.current.configuration.cluster, 'main')
    assert.equal(explanation.current.configuration.codec, 'zstd')
    assert.ok(explanation.choices.length > 5)
  },
)

test('what is kept without a limit in time says what that is priced as', TIMEOUT, async (t) => {
  const plane = await declared(t, { retention: 'latest-per-key' })
  assert.ok(
    (await explained(plane)).assumptions.some((text) => /how much compaction leaves is not known yet/.test(text)),
  )
  const { after } = await asked(plane, { retention: 'forever' })
  assert.ok(after.assumptions.some((text) => /for ever is priced as it will be after a year/.test(text)))
})

test('every amount is a sum of meters that name basis, formula and assumption (X1)', TIMEOUT, async (t) => {
  const plane = await declared(t, { expectedMessagesPerSecond: 2_000, latencyP99Ms: '1s' })
  const explanation = await explained(plane)
  for (const option of [explanation.current, explanation.best, ...explanation.alternatives]) {
    assert.ok(Math.abs(sum(option) - option.usdPerMonth) < 1e-6 * option.usdPerMonth)
    for (const line of option.lines) {
      assert.match(line.formula, /^F\d+$/)
      assert.ok(line.assumption.length > 5 && line.unit.length > 0)
    }
  }
  assert.ok(explanation.best.usdPerMonth <= explanation.current.usdPerMonth)
  assert.ok(explanation.best.endToEndP99Ms <= 800)
  assert.ok(explanation.priceOf.length >= 3)
  assert.ok(explanation.rejected.every(({ count }) => count > 0))
})

/** An mQ ID whose one client reported that many windows of 10 seconds. */
async function watched(t: TestContext, windows: number) {
  const deps = movableClock()
  const plane = await declared(t, { latencyP99Ms: '1s' }, { deps })
  for (let window = 0; window < windows; window++) {
    const nowMs = deps.clock.nowMs()
    plane.traffic.take(
      telemetryReport({
        windowStartMs: nowMs - 10_000,
        producers: [
          {
            mqId: ID,
            epoch: 1,
            records: 5_000,
            batches: 500,
            requests: 400,
            recordBytes: 1_500_000,
            batchBytesUncompressed: 1_600_000,
            batchBytesWire: 500_000,
            retries: 0,
            errors: 0,
            throttledMs: 0,
            bufferBytesMax: 100,
            codec: 'zstd',
            lingerMs: 10,
            sendLatencyUs: '',
          },
        ],
      }),
    )
    deps.advance(10_000)
  }
  return { plane }
}

test('what clients report is what is reckoned with', TIMEOUT, async (t) => {
  const { plane } = await watched(t, 12)

  const explanation = await explained(plane)
  assert.equal(explanation.workload.source, 'measured')
  assert.ok(explanation.workload.recordsPerSecond > 300 && explanation.workload.recordsPerSecond <= 510)
  assert.ok(!explanation.assumptions.some((text) => /no traffic was measured yet/.test(text)))
})

test('the time until a send is acknowledged can be asked for, and is kept to', TIMEOUT, async (t) => {
  const plane = await declared(t, { expectedMessagesPerSecond: 20, latencyP99Ms: '5s' })
  const answer = await asked(plane, { acknowledgedWithinMs: '30ms' })
  assert.deepEqual(answer.asked, [{ requirement: 'acknowledged p99', before: 'not asked for', after: '30ms' }])
  assert.ok(answer.before.best.sendP99Ms > 30)
  assert.ok(answer.after.best.sendP99Ms <= 30)
  assert.equal(answer.after.requirements.acknowledgedWithinMs, 30)
})

test(
  'another latency, retention and peak: the bill before anyone commits, and nothing is touched (X2)',
  TIMEOUT,
  async (t) => {
    const plane = await declared(t, { expectedMessagesPerSecond: 2_000, retention: '7d', latencyP99Ms: '1s' })
    const before = await plane.call('GET', `/v1/ids/${ID}`)
    const writes = plane.kafka.topics.size
    const answer = await asked(plane, { latencyP99Ms: '50ms', retention: '3d', peak: 5 })
    assert.deepEqual(
      answer.asked.map(({ requirement, before: was, after: is }) => [requirement, was, is]),
      [
        ['latency p99', '1s', '50ms'],
        ['retention', '7d', '3d'],
        ['peak', '1 times', '5 times'],
      ],
    )
    assert.equal(answer.after.best.configuration.retentionMs, 3 * 86_400_000)
    assert.ok(answer.after.best.endToEndP99Ms <= 50)
    assert.equal(answer.after.workload.peakMultiple, 5)
    assert.equal(answer.before.requirements.retention, '7d')
    assert.deepEqual((await plane.call('GET', `/v1/ids/${ID}`)).body, before.body)
    assert.equal(plane.kafka.topics.size, writes)
  },
)

test(
  'after one window nothing is decided, and a question is answered all the same and says how little was seen (H3)',
  TIMEOUT,
  async (t) => {
    const { plane } = await watched(t, 1)
    const explanation = await explained(plane)
    assert.equal(explanation.outcome.kind, 'too-little')
    assert.deepEqual(explanation.alternatives, [])
    const { before, after } = await asked(plane, { retention: '1d' })
    assert.equal(before.outcome.kind, 'too-little')
    assert.notEqual(after.outcome.kind, 'too-little')
    assert.ok(after.best.usdPerMonth < before.current.usdPerMonth)
    assert.ok(after.assumptions.some((text) => /messages in .* were seen: too little to decide by/.test(text)))
  },
)

test('shorter retention never costs more, a higher rate never less', TIMEOUT, async (t) => {
  const plane = await declared(t, { expectedMessagesPerSecond: 1_000, retention: '7d', latencyP99Ms: '500ms' })
  const base = await asked(plane, { retention: '7d' })
  const shorter = await asked(plane, { retention: '1d' })
  const busier = await asked(plane, { messagesPerSecond: 10_000 })
  assert.ok(shorter.after.best.usdPerMonth < base.after.best.usdPerMonth)
  assert.ok(busier.after.best.usdPerMonth > base.after.best.usdPerMonth)
})

test('a latency nothing can hold gets the nearest answer and by how much it misses', TIMEOUT, async (t) => {
  const plane = await declared(t, { expectedMessagesPerSecond: 1_000 })
  const { after } = await asked(plane, { latencyP99Ms: '2ms' })
  assert.equal(after.outcome.kind, 'infeasible')
  assert.equal(after.outcome.constraint, 'latency')
  assert.ok(after.outcome.by !== null && after.outcome.by > 0)
  assert.equal(after.best.meetsLatency, false)
})

test('where the partitions cannot carry a rate, more are looked at (H2)', TIMEOUT, async (t) => {
  const plane = await declared(t, { expectedMessagesPerSecond: 100, latencyP99Ms: '5s' })
  const now = await asked(plane, { messagesPerSecond: 20_000, messageBytes: 20_000, latencyP99Ms: '5s' })
  const { after } = now
  if (after.outcome.kind !== 'infeasible') {
    assert.ok(after.best.configuration.partitions >= now.before.current.configuration.partitions)
  } else assert.notEqual(after.outcome.why, '')
})

test('an mQ ID that may not move is explained on its own cluster (E2)', TIMEOUT, async (t) => {
  const clusters = [mainCluster, { ...mainCluster, name: 'other', bootstrap: ['127.0.0.1:9093'] }]
  const plane = await declared(t, { expectedMessagesPerSecond: 2_000, movable: false }, { clusters })
  const explanation = await explained(plane)
  for (const option of [explanation.best, ...explanation.alternatives]) {
    assert.equal(option.configuration.cluster, explanation.current.configuration.cluster)
  }
})

test(
  'questions that cannot be are refused: unknown, deleted, malformed, and requirements that collide (H1)',
  TIMEOUT,
  async (t) => {
    const plane = await declared(t, { retention: 'latest-per-key' })
    assertProblem(await plane.call('GET', '/v1/ids/no.such/explanation'), 'MQ_ID_UNKNOWN')
    const question = async (body: unknown) => plane.call('POST', `/v1/ids/${ID}/what-if`, body)
    assertProblem(await question({ ordering: 'none' }), 'MQ_INTENT_INVALID')
    for (const body of [
      { peak: 0 },
      { peak: '5x' },
      { latencyP99Ms: 'soon' },
      { retention: '1s' },
      { colour: 'red' },
    ]) {
      assertProblem(await question(body), 'MQ_REQUEST_INVALID')
    }
    await plane.call('DELETE', `/v1/ids/${ID}`)
    assertProblem(await plane.call('GET', `/v1/ids/${ID}/explanation`), 'MQ_ID_DELETED')
  },
)
