import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { scanTail } from '../src/produce/sealed-tail.ts'
import { BatchEncoder, stamp } from '../src/records/batch-encoder.ts'

interface Placed {
  readonly producerId: number
  readonly producerEpoch: number
  readonly baseSequence: number
  readonly records: number
}

/** Encoded batches as a log holds them: one behind the other, each with its base offset. */
function logOf(batches: readonly Placed[]): { bytes: Buffer; offsets: number[]; end: number } {
  const parts: Buffer[] = []
  const offsets: number[] = []
  let offset = 100
  for (const { producerId, producerEpoch, baseSequence, records } of batches) {
    const encoder = new BatchEncoder(Buffer.alloc(4_096))
    for (let n = 0; n < records; n++) encoder.tryAppend(`k${n}`, `value ${n}`, undefined, 1_000 + n, 4_000)
    encoder.seal()
    const sealed = encoder.sealed()
    stamp(sealed, null, { producerId: BigInt(producerId), producerEpoch, baseSequence })
    const bytes = Buffer.from(sealed)
    bytes.writeBigInt64BE(BigInt(offset), 0)
    parts.push(bytes)
    offsets.push(offset)
    offset += records
  }
  return { bytes: Buffer.concat(parts), offsets, end: offset }
}

const placed = fc.record({
  producerId: fc.integer({ min: 0, max: 2 }),
  producerEpoch: fc.integer({ min: 0, max: 2 }),
  baseSequence: fc.integer({ min: 0, max: 5 }),
  records: fc.integer({ min: 1, max: 4 }),
})

function asks(batch: Placed) {
  const { producerId, producerEpoch, baseSequence, records } = batch
  return { identities: [{ producerId: BigInt(producerId), producerEpoch, baseSequence }], records }
}

describe('scanTail', () => {
  it('finds the first batch with that identity and no other, in any log (L1)', () => {
    fc.assert(
      fc.property(fc.array(placed, { maxLength: 12 }), placed, (batches, wanted) => {
        const { bytes, offsets, end } = logOf(batches)
        const expected = batches.findIndex((batch) => JSON.stringify(batch) === JSON.stringify(wanted))
        const { found, nextOffset } = scanTail(bytes, 0, bytes.length, asks(wanted))
        assert.equal(found, expected < 0 ? undefined : BigInt(offsets[expected]!))
        if (expected < 0) assert.equal(nextOffset, batches.length === 0 ? undefined : end)
      }),
    )
  })

  it('takes a batch that is cut short for no batch, and says where to read on', () => {
    const batches = [0, 1, 2].map((n) => ({ producerId: 7, producerEpoch: 0, baseSequence: n, records: 1 }))
    const { bytes, offsets } = logOf(batches)
    const cut = scanTail(bytes, 0, bytes.length - 1, asks(batches[2]!))
    assert.deepEqual(cut, { found: undefined, nextOffset: offsets[2]! })
    assert.equal(scanTail(bytes, 0, bytes.length, asks(batches[2]!)).found, BigInt(offsets[2]!))
  })

  it('finds a batch under an identity it had before', () => {
    const before = { producerId: 7, producerEpoch: 0, baseSequence: 3, records: 2 }
    const { bytes } = logOf([before])
    const identities = [...asks(before).identities, { producerId: 7n, producerEpoch: 1, baseSequence: 0 }]
    assert.equal(scanTail(bytes, 0, bytes.length, { identities, records: 2 }).found, 100n)
  })
})
