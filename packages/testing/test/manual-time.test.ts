import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { ManualTime } from '../src/index.ts'

describe('ManualTime', () => {
  it('stands still until it is moved, and runs what comes due in order (T1, T2)', async () => {
    const time = new ManualTime(5_000)
    const seen: string[] = []
    const { timers, clock } = time.deps
    timers.setTimeout(() => seen.push(`c at ${clock.nowMs()}`), 30)
    timers.setTimeout(() => {
      seen.push(`a at ${clock.nowMs()}`)
      timers.setTimeout(() => seen.push(`b at ${clock.nowMs()}`), 5)
    }, 10)
    const given = timers.setTimeout(() => seen.push('never'), 12)
    timers.clearTimeout(given)
    assert.equal(time.nextMs, 5_010)
    await time.advance(9)
    assert.deepEqual(seen, [])
    await time.advance(20)
    assert.deepEqual(seen, ['a at 5010', 'b at 5015'])
    assert.equal(time.pending, 1)
    await time.advance(1)
    assert.deepEqual(seen, ['a at 5010', 'b at 5015', 'c at 5030'])
    assert.deepEqual([time.nowMs, clock.monotonicMs(), time.pending, time.nextMs], [5_030, 30, 0, undefined])
  })

  it('lets promises settle between timers, and refuses to go back', async () => {
    const time = new ManualTime()
    const seen: string[] = []
    time.deps.timers.setTimeout(() => void Promise.resolve().then(() => seen.push('promise')), 1)
    time.deps.timers.setTimeout(() => seen.push('timer'), 2)
    await time.advance(2)
    assert.deepEqual(seen, ['promise', 'timer'])
    await assert.rejects(time.advance(-1), RangeError)
  })
})
