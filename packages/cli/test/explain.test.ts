/**
 * `mq explain` and `mq whatif` against a control plane that answers what a test says (explain-view V1).
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { CostOption, Explanation, WhatIfAnswer } from '@mq/contract'
import { exitCodes } from '../src/exit-codes.ts'
import { fakeControlPlane, type Ran, run, type Seen } from './harness.ts'

const ID = 'orders.placed'

const option = (codec: 'none' | 'zstd', storeUsd: number, change: Partial<CostOption> = {}): CostOption =>
  CostOption.parse({
    configuration: {
      cluster: 'main',
      partitions: 4,
      replication: 3,
      retentionMs: 604_800_000,
      localRetentionMs: null,
      codec,
      codecLevel: codec === 'none' ? null : 1,
      lingerMs: codec === 'none' ? 5 : 50,
      batchBytes: 262_144,
      fetchMinBytes: 1,
      fetchMaxWaitMs: 500,
      followerFetch: false,
    },
    usdPerMonth: storeUsd + 1.5,
    usdPerMillionRecords: 0.25,
    lines: [
      {
        meter: 'broker-storage',
        part: 'store',
        usdPerMonth: storeUsd,
        quantity: storeUsd / 0.08,
        unit: 'GB-month',
        basis: 'wire',
        formula: 'F4',
        assumption: '3 copies on disks filled to 60 %',
        confidence: 'verified',
      },
      {
        meter: 'remote-storage',
        part: 'store',
        usdPerMonth: 1.5,
        quantity: 25,
        unit: 'GB-month',
        basis: 'logical',
        formula: 'F4',
        assumption: 'one copy in tiered storage',
        confidence: 'unverified',
      },
    ],
    recordsPerBatch: 31.25,
    ratio: codec === 'none' ? 1 : 3.9,
    codecSource: 'measured',
    wireBytesPerRecord: codec === 'none' ? 512 : 131,
    sendP99Ms: 60.25,
    endToEndP99Ms: 66,
    meetsLatency: true,
    ...change,
  })

const explanation = Explanation.parse({
  id: ID,
  outcome: { kind: 'change', why: 'saves 300 USD a month', constraint: null, by: null, unit: null },
  workload: {
    source: 'measured',
    recordsPerSecond: 2_000,
    peakMultiple: 5,
    recordBytes: 500,
    producers: 3,
    groups: [{ group: 'billing', members: 2 }],
    observedMs: 600_000,
    records: 1_200_000,
  },
  requirements: { latencyP99Ms: 250, retention: '7d', ordering: 'key', copies: 3, budgetUsdPerMonth: 400 },
  current: option('none', 400),
  best: option('zstd', 100),
  saving: { usdPerMonth: 300, fromUsdPerMonth: 280, toUsdPerMonth: 320, share: 0.747 },
  alternatives: [option('zstd', 120)],
  priceOf: [{ constraint: 'durability', asked: '3 copies', relaxedTo: '2 copies', usdPerMonth: 33.25 }],
  rejected: [{ constraint: 'latency', reason: 'p99 of 260 to 1,240 ms, over 200 ms', count: 379 }],
  evaluated: 1_120,
  choices: [{ setting: 'producer.codec', value: 'none', reason: 'asked for by its owner' }],
  assumptions: ['latency and CPU by general constants'],
  priceBook: { id: 'aws-us-east-1', version: '2026-11-22', title: 'Kafka on EC2', notes: ['gp3 only'] },
})

const answer = WhatIfAnswer.parse({
  id: ID,
  asked: [{ requirement: 'latency p99', before: '250ms', after: '50ms' }],
  before: explanation,
  after: {
    ...explanation,
    current: option('none', 500, { meetsLatency: false, endToEndP99Ms: 90 }),
    best: option('zstd', 150),
    requirements: { ...explanation.requirements, latencyP99Ms: 50 },
  },
})

async function against(argv: readonly string[], tty = false): Promise<{ ran: Ran; seen: readonly Seen[] }> {
  const plane = await fakeControlPlane(({ path }) => ({ body: path.endsWith('/what-if') ? answer : explanation }))
  try {
    return { ran: await run(argv, { env: { MQ_URL: plane.url, NO_COLOR: '1' }, tty }), seen: plane.seen }
  } finally {
    await plane.close()
  }
}

test('explain says what it costs by meter, what is better and what each requirement costs (V1)', async () => {
  const { ran, seen } = await against(['explain', ID])
  assert.equal(ran.code, exitCodes.ok, ran.stderr)
  assert.equal(seen[0]?.path, `/v1/ids/${ID}/explanation`)
  for (const words of [
    /orders\.placed costs \$401\.50 a month, 0\.250 USD a million messages/,
    /\$101\.50 would do: 75 % less, \$280\.00 to \$320\.00 a month saved/,
    /2,000 messages\/s of 500 B by 3 producers; measured over 10\.0 min, 1,200,000 messages/,
    /5 times the usual rate/,
    /\$400\.00 {2}disks of brokers, keeping +5,000 GB-month +compressed bytes +F4: 3 copies/,
    /uncompressed bytes +F4: one copy in tiered storage \(price unverified\)/,
    /\$401\.50 {2}in all/,
    /producer\.codec +none +asked for by its owner/,
    /zstd level 1, linger 50 ms, batch 256\.0 KiB, fetch at once/,
    /\$33\.25 {2}durability +3 copies +2 copies/,
    /379 {2}latency +p99 of 260 to 1,240 ms/,
    /prices: aws-us-east-1, version 2026-11-22/,
    /assumed: latency and CPU by general constants/,
  ]) {
    assert.match(ran.stdout, words)
  }
})

test('explain calls what nobody has caused yet no cost, and names every requirement that fails', async () => {
  const assumed = {
    ...explanation,
    workload: { ...explanation.workload, source: 'assumed', groups: [{ group: 'expected', members: 1 }] },
  }
  const late = { kind: 'infeasible', why: 'the fastest is too slow', constraint: 'latency', by: 11.8, unit: 'ms' }
  const hard = { ...explanation, outcome: late, requirements: { ...explanation.requirements, budgetUsdPerMonth: 10 } }
  const shown = async (body: object): Promise<string> => {
    const plane = await fakeControlPlane(() => ({ body }))
    try {
      return (await run(['explain', ID], { env: { MQ_URL: plane.url, NO_COLOR: '1' } })).stdout
    } finally {
      await plane.close()
    }
  }
  const before = await shown(assumed)
  assert.match(before, /orders\.placed would cost \$401\.50 a month.*, at traffic that is assumed/)
  assert.match(before, /Nothing is changed before there is traffic to measure/)
  assert.match(before, /read by +one group of one member; assumed/)
  const failing = await shown(hard)
  assert.match(failing, /No configuration meets the intent: the fastest is too slow/)
  assert.match(failing, /It is \$91\.50 a month over the budget of \$10\.00, too/)
  assert.match(failing, /The nearest to it/)
})

test('explain fits a terminal', async () => {
  const { ran } = await against(['explain', ID], true)
  const longest = Math.max(...ran.stdout.split('\n').map((line) => line.length))
  assert.ok(longest <= 100, `${longest} columns`)
  assert.match(ran.stdout, /BILLS, BECAUSE/)
})

test('explain and whatif print the same object for programs', async () => {
  const { ran } = await against(['explain', ID, '-o', 'json'])
  assert.deepEqual(JSON.parse(ran.stdout), explanation)
  assert.equal((await against(['explain', ID, '--json'])).ran.stdout, ran.stdout)
  const other = await against(['whatif', ID, '--peak', '5x', '--json'])
  assert.deepEqual(JSON.parse(other.ran.stdout), answer)
})

test('whatif asks what is said and shows both bills, the changed settings and what stands', async () => {
  const { ran, seen } = await against(['whatif', ID, '--latency-p99', '50ms', '--retention', '3d', '--peak', '2.5x'])
  assert.equal(ran.code, exitCodes.ok, ran.stderr)
  assert.deepEqual(seen[0]?.body, { latencyP99Ms: '50ms', retention: '3d', peak: 2.5 })
  for (const words of [
    /\$401\.50 a month now, \$151\.50 a month then \(\$250\.00 less\)/,
    /latency p99 +250ms +50ms/,
    /It can be met, with the settings below/,
    /codec +no codec -> zstd level 1/,
    /linger +5 ms -> 50 ms/,
    /\$501\.50 a month, p99 90 ms end to end, over the 50ms asked for/,
    /Nothing was changed/,
  ]) {
    assert.match(ran.stdout, words)
  }
})

test('questions that say nothing or nonsense are refused before anybody is asked', async () => {
  for (const argv of [
    ['whatif', ID],
    ['whatif', ID, '--peak', '0.5x'],
    ['whatif', ID, '--peak', 'huge'],
    ['whatif', ID, '--latency-p99', 'soon'],
    ['whatif', ID, '--rate', '-1'],
    ['whatif', ID, '--budget', '10eur'],
    ['whatif', ID, '--ordering', 'some'],
    ['explain', 'Not An Id'],
  ]) {
    const { ran, seen } = await against(argv)
    assert.equal(ran.code, exitCodes.badInput, `${argv.join(' ')}: ${ran.stderr}`)
    assert.equal(seen.length, 0)
  }
  const { ran } = await against(['whatif', ID, '--json'])
  assert.equal(JSON.parse(ran.stderr).code, 'MQ_OPTION_INVALID', 'a refusal is JSON, too, where --json is asked for')
})
