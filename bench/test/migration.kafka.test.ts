/** The measurement of migrations end to end on real clusters, small. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { MigrationResult } from '../results.ts'
import { measured } from './measuring.ts'

test('a measurement of migrations makes them between two clusters under load, finds nothing wrong, and prints one object alone', {
  timeout: 300_000,
}, async () => {
  const stdout = await measured('migration.ts', ['--runs', '2', '--rate', '2000', '--keys', '50'])
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
