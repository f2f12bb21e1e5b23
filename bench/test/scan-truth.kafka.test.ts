/** A small cluster of the generator behind `mq measure scan-truth`, against a real Kafka: right, or said as a range, and no harm (J1-J3). */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { run } from '../scan-truth/run.ts'

test('a scan comes near the truth of every kind of topic, and proposes nothing harmful', {
  timeout: 300_000,
}, async (t) => {
  const verdict = await run({ topics: 14, watchMs: 15_000, say: (text) => t.diagnostic(text) })
  const wrong = verdict.topics.filter(({ right }) => !right)
  assert.deepEqual(wrong, [])
  assert.equal(new Set(verdict.topics.map(({ kind }) => kind)).size, 13)
  assert.deepEqual(verdict.harmful, [])
  assert.ok(verdict.knownOff <= 0.05, `what is known well is off by ${verdict.knownOff}`)
  assert.ok(verdict.rangeHolds)
  assert.ok(
    verdict.topics.some(({ isRange }) => !isRange),
    'not everything is a range',
  )
})
