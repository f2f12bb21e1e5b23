/** The measuring programs end to end on real Kafka, small: what they print has the promised shape (O1). */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { LatencyResult, ThroughputResult } from '../results.ts'
import { measure } from './measuring.ts'

test('a throughput measurement runs every contender and prints one object', { timeout: 300_000 }, async () => {
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

test('a latency measurement runs every contender and prints one object', { timeout: 300_000 }, async () => {
  const result = LatencyResult.parse(
    await measure('latency.ts', ['--seconds', '1', '--warmup-seconds', '1', '--rounds', '1', '--rate', '200']),
  )
  assert.equal(result.contenders.length, 4)
  for (const { median } of result.contenders) assert.ok(median.p50 <= median.p99 && median.p99 <= median.p999)
})

test('a wrong flag ends a measurement with what is wrong, before anything is started', {
  timeout: 300_000,
}, async () => {
  await assert.rejects(
    measure('throughput.ts', ['--rounds', 'zero']),
    /--rounds zero: write a whole number of 1 or more/,
  )
})
