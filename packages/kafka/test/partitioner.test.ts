import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { murmur2, murmur2Text, partitionOf } from '../src/produce/partitioner.ts'

test('hashes as Java does, byte for byte (H1)', () => {
  const known: readonly (readonly [string, number])[] = [
    ['21', -973932308],
    ['foobar', -790332482],
    ['a-little-bit-long-string', -985981536],
    ['a-little-bit-longer-string', -1486304829],
    ['lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8', -58897971],
    ['abc', 479470107],
  ]
  for (const [text, hash] of known) {
    assert.equal(murmur2(Buffer.from(text)), hash, text)
    assert.equal(murmur2Text(text), hash, text)
  }
})

test('a text has the partition of its UTF-8 bytes, whatever it holds (H2)', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), fc.integer({ min: 1, max: 1_000 }), (text, partitions) => {
      assert.equal(murmur2Text(text), murmur2(Buffer.from(text)))
      const partition = partitionOf(text, partitions)
      assert.equal(partition, partitionOf(Buffer.from(text), partitions))
      assert.ok(partition >= 0 && partition < partitions)
    }),
    { numRuns: 2_000 },
  )
})
