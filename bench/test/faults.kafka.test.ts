/** Brokers and their networks fail under load, and nothing is lost (figures of `mq measure faults`, a smoke set of it). */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { FaultsResult } from '../faults/result.ts'
import { measured } from './measuring.ts'

test('a killed leader, a way that swallows answers, and resets before an answer: no send fails, nothing is lost, doubled or out of order', {
  timeout: 500_000,
}, async () => {
  const asked = [1, 9, 11]
  const stdout = await measured('faults.ts', ['--scenario', asked.join(','), '--rate', '200', '--keys', '50'])
  const { scenarios } = FaultsResult.parse(JSON.parse(stdout))
  assert.deepEqual(
    scenarios.map(({ scenario }) => scenario),
    asked,
  )
  for (const one of scenarios) {
    const { scenario, lost, duplicated, reordered, failedSends, otherViolations } = one
    assert.deepEqual(
      { scenario, lost, duplicated, reordered, failedSends, otherViolations },
      { scenario, lost: 0, duplicated: 0, reordered: 0, failedSends: 0, otherViolations: 0 },
    )
    assert.notEqual(one.verdict, 'broken')
    assert.ok(one.acked > 500, `${one.acked} messages`)
  }
  // The faults were there: sends waited for them.
  const recovery = new Map(scenarios.map(({ scenario, recoveryMs }) => [scenario, recoveryMs.max]))
  assert.ok(recovery.get(1)! > 1_000, `a killed leader was noticed for ${recovery.get(1)} ms`)
  assert.ok(recovery.get(9)! > 5_000, `answers that do not come were noticed for ${recovery.get(9)} ms`)
})
