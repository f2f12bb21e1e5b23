/** What `mq apply` says where a part of it could not be done yet. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { exitCodes } from '../src/exit-codes.ts'
import { fakeControlPlane, run } from './harness.ts'

test('apply says what was done, what stays pending, and says nothing of "nothing" then', async () => {
  const refusal = { code: 'MQ_KAFKA_UNAVAILABLE', message: 'the controller moves' }
  const done = { id: 'a.done', action: 'create', changes: [], refusal: null }
  const later = { id: 'a.later', action: 'refuse', changes: [], refusal, pending: true }
  const plane = await fakeControlPlane(({ body }) => {
    const isPlan = (body as { plan: boolean }).plan
    const executed = { applied: false, executed: true, entries: [done, later] }
    return { body: isPlan ? { applied: false, executed: false, entries: [done] } : executed }
  })
  try {
    const { code, stdout } = await run(['apply', '-f', '-', '--url', plane.url], {
      stdin: 'ids: { a.done: , a.later: }',
    })
    assert.equal(code, exitCodes.retryLater)
    assert.match(
      stdout,
      /! a\.later\n {4}MQ_KAFKA_UNAVAILABLE: the controller moves\n {4}this stays pending: mQ carries it out once it can\n/,
    )
    assert.match(stdout, /\n1 created, 1 pending\.\n$/)
  } finally {
    await plane.close()
  }
})
