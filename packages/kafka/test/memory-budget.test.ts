import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { BufferPool } from '../src/produce/buffer-pool.ts'
import { MemoryBudget } from '../src/produce/memory-budget.ts'

test('takes what fits, and one that never fits only while nothing else is held (M2)', () => {
  const budget = new MemoryBudget(100)
  assert.equal(budget.tryReserve(60), true)
  assert.equal(budget.tryReserve(41), false)
  assert.equal(budget.tryReserve(40), true)
  assert.equal(budget.usedBytes, 100)
  budget.release(100)
  assert.equal(budget.tryReserve(500), true)
  assert.equal(budget.tryReserve(1), false)
  budget.release(500)
  assert.throws(() => budget.release(1), /released than reserved/)
})

test('serves waiters in order, and nobody overtakes them (M3)', async () => {
  const budget = new MemoryBudget(100)
  budget.tryReserve(100)
  const order: string[] = []
  const big = budget.waitFor(80).then(() => order.push('big'))
  const small = budget.waitFor(10).then(() => order.push('small'))
  budget.release(50)
  assert.equal(budget.tryReserve(1), false, 'overtook a waiter')
  await Promise.resolve()
  assert.deepEqual(order, [])
  budget.release(50)
  await Promise.all([big, small])
  assert.deepEqual(order, ['big', 'small'])
  assert.equal(budget.usedBytes, 90)
})

test('an aborted waiter leaves the line and lets the next one in', async () => {
  const budget = new MemoryBudget(100)
  budget.tryReserve(50)
  const abort = new AbortController()
  const first = budget.waitFor(90, abort.signal)
  const second = budget.waitFor(50)
  abort.abort(new Error('closed'))
  await assert.rejects(first, /closed/)
  await second
  assert.equal(budget.usedBytes, 100)
  await assert.rejects(budget.waitFor(90, abort.signal), /closed/)
})

test('what is used is always what was taken and not given back (M1, U1)', () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.boolean(), fc.integer({ min: 1, max: 300_000 }))), (steps) => {
      const budget = new MemoryBudget(1_048_576)
      const pool = new BufferPool(budget, 65_536)
      const held: Buffer[] = []
      for (const [take, bytes] of steps) {
        if (take) {
          const buffer = pool.acquire(bytes)
          if (buffer === null) assert.ok(budget.usedBytes + BufferPool.capacityFor(bytes) > budget.limitBytes)
          else {
            assert.ok(buffer.length >= bytes)
            held.push(buffer)
          }
        } else if (held.length > 0) pool.release(held.splice(bytes % held.length, 1)[0]!)
        assert.equal(
          budget.usedBytes,
          held.reduce((sum, buffer) => sum + buffer.length, 0),
        )
        assert.equal(new Set(held.map((buffer) => buffer.buffer)).size, held.length, 'one buffer was handed out twice')
      }
    }),
  )
})

test('what is left of a grant goes back to the budget (U3)', () => {
  const budget = new MemoryBudget(100_000)
  const pool = new BufferPool(budget, 0)
  assert.equal(budget.tryReserve(50_000), true)
  pool.grant(50_000)
  const buffer = pool.acquire(4_000)
  assert.notEqual(buffer, null)
  assert.equal(budget.usedBytes, 50_000, 'the grant was not spent first')
  pool.withdraw()
  assert.equal(budget.usedBytes, buffer?.length)
})
