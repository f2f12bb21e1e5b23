/** One timer for many moments (earliest-timer.ts A1, A2), on a clock held by hand. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { type Deps, EarliestTimer, systemDeps } from '../src/timing.ts'

function heldTime(): { readonly deps: Deps; readonly delaysMs: number[]; nowMs: number; ring(): void } {
  let set: (() => void) | undefined
  const time = {
    nowMs: 0,
    delaysMs: [] as number[],
    ring: () => set?.(),
    deps: {
      ...systemDeps,
      clock: { nowMs: () => time.nowMs, monotonicMs: () => time.nowMs },
      timers: {
        setTimeout: (fn: () => void, delayMs: number) => {
          assert.equal(set, undefined, 'one timer at a time')
          set = () => {
            set = undefined
            fn()
          }
          time.delaysMs.push(delayMs)
          return { unref: () => undefined }
        },
        clearTimeout: () => {
          set = undefined
        },
      },
    },
  }
  return time
}

describe('EarliestTimer', () => {
  test('waits for the earliest moment only, never less than asked for, and anew after it fired (A1)', () => {
    const time = heldTime()
    let fired = 0
    const timer = new EarliestTimer(time.deps, () => fired++)
    timer.wakeAt(10.5)
    timer.wakeAt(20)
    timer.wakeAt(5.2)
    timer.wakeAt(Number.POSITIVE_INFINITY)
    assert.deepEqual(time.delaysMs, [11, 6])
    time.ring()
    assert.equal(fired, 1)
    time.nowMs = 30
    timer.wakeAt(20)
    assert.deepEqual(time.delaysMs, [11, 6, 0])
  })

  test('forgets its moment when cleared, and takes a later one then', () => {
    const time = heldTime()
    let fired = 0
    const timer = new EarliestTimer(time.deps, () => fired++)
    timer.wakeAt(5)
    timer.clear()
    time.ring()
    assert.equal(fired, 0)
    timer.wakeAt(50)
    assert.deepEqual(time.delaysMs, [5, 50])
    time.ring()
    assert.equal(fired, 1)
  })

  test('never fires once closed (A2)', () => {
    const time = heldTime()
    let fired = 0
    const timer = new EarliestTimer(time.deps, () => fired++)
    timer.wakeAt(5)
    timer.close()
    timer.wakeAt(1)
    time.ring()
    assert.equal(fired, 0)
  })
})
