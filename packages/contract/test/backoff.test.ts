/** Pauses between tries (backoff.ts B1). */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { backoffMs, type Jitter } from '../src/timing/backoff.ts'

describe('backoff', () => {
  test('a pause doubles up to its limit (B1)', () => {
    const middle = [0, 1, 2, 3, 4, 5, 6, 50].map((failures) => backoffMs(failures, () => 0.5))
    assert.deepEqual(middle, [0, 50, 100, 200, 400, 800, 1_000, 1_000])
  })

  test('each jitter keeps the pause in its range', () => {
    const limits = { baseMs: 50, maxMs: 1_000 }
    const range = (jitter: Jitter): number[] =>
      [() => 0, () => 1].map((random) => Math.round(backoffMs(3, random, limits, jitter)))
    assert.deepEqual(range('slight'), [160, 240])
    assert.deepEqual(range('half'), [100, 200])
    assert.deepEqual(range('full'), [0, 200])
    assert.deepEqual(range('none'), [200, 200])
  })
})
