/** Times as people write them (TA1, TA2). */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { InvalidArgumentError } from 'commander'
import { timeArgument } from '../src/time-argument.ts'

test('a time says its zone, and is the same everywhere (TA1)', () => {
  const nineMs = Date.UTC(2026, 0, 31, 9)
  for (const text of [
    '2026-01-31T09:00Z',
    '2026-01-31 09:00:00.000z',
    '2026-01-31T10:00+01:00',
    '2026-01-31T03:30-05:30',
  ]) {
    assert.equal(timeArgument(text), nineMs, text)
  }
  const [before, age, after] = [Date.now(), timeArgument('15m'), Date.now()]
  assert.ok(age >= before - 900_000 && age <= after - 900_000)
})

test('what is no time, or a time of no zone, is refused (TA1, TA2)', () => {
  const local = ['2026-01-31T09:00', '2026-01-31', '2026-01-31 09:00:00']
  const none = ['latset-1', 'offset 12', '4711', '', 'yesterday', '2026-13-31T09:00Z', '31 Jan 2026 09:00 UTC']
  for (const text of [...local, ...none]) assert.throws(() => timeArgument(text), InvalidArgumentError, text)
})
