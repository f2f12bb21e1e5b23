/** Waiting for time, a signal or work (waiting.ts W1-W3), on timers held by hand. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { Deps } from '../src/timing/deps.ts'
import { pause, sleep, untilAborted, within, withinOrUndefined } from '../src/timing/waiting.ts'

function heldTimers(): Pick<Deps, 'timers'> & { readonly pending: Map<object, () => void>; fire(): void } {
  const pending = new Map<object, () => void>()
  return {
    pending,
    fire() {
      for (const [handle, fn] of pending) {
        pending.delete(handle)
        fn()
      }
    },
    timers: {
      setTimeout: (fn) => {
        const handle = { unref: (): unknown => undefined }
        pending.set(handle, fn)
        return handle
      },
      clearTimeout: (handle) => void pending.delete(handle),
    },
  }
}

describe('waiting', () => {
  test('a sleep ends by its timer, or rejects by an abort, and leaves no timer (W1, W2)', async () => {
    const deps = heldTimers()
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

  test('a pause ends by its timer or early by an abort, and never rejects (W1, W2)', async () => {
    const deps = heldTimers()
    const paused = pause(deps, 10)
    deps.fire()
    await paused
    const stop = new AbortController()
    const ended = pause(deps, 10, stop.signal)
    stop.abort(new Error('enough'))
    await ended
    await pause(deps, 10, stop.signal)
    assert.equal(deps.pending.size, 0)
  })

  test('a pause that keeps no process alive takes its timer off the count of the event loop (W1)', async () => {
    const deps = heldTimers()
    let unrefs = 0
    const timers: Deps['timers'] = {
      ...deps.timers,
      setTimeout: (fn, delayMs) => {
        const handle = deps.timers.setTimeout(fn, delayMs)
        handle.unref = () => ++unrefs
        return handle
      },
    }
    const paused = [pause({ timers }, 10), pause({ timers }, 10, undefined, false)]
    assert.equal(unrefs, 1)
    deps.fire()
    await Promise.all(paused)
  })

  test('a limit rejects work that takes longer and leaves no timer behind work that does not (W1)', async () => {
    const deps = heldTimers()
    const late = (): Error => new Error('late')
    assert.equal(await within(deps, 10, late, Promise.resolve(7)), 7)
    await assert.rejects(within(deps, 10, late, Promise.reject(new Error('broken'))), /broken/)
    assert.equal(deps.pending.size, 0)
    const endless = within(deps, 10, late, new Promise(() => {}))
    deps.fire()
    await assert.rejects(endless, /late/)
  })

  test('work without a limit of its own comes to undefined once the time is over (W1)', async () => {
    const deps = heldTimers()
    assert.equal(await withinOrUndefined(deps, 10, Promise.resolve(7)), 7)
    await assert.rejects(withinOrUndefined(deps, 10, Promise.reject(new Error('broken'))), /broken/)
    assert.equal(deps.pending.size, 0)
    const endless = withinOrUndefined(deps, 10, new Promise(() => {}))
    deps.fire()
    assert.equal(await endless, undefined)
  })

  test('an abort ends the wait for work; what the work comes to later is handed over (W3)', async () => {
    assert.equal(await untilAborted(Promise.resolve(7), new AbortController().signal), 7)
    const stop = new AbortController()
    const { promise, resolve } = Promise.withResolvers<number>()
    const handed: number[] = []
    const waited = untilAborted(promise, stop.signal, (result) => void handed.push(result))
    stop.abort(new Error('enough'))
    await assert.rejects(waited, /enough/)
    resolve(7)
    await promise
    assert.deepEqual(handed, [7])
    await assert.rejects(untilAborted(Promise.resolve(7), stop.signal), /enough/)
  })
})
