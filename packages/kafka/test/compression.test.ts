import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { gzipSync, zstdCompressSync } from 'node:zlib'
import { type Codec, MqError } from '@mq/contract'
import fc from 'fast-check'
import { compressFrameSync } from 'lz4-napi'
import { compressSync as rawSnappy } from 'snappy'
import { codecs, compress, compressSync, decompress, OFF_THREAD_BYTES } from '../src/records/compression.ts'

const LIMIT = 1 << 20
const packing = codecs.filter((codec) => codec !== 'none')
const text = Buffer.from(
  Array.from({ length: 3_000 }, (_, i) => `{"order":${i},"city":"Oslo","sum":${i % 97}}`).join('\n'),
)

const refusesOrReturns = (codec: Codec, bytes: Buffer, limit: number): void => {
  try {
    assert.ok(decompress(codec, bytes, limit).length <= limit)
  } catch (error) {
    assert.ok(error instanceof MqError && error.code === 'MQ_CODEC_FAILED', `${codec}: ${error}`)
  }
}

describe('compression', () => {
  for (const codec of codecs) {
    it(`gives back what ${codec} took, whatever the bytes (C1)`, () => {
      fc.assert(
        fc.property(fc.uint8Array({ maxLength: 5_000 }), fc.integer({ min: 1, max: 40 }), (part, times) => {
          const data = Buffer.concat(Array.from({ length: times }, () => Buffer.from(part)))
          assert.deepEqual(decompress(codec, compressSync(codec, undefined, data), LIMIT), data)
        }),
        { numRuns: 60 },
      )
    })

    it(`gives the same data off the main thread as on it with ${codec} (C4)`, async () => {
      assert.ok(text.length > OFF_THREAD_BYTES)
      const packed = await compress(codec, undefined, text)
      assert.deepEqual(decompress(codec, packed, LIMIT), text)
      assert.deepEqual(
        decompress(codec, await compress(codec, undefined, text.subarray(0, 100)), LIMIT),
        text.subarray(0, 100),
      )
    })
  }

  for (const codec of ['gzip', 'zstd'] as const) {
    it(`packs tighter at a higher level of ${codec}`, () => {
      assert.ok(compressSync(codec, 9, text).length < compressSync(codec, 1, text).length)
    })
  }

  it('says MQ_CODEC_FAILED when a level does not exist', () => {
    assert.throws(
      () => compressSync('gzip', 99, text),
      (error) => error instanceof MqError && error.code === 'MQ_CODEC_FAILED',
    )
  })

  it('reads snappy with and without the Java header, and joined streams (Y2)', () => {
    const first = compressSync('snappy', undefined, text)
    assert.deepEqual(decompress('snappy', rawSnappy(text), LIMIT), text)
    assert.deepEqual(decompress('snappy', Buffer.concat([first, first]), LIMIT), Buffer.concat([text, text]))
    assert.equal(first.subarray(0, 8).toString('latin1'), '\x82SNAPPY\0')
  })

  it('reads an lz4 frame with content size and checksums, and with blocks of 4 MB (Z1, Z4)', () => {
    const checked = compressFrameSync(text, { contentChecksum: true, blockChecksums: true })
    assert.deepEqual(decompress('lz4', checked, LIMIT), text)
    const large = Buffer.alloc(9_000_000, 'abcdefg')
    assert.deepEqual(decompress('lz4', compressFrameSync(large), 10_000_000), large)
  })

  it('refuses a bomb before it grows (C2)', () => {
    const huge = Buffer.alloc(64 * LIMIT)
    const bombs = {
      gzip: gzipSync(huge),
      zstd: zstdCompressSync(huge),
      lz4: compressFrameSync(huge),
      snappy: rawSnappy(huge),
    }
    for (const [codec, bomb] of Object.entries(bombs)) {
      const before = process.memoryUsage.rss()
      assert.throws(
        () => decompress(codec as Codec, bomb, LIMIT),
        (error) => error instanceof MqError && error.code === 'MQ_CODEC_FAILED',
      )
      assert.ok(process.memoryUsage.rss() - before < 32 * LIMIT, `${codec} grew`)
    }
  })

  it('adds up the blocks of an lz4 frame against the limit (Z1)', () => {
    const data = Buffer.alloc(300_000, 'abcdefghij')
    const packed = compressFrameSync(data)
    assert.deepEqual(decompress('lz4', packed, 300_000), data)
    assert.throws(() => decompress('lz4', packed, 299_999), /allowed 299999/)
  })

  it('refuses a snappy block that claims 4 GB (Y3)', () => {
    const claim = Buffer.from([0xff, 0xff, 0xff, 0xff, 0x0f, 0, 0])
    assert.throws(() => decompress('snappy', claim, LIMIT), /allowed/)
    const framed = Buffer.concat([compressSync('snappy', undefined, Buffer.alloc(0)), Buffer.from([0, 0, 0, 7]), claim])
    assert.throws(() => decompress('snappy', framed, LIMIT), /allowed/)
  })

  it('says MQ_CODEC_FAILED for data of another codec, cut short or empty (C3)', () => {
    for (const codec of packing) {
      const packed = compressSync(codec, undefined, text)
      for (const other of packing) if (other !== codec) refusesOrReturns(other, packed, LIMIT)
      for (const end of [0, 1, 6, 10, 15, packed.length >> 1, packed.length - 1]) {
        refusesOrReturns(codec, packed.subarray(0, end), LIMIT)
      }
    }
    for (const codec of ['gzip', 'lz4', 'zstd'] as const) {
      const cut = compressSync(codec, undefined, text).subarray(0, 200)
      assert.throws(
        () => decompress(codec, cut, LIMIT),
        (error) => error instanceof MqError && error.code === 'MQ_CODEC_FAILED',
      )
    }
  })

  it('survives random and mutated bytes in every codec (C2, C3)', () => {
    const small = text.subarray(0, 2_000)
    for (const codec of packing) {
      const packed = compressSync(codec, undefined, small)
      fc.assert(
        fc.property(
          fc.array(fc.tuple(fc.nat(packed.length - 1), fc.nat(255)), { minLength: 1, maxLength: 6 }),
          fc.nat(packed.length),
          (changes, end) => {
            const bytes = Buffer.from(packed)
            for (const [at, value] of changes) bytes[at] = value
            refusesOrReturns(codec, bytes, LIMIT)
            refusesOrReturns(codec, bytes.subarray(0, end), LIMIT)
          },
        ),
        { numRuns: 400 },
      )
      fc.assert(
        fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => refusesOrReturns(codec, Buffer.from(bytes), LIMIT)),
        { numRuns: 300 },
      )
    }
  })
})
