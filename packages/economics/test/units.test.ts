/** N1: bills are computed in the units they are written in. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { GB, GIB, HOURS_PER_MONTH, SECONDS_PER_MONTH, TB } from '../src/index.ts'

test('a month has 730 hours, a TB a thousand GB, and a GiB is 7.37 % more than a GB (N1)', () => {
  assert.equal(SECONDS_PER_MONTH / 3_600, HOURS_PER_MONTH)
  assert.equal(TB / GB, 1_000)
  assert.equal((GIB / GB).toFixed(4), '1.0737')
})
