/** Login sessions that end every 3 s, under load: nobody notices (figures of `mq measure reauth`, small). */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { measureReauth } from '../reauth-load.ts'

const SESSION_MS = 3_000
const SECONDS = 15

test('sessions that end are renewed without an error, a lost or doubled message, or a reader that stands', {
  timeout: 300_000,
}, async () => {
  const figures = await measureReauth({ sessionMs: SESSION_MS, seconds: SECONDS, rate: 400 })
  assert.deepEqual(figures.errors, [])
  const { sent, acknowledged, lost, twice, outOfOrder } = figures
  assert.deepEqual([acknowledged, lost, twice, outOfOrder], [sent, 0, 0, 0])
  // Two producers, two readers and an admin each hold connections that last for no longer than a session.
  assert.ok(figures.logins > (5 * SECONDS * 1_000) / SESSION_MS, `${figures.logins} logins`)
  // A reader that takes an ended session for the end stands for ten of them.
  for (const stallMs of figures.stallsMs) assert.ok(stallMs < 2 * SESSION_MS, `a reader stood for ${stallMs} ms`)
})
