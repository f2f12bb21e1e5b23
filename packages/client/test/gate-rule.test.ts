import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { partitionOf } from '@mq/kafka'
import fc from 'fast-check'
import { olderPartitions } from '../src/epochs/gate-rule.ts'

const partitions = fc.integer({ min: 1, max: 96 })

describe('olderPartitions', () => {
  it('names the older partition of every key that lives in the newer one (G1)', () => {
    fc.assert(
      fc.property(partitions, partitions, fc.array(fc.string(), { minLength: 20, maxLength: 50 }), (from, to, keys) => {
        for (const key of keys) {
          const older = olderPartitions('key', from, to, partitionOf(key, to))
          assert.ok(older.includes(partitionOf(key, from)), `${key} in ${from} -> ${to}`)
        }
      }),
    )
  })

  it('names none that cannot hold such a key (G1)', () => {
    for (const [from, to] of [
      [6, 12],
      [12, 6],
      [6, 10],
      [7, 5],
      [1, 8],
      [8, 1],
    ] as const) {
      for (let partition = 0; partition < to; partition++) {
        const possible = new Set<number>()
        for (let hash = 0; hash < from * to; hash++) if (hash % to === partition) possible.add(hash % from)
        assert.deepEqual(
          olderPartitions('key', from, to, partition),
          [...possible].toSorted((a, b) => a - b),
        )
      }
    }
  })

  it('is the same number, the number modulo the old count, and all multiples in the plain cases', () => {
    assert.deepEqual(olderPartitions('key', 6, 6, 4), [4])
    assert.deepEqual(olderPartitions('key', 6, 12, 10), [4])
    assert.deepEqual(olderPartitions('key', 12, 6, 4), [4, 10])
    assert.deepEqual(olderPartitions('key', 6, 10, 3), [1, 3, 5])
    assert.deepEqual(olderPartitions('key', 5, 3, 2), [0, 1, 2, 3, 4])
  })

  it('waits for nothing where there is no order (G2)', () => {
    assert.deepEqual(olderPartitions('none', 6, 12, 3), [])
  })
})
