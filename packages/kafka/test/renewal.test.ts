/** When a successor is opened for a connection whose session ends, and what becomes of both (W1-W4). */
import assert from 'node:assert/strict'
import { EventEmitter } from 'node:events'
import { test } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import type { Deps } from '@mq/contract/timing'
import { renewBeforeEnd } from '../src/net/renewal.ts'
import type { SessionConnection } from '../src/net/session-connection.ts'

const SESSION_MS = 10_000

class FakeConnection extends EventEmitter {
  readonly session = { sinceMs: 0, lifeMs: SESSION_MS }
  successors = 0
  isRetired = false
  isDropped = false

  succeed(predecessor: FakeConnection): void {
    predecessor.successors += 1
    predecessor.retire()
  }
  retire(): void {
    this.isRetired = true
  }
  drop(): void {
    this.isDropped = true
    this.emit('close')
  }
}

/** A clock that jumps from timer to timer. */
class FakeTime {
  #nowMs = 0
  #timers: { readonly atMs: number; readonly fn: () => void; unref(): void }[] = []
  readonly deps: Deps = {
    clock: { nowMs: () => this.#nowMs, monotonicMs: () => this.#nowMs },
    random: () => 0.5,
    timers: {
      setTimeout: (fn, delayMs) => {
        const timer = { atMs: this.#nowMs + delayMs, fn, unref: () => {} }
        this.#timers.push(timer)
        return timer
      },
      clearTimeout: (timer) => {
        this.#timers = this.#timers.filter((one) => one !== timer)
      },
    },
  }

  get nowMs(): number {
    return this.#nowMs
  }

  get isQuiet(): boolean {
    return this.#timers.length === 0
  }

  async next(): Promise<void> {
    const timer = this.#timers.toSorted((a, b) => a.atMs - b.atMs)[0]
    assert.ok(timer !== undefined, 'nothing is waited for')
    this.deps.timers.clearTimeout(timer)
    this.#nowMs = timer.atMs
    timer.fn()
    await turn()
    await turn()
  }
}

const asConnection = (fake: FakeConnection): SessionConnection => fake as unknown as SessionConnection

test('a successor takes over well before the session ends, and the old connection is retired (W1, W2)', async () => {
  const time = new FakeTime()
  const old = new FakeConnection()
  const next = new FakeConnection()
  const taken: unknown[] = []
  renewBeforeEnd(asConnection(old), {
    deps: time.deps,
    open: async () => asConnection(next),
    replace: (successor) => taken.push(successor) > 0,
  })
  await time.next()
  assert.ok(time.nowMs >= 0.5 * SESSION_MS && time.nowMs <= 0.7 * SESSION_MS, `at ${time.nowMs} ms`)
  assert.deepEqual([taken, old.successors, old.isRetired, next.isDropped], [[next], 1, true, false])
  old.emit('close')
  assert.ok(time.isQuiet)
})

test('a connection is retired when its session ends, also while a successor is on its way (W3)', async () => {
  const time = new FakeTime()
  const old = new FakeConnection()
  const next = new FakeConnection()
  const opening = Promise.withResolvers<SessionConnection>()
  const taken: unknown[] = []
  renewBeforeEnd(asConnection(old), {
    deps: time.deps,
    open: () => opening.promise,
    replace: (successor) => taken.push(successor) > 0,
  })
  await time.next()
  assert.equal(old.isRetired, false)
  await time.next()
  assert.equal(old.isRetired, true)
  assert.ok(time.nowMs <= SESSION_MS, `at ${time.nowMs} ms`)
  // Nothing was under way on it.
  old.emit('close')
  opening.resolve(asConnection(next))
  await turn()
  await turn()
  assert.deepEqual([taken, next.isDropped], [[next], false])
})

test('what fails is tried again until the session ends; then the connection is retired alone (W3)', async () => {
  const time = new FakeTime()
  const old = new FakeConnection()
  let tries = 0
  renewBeforeEnd(asConnection(old), {
    deps: time.deps,
    open: async () => {
      tries += 1
      throw new Error('no broker')
    },
    replace: () => assert.fail('there is nothing to replace it by'),
  })
  while (!old.isRetired) await time.next()
  assert.ok(tries > 3, `${tries} tries`)
  assert.ok(time.nowMs <= SESSION_MS, `at ${time.nowMs} ms`)
  old.emit('close')
  while (!time.isQuiet) await time.next()
})

test('a connection that ended meanwhile gets no successor, and one that nobody takes is dropped (W4)', async () => {
  for (const ends of [true, false]) {
    const time = new FakeTime()
    const old = new FakeConnection()
    const next = new FakeConnection()
    renewBeforeEnd(asConnection(old), {
      deps: time.deps,
      open: async () => {
        if (ends) old.emit('close')
        return asConnection(next)
      },
      replace: () => {
        assert.ok(!ends, 'it had ended')
        return false
      },
    })
    await time.next()
    assert.deepEqual([next.isDropped, old.successors], [true, 0])
  }
})

test('a connection nobody used is only retired, and one without an end is left alone', async () => {
  const time = new FakeTime()
  const old = new FakeConnection()
  const wiring = {
    deps: time.deps,
    isWanted: () => false,
    open: () => assert.fail('nobody wants it'),
    replace: () => assert.fail('nobody wants it'),
  }
  renewBeforeEnd(asConnection(old), wiring)
  await time.next()
  assert.equal(old.isRetired, true)
  old.emit('close')
  assert.ok(time.isQuiet)
  renewBeforeEnd({ session: undefined } as SessionConnection, wiring)
  assert.ok(time.isQuiet)
})
