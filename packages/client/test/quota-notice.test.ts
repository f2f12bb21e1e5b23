import assert from 'node:assert/strict'
import { test } from 'node:test'
import { QuotaNotice } from '../src/epochs/quota-notice.ts'

test('a cluster that slows this client down is named once for reads and once for writes, with the time (Q1)', () => {
  let nowMs = 0
  const lines: string[] = []
  const notice = new QuotaNotice(
    { nowMs: () => nowMs, monotonicMs: () => nowMs },
    { warn: (message, { code }) => lines.push(`${code} ${message}`), error: () => assert.fail() },
  )
  for (let n = 0; n < 10; n++) notice.throttled('main', 'reads', 30)
  assert.deepEqual(lines, [])
  for (let n = 0; n < 50; n++) {
    notice.throttled('main', 'reads', 9_700)
    notice.throttled('main', 'writes', 2_000)
    nowMs += 5_000
  }
  assert.deepEqual(lines, [
    'MQ_KAFKA_THROTTLED Cluster main throttles reads of this client for 9700 ms: quota',
    'MQ_KAFKA_THROTTLED Cluster main throttles writes of this client for 2000 ms: quota',
  ])
  nowMs = 300_000
  notice.throttled('main', 'reads', 300)
  assert.match(lines.at(-1)!, /throttled reads of this client for 475600 ms since it was last said: quota/)
  assert.equal(lines.length, 3)
})
