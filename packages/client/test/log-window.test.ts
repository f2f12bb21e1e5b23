import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { LogWindow } from '../src/base/log-window.ts'
import { FakeTime } from './support/time.ts'

describe('a window of log lines', () => {
  it('writes the first ten in ten seconds, and tells with the next window how much it left out (W1)', async () => {
    const time = new FakeTime()
    const window = new LogWindow(time.deps.clock)
    const taken = Array.from({ length: 25 }, () => window.take(3))
    assert.equal(taken.filter(({ isDue }) => isDue).length, 10)
    assert.ok(taken.every(({ leftOut }) => leftOut === 0))
    await time.advance(9_999)
    assert.deepEqual(window.take(3), { isDue: false, leftOut: 0 })
    await time.advance(1)
    assert.deepEqual(window.take(3), { isDue: true, leftOut: 48 })
    assert.deepEqual(window.take(3), { isDue: true, leftOut: 0 })
  })
})
