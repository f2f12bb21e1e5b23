import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { FailureThrottle } from '../src/base/failure-throttle.ts'
import { FakeTime } from './support/time.ts'

describe('LastingTrouble', () => {
  it('says nothing of what passes within seconds, and once in a while what lasts (B1, B2)', async () => {
    const time = new FakeTime()
    const trouble = new FailureThrottle(time.deps.clock)
    const said: number[] = []
    for (let second = 0; second < 100; second++) {
      // Trouble in the seconds 0-2 and 20-79.
      if ((second < 3 || (second >= 20 && second < 80)) && trouble.failed()) said.push(second)
      await time.advance(1_000)
    }
    assert.deepEqual(said, [25, 55])
  })
})
