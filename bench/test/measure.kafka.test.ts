/** The measuring programs end to end on real Kafka, small: what they print has the promised shape (O1). */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { LatencyResult, MigrationResult, RegretResult, ThroughputResult } from '../results.ts'

const run = promisify(execFile)

async function measure(program: string, flags: readonly string[]): Promise<unknown> {
  const script = fileURLToPath(new URL(`../${program}`, import.meta.url))
  const { stdout } = await run(process.execPath, ['--conditions=mq-source', script, '--json', ...flags], {
    maxBuffer: 16 * 1_048_576,
  })
  return JSON.parse(stdout.trim().split('\n').at(-1)!)
}

test('a throughput measurement runs every contender and prints one object', { timeout: 120_000 }, async () => {
  const result = ThroughputResult.parse(
    await measure('throughput.ts', ['--messages', '20000', '--rounds', '1', '--date', '2026-11-23']),
  )
  assert.deepEqual(
    result.contenders.produce.map(({ name }) => name),
    ['mQ', 'mQ zstd-1', '@platformatic/kafka', 'kafkajs', 'Java'],
  )
  assert.equal(result.contenders.consume.length, 4)
  assert.equal(result.machine.date, '2026-11-23')
})

test('a latency measurement runs every contender and prints one object', { timeout: 120_000 }, async () => {
  const result = LatencyResult.parse(
    await measure('latency.ts', ['--seconds', '1', '--warmup-seconds', '1', '--rounds', '1', '--rate', '200']),
  )
  assert.equal(result.contenders.length, 4)
  for (const { median } of result.contenders) assert.ok(median.p50 <= median.p99 && median.p99 <= median.p999)
})

test('a measurement of moves makes them between two clusters under load, finds nothing wrong, and prints one object alone', {
  timeout: 150_000,
}, async () => {
  const script = fileURLToPath(new URL('../migration.ts', import.meta.url))
  const flags = ['--json', '--runs', '2', '--rate', '2000', '--keys', '50']
  const { stdout } = await run(process.execPath, ['--conditions=mq-source', script, ...flags])
  const result = MigrationResult.parse(JSON.parse(stdout))
  assert.deepEqual(Object.keys(JSON.parse(stdout) as object).slice(0, 8), [
    'runs',
    'messages',
    'failedSends',
    'lost',
    'duplicated',
    'reordered',
    'writePauseMs',
    'consumerGapMs',
  ])
  const { runs, failedSends, lost, duplicated, reordered } = result
  assert.deepEqual(
    { runs, failedSends, lost, duplicated, reordered },
    { runs: 2, failedSends: 0, lost: 0, duplicated: 0, reordered: 0 },
  )
  assert.deepEqual(new Set(Object.values(result.otherViolations)), new Set([0]))
  assert.deepEqual(result.handledByGroup, { live: result.messages, late: result.messages })
  assert.ok(result.messages > 10_000 && result.messagesPerSecond > 1_500, JSON.stringify(result))
})

test('a wrong flag ends a measurement with what is wrong, before anything is started', {
  timeout: 20_000,
}, async () => {
  await assert.rejects(
    measure('throughput.ts', ['--rounds', 'zero']),
    /--rounds zero: write a whole number of 1 or more/,
  )
})

test('a regret measurement of a recorded workload judges its choice against a real sweep', {
  timeout: 180_000,
}, async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'bench-regret-'))
  t.after(() => rmSync(folder, { recursive: true }))
  const file = join(folder, 'clicks.jsonl')
  const lines = Array.from({ length: 600 }, (_, n) =>
    JSON.stringify({
      t: n * 5,
      key: Buffer.from(`user-${n % 40}`).toString('base64'),
      value: Buffer.from(`{"event":"clicked","at":${1_770_000_000_000 + n},"user":"user-${n % 40}"}`).toString(
        'base64',
      ),
    }),
  )
  writeFileSync(file, `${lines.join('\n')}\n`)
  const flags = ['--workload', file, '--grid', 'tiny', '--seconds', '0.5', '--rounds', '1', '--watch', '6']
  const result = RegretResult.parse(await measure('regret.ts', flags))
  const [one] = result.workloads
  assert.equal(result.workloads.length, 1)
  assert.equal(one!.name, 'clicks.jsonl')
  assert.equal(one!.configurations, 4)
  assert.ok(Math.abs(one!.messagesPerSecond - 200) < 1)
  assert.equal(one!.default.codec, 'none')
  assert.ok(one!.usdPerMonthChosen > 0 && one!.usdPerMonthDefault > 0)
  assert.equal(one!.regret, Number((one!.usdPerMonthChosen / one!.oracle.usdPerMonth - 1).toFixed(4)))
  assert.equal(result.worstRegret, one!.regret)
  assert.ok(one!.chosen.samples > 50)
})

test('a recorded workload with a bad line is refused by its number before anything is started', {
  timeout: 20_000,
}, async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'bench-regret-'))
  t.after(() => rmSync(folder, { recursive: true }))
  const file = join(folder, 'bad.jsonl')
  writeFileSync(file, '{"t":0,"key":null,"value":"eA=="}\n{"t":1,"key":null,"value":7}\n')
  await assert.rejects(measure('regret.ts', ['--workload', file]), /bad\.jsonl, line 2: value/)
})
