/** The first success of several ways (H1, H2). */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { AllFailed, hedged } from '../src/timing/hedge.ts'

/** A clock that the test moves. */
function timers() {
  const due = new Map<number, { atMs: number; run: () => void }>()
  let nowMs = 0
  let nextId = 1
  const made = {
    setTimeout: (run: () => void, delayMs: number) => {
      const id = nextId++
      due.set(id, { atMs: nowMs + delayMs, run })
      return id
    },
    clearTimeout: (id: number) => void due.delete(id),
  }
  return {
    deps: { timers: made } as unknown as Parameters<typeof hedged>[0],
    waiting: () => due.size,
    pass: async (ms: number) => {
      nowMs += ms
      for (const [id, { atMs, run }] of [...due]) if (atMs <= nowMs && due.delete(id)) run()
      await new Promise((resolve) => setImmediate(resolve))
    },
  }
}

/** Ways that the test brings to an end. */
function ways(count: number) {
  const ends = Array.from({ length: count }, () => Promise.withResolvers<string>())
  const begun: number[] = []
  return {
    ends,
    begun,
    list: ends.map(({ promise }, index) => () => {
      begun.push(index)
      return promise
    }),
  }
}

test('begins the next way when one hangs, and takes whichever is first', async () => {
  const clock = timers()
  const { ends, begun, list } = ways(3)
  const found = hedged(clock.deps, 1_000, list)
  assert.deepEqual(begun, [0])
  await clock.pass(999)
  assert.deepEqual(begun, [0])
  await clock.pass(1)
  assert.deepEqual(begun, [0, 1])
  ends[1]!.resolve('second')
  assert.equal(await found, 'second')
  assert.equal(clock.waiting(), 0)
  // What the first comes to is nobody's failure.
  ends[0]!.reject(new Error('late'))
  await clock.pass(5_000)
  assert.deepEqual(begun, [0, 1])
})

test('begins the next way at once when one fails, and says all failures when none is left', async () => {
  const clock = timers()
  const { ends, begun, list } = ways(2)
  const found = hedged(clock.deps, 1_000, list)
  found.catch(() => {})
  ends[0]!.reject(new Error('first'))
  await clock.pass(0)
  assert.deepEqual(begun, [0, 1])
  ends[1]!.reject(new Error('second'))
  await assert.rejects(found, (error: unknown) => {
    assert.ok(error instanceof AllFailed)
    assert.deepEqual(
      error.errors.map((each) => (each as Error).message),
      ['first', 'second'],
    )
    return true
  })
  assert.equal(clock.waiting(), 0)
})

test('tries no other way after a final error, and fails without any', async () => {
  const clock = timers()
  const { ends, begun, list } = ways(2)
  const found = hedged(clock.deps, 1_000, list, (error) => (error as Error).message === 'closed')
  found.catch(() => {})
  ends[0]!.reject(new Error('closed'))
  await assert.rejects(found, { message: 'closed' })
  assert.deepEqual([begun, clock.waiting()], [[0], 0])
  await assert.rejects(hedged(clock.deps, 1_000, []), AllFailed)
})
