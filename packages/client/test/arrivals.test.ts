import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { Epoch } from '@mq/contract'
import { Arrivals, type EpochGap } from '../src/telemetry/arrivals.ts'
import { bindingOf } from './support/bindings.ts'
import { FakeTime } from './support/time.ts'

const FIRST = bindingOf().epochs[0]!
const moving = (state: Epoch['state']) =>
  bindingOf({
    epochs: [
      { ...FIRST, state },
      { ...FIRST, epoch: 2, topic: 'orders.placed.e2', state: 'preparing' },
    ],
  })

describe('Arrivals', () => {
  it('tells the gap between two epochs once, from the last batch of the old to the first of the new', async () => {
    const time = new FakeTime()
    const gaps: EpochGap[] = []
    const arrivals = new Arrivals(time.deps.clock, (gap) => gaps.push(gap))
    arrivals.arrived(1)
    await time.advance(100)
    arrivals.apply(moving('sealing'))
    await time.advance(20)
    arrivals.arrived(1)
    await time.advance(70)
    arrivals.arrived(2)
    await time.advance(70)
    arrivals.arrived(2)
    arrivals.arrived(1)
    assert.deepEqual(gaps, [{ fromEpoch: 1, toEpoch: 2, gapMs: 70 }])
  })

  it('says nothing where nothing was being read when the seal came (A1)', async () => {
    const time = new FakeTime()
    const gaps: EpochGap[] = []
    const arrivals = new Arrivals(time.deps.clock, (gap) => gaps.push(gap))
    arrivals.arrived(1)
    await time.advance(60_000)
    arrivals.apply(moving('sealing'))
    arrivals.arrived(2)
    const other = new Arrivals(time.deps.clock, (gap) => gaps.push(gap))
    other.arrived(2)
    assert.deepEqual(gaps, [])
  })
})
