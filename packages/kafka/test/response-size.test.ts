import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { ResponseSize, SLOW_MS, USUAL_BYTES } from '../src/fetch/response-size.ts'

describe('ResponseSize', () => {
  it('stays at the usual size however fast full responses come (Z1)', () => {
    const size = new ResponseSize()
    for (let round = 0; round < 20; round++) size.answered(size.within(2 ** 30), size.bytes, 3)
    assert.equal(size.within(2 ** 30), USUAL_BYTES)
    assert.equal(size.within(100_000), 100_000)
  })

  it('grows while full responses take long, not when there was only little to read, and shrinks when they are quick (Z2)', () => {
    const size = new ResponseSize()
    size.answered(USUAL_BYTES, 200, 500)
    assert.equal(size.bytes, USUAL_BYTES, 'a poll that waited for records says nothing of the way')
    size.answered(USUAL_BYTES, USUAL_BYTES, SLOW_MS)
    size.answered(size.bytes, size.bytes, SLOW_MS)
    assert.equal(size.bytes, 4 * USUAL_BYTES)
    size.answered(size.bytes, size.bytes, SLOW_MS / 2)
    assert.equal(size.bytes, 4 * USUAL_BYTES)
    for (let round = 0; round < 20; round++) size.answered(size.bytes, size.bytes, SLOW_MS)
    assert.equal(size.bytes, 16 * USUAL_BYTES, 'and no further')
    for (let round = 0; round < 20; round++) size.answered(size.bytes, size.bytes, 1)
    assert.equal(size.bytes, USUAL_BYTES)
  })

  it('halves for a broker that stalled, and comes back to the usual size and no further (Z3)', () => {
    const size = new ResponseSize()
    size.stalled(1_000_000)
    assert.equal(size.bytes, 500_000)
    for (let round = 0; round < 40; round++) size.stalled(1_000_000)
    assert.ok(size.bytes > 0)
    for (let round = 0; round < 40; round++) size.answered(size.bytes, 10, 400)
    assert.equal(size.bytes, USUAL_BYTES)
  })
})
