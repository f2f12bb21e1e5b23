/**
 * Pauses, sleeps and limits (B1, B2), on a clock held by hand.
 */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { backoffMs, sleep, within } from '../src/timing/backoff.ts'
import type { Deps } from '../src/timing/deps.ts'

function heldDeps(): Deps & { readonly pending: Map<object, () => void>; fire(): void } {
  const pending = new Map<object, () => void>()
  return {
    pending,
    fire() {
      for (const [handle, fn] of pending) {
        pending.delete(handle)
        fn()
      }
    },
    clock: { nowMs: () => 0, monotonicMs: () => 0 },
    timers: {
      setTimeout: (fn) => {
        const handle = { unref: () => handle }
        pending.set(handle, fn)
        return handle
      },
      clearTimeout: (handle) => void pending.delete(handle),
    },
    random: () => 0.5,
  }
}

describe('waiting', () => {
  test('a pause doubles up to its limit, within 20 % either way (B1)', () => {
    const middle = [0, 1, 2, 3, 4, 5, 6, 50].map((failures) => backoffMs(failures, () => 0.5))
    assert.deepEqual(middle, [0, 50, 100, 200, 400, 800, 1_000, 1_000])
    assert.equal(
      backoffMs(3, () => 0),
      160,
    )
    assert.ok(Math.abs(backoffMs(3, () => 0.999_999) - 240) < 0.01)
  })

  test('a sleep ends by its timer or by an abort, and leaves no timer (B2)', async () => {
    const deps = heldDeps()
    const slept = sleep(deps, 10)
    deps.fire()
    await slept
    const stop = new AbortController()
    const aborted = sleep(deps, 10, stop.signal)
    stop.abort(new Error('enough'))
    await assert.rejects(aborted, /enough/)
    await assert.rejects(sleep(deps, 10, stop.signal), /enough/)
    assert.equal(deps.pending.size, 0)
  })

  test('a limit rejects work that takes longer and leaves no timer behind work that does not (B2)', async () => {
    const deps = heldDeps()
    const late = (): Error => new Error('late')
    assert.equal(await within(deps, 10, late, Promise.resolve(7)), 7)
    await assert.rejects(within(deps, 10, late, Promise.reject(new Error('broken'))), /broken/)
    assert.equal(deps.pending.size, 0)
    const endless = within(deps, 10, late, new Promise(() => {}))
    deps.fire()
    await assert.rejects(endless, /late/)
  })
})
