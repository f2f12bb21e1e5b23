import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { MqError } from '@mq/contract'
import fc from 'fast-check'
import {
  ByteCursor,
  MAX_VARINT_BYTES,
  MAX_VARLONG_BYTES,
  sizeOfUnsignedVarint,
  sizeOfVarint,
  sizeOfVarlong,
  writeUnsignedVarint,
  writeVarint,
  writeVarlong,
} from '../src/protocol/varint.ts'

const int32 = fc.oneof(fc.integer(), fc.constantFrom(0, -1, 63, 64, -64, -65, 2 ** 31 - 1, -(2 ** 31)))
const safe = fc.oneof(
  fc.maxSafeInteger(),
  fc.integer(),
  fc.constantFrom(2 ** 30 - 1, 2 ** 30, -(2 ** 30), -(2 ** 30) - 1),
)
const isCorrupt = (error: unknown): boolean => error instanceof MqError && error.code === 'MQ_BATCH_CORRUPT'

describe('variable-length integers', () => {
  it('come back as they were written, in the size that was foretold (V2, V3, V4)', () => {
    const buffer = Buffer.alloc(16)
    fc.assert(
      fc.property(int32, safe, (small, large) => {
        const first = writeVarint(buffer, 0, small)
        assert.equal(first, sizeOfVarint(small))
        assert.ok(first <= MAX_VARINT_BYTES)
        assert.equal(new ByteCursor(buffer, 0, first).readVarint(), small)
        const second = writeVarlong(buffer, 0, large)
        assert.equal(second, sizeOfVarlong(large))
        assert.ok(second <= MAX_VARLONG_BYTES)
        assert.equal(new ByteCursor(buffer, 0, second).readVarlong(), large)
        const third = writeUnsignedVarint(buffer, 0, small >>> 0)
        assert.equal(third, sizeOfUnsignedVarint(small >>> 0))
        assert.equal(new ByteCursor(buffer, 0, third).readUnsignedVarint(), small >>> 0)
      }),
      { numRuns: 2_000 },
    )
  })

  it('are the bytes of the protocol: 150 is 0xac 0x02 in zigzag', () => {
    const buffer = Buffer.alloc(5)
    assert.deepEqual([...buffer.subarray(0, writeVarint(buffer, 0, 150))], [0xac, 0x02])
    assert.deepEqual([...buffer.subarray(0, writeVarint(buffer, 0, -1))], [0x01])
    assert.deepEqual([...buffer.subarray(0, writeUnsignedVarint(buffer, 0, 300))], [0xac, 0x02])
  })

  it('are MQ_BATCH_CORRUPT when they are cut short or too long (V1, V2)', () => {
    for (const read of ['readVarint', 'readUnsignedVarint', 'readVarlong'] as const) {
      assert.throws(() => new ByteCursor(Buffer.alloc(0))[read](), isCorrupt)
      assert.throws(() => new ByteCursor(Buffer.from([0x80, 0x80]))[read](), isCorrupt)
      assert.throws(() => new ByteCursor(Buffer.alloc(20, 0xff))[read](), isCorrupt)
      // The bytes are there, but not ours to read.
      assert.throws(() => new ByteCursor(Buffer.from([0x80, 0x01]), 0, 1)[read](), isCorrupt)
    }
    assert.throws(() => new ByteCursor(Buffer.from([0xff, 0xff, 0xff, 0xff, 0x1f])).readUnsignedVarint(), isCorrupt)
  })

  it('never leave their bytes, whatever these are', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 12 }), fc.nat(12), (bytes, end) => {
        for (const read of ['readVarint', 'readUnsignedVarint', 'readVarlong'] as const) {
          const cursor = new ByteCursor(bytes, 0, end)
          try {
            assert.ok(Number.isInteger(cursor[read]()))
            assert.ok(cursor.position <= Math.min(end, bytes.length))
          } catch (error) {
            assert.ok(isCorrupt(error), String(error))
          }
        }
      }),
      { numRuns: 2_000 },
    )
  })
})
