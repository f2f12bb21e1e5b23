import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { describe, it } from 'node:test'
import { constants, zstdCompressSync, zstdDecompressSync } from 'node:zlib'
import { MOST, ZstdFrames } from '../src/records/zstd-frames.ts'

const text = (bytes: number, seed: number): Buffer =>
  Buffer.from(
    Array.from({ length: Math.ceil(bytes / 20) }, (_, n) => `{"id":${(n * 7919 + seed * 104729) % 100_003}},`).join(''),
  ).subarray(0, bytes)

const alone = (level: number | undefined, data: Buffer): Buffer =>
  zstdCompressSync(data, {
    pledgedSrcSize: data.length,
    ...(level === undefined ? {} : { params: { [constants.ZSTD_c_compressionLevel]: level } }),
  })

describe('ZstdFrames', () => {
  it('makes of every batch the frame that a compressor of its own would make (Z1)', async () => {
    const frames = new ZstdFrames()
    const inputs = [32_768, 131_011, 40_001, 1_000_000, 131_011, 600_000].map(text)
    for (const level of [1, undefined, 6]) {
      for (const [at, data] of inputs.entries()) {
        const frame = await frames.compress(level, data)
        assert.ok(frame.equals(alone(level, data)), `level ${level}, input ${at}`)
      }
    }
    assert.equal(frames.size, 3)
  })

  it('gives a frame whole that crosses the ends of output buffers (Z1)', async () => {
    const frames = new ZstdFrames()
    for (let round = 0; round < 3; round++) {
      for (const bytes of [131_000, 1_200_000, 300_000, 131_000, 500_000, 32_800, 524_288]) {
        const data = randomBytes(bytes)
        const frame = await frames.compress(1, data)
        assert.ok(zstdDecompressSync(frame).equals(data))
        assert.ok(frame.length <= alone(1, data).length, `${bytes} bytes make ${frame.length}`)
      }
    }
  })

  it('keeps frames that are made at the same time apart, with few compressors (Z2, Z3)', async () => {
    const frames = new ZstdFrames()
    const inputs = Array.from({ length: 40 }, (_, n) => text(33_000 + n * 5_000, n))
    let most = 0
    const made = await Promise.all(
      inputs.map(async (data, n) => {
        const frame = await frames.compress(1 + (n % 3), data)
        most = Math.max(most, frames.size)
        return frame
      }),
    )
    for (const [at, frame] of made.entries()) assert.ok(frame.equals(alone(1 + (at % 3), inputs[at]!)), `input ${at}`)
    assert.equal(most, MOST)
    for (const level of [4, 5, 6, 7, 8]) await frames.compress(level, inputs[0]!)
    assert.equal(frames.size, MOST)
    assert.ok((await frames.compress(2, inputs[7]!)).equals(alone(2, inputs[7]!)))
  })

  it('keeps none of a level that takes much memory (Z3)', async () => {
    const frames = new ZstdFrames()
    const inputs = Array.from({ length: 9 }, (_, n) => text(40_000, n))
    const made = await Promise.all(inputs.map((data) => frames.compress(15, data)))
    for (const [at, frame] of made.entries()) assert.ok(frame.equals(alone(15, inputs[at]!)))
    assert.equal(frames.size, 0)
  })

  it('goes on with another compressor after one that failed (Z4)', async () => {
    const frames = new ZstdFrames()
    for (let count = 0; count <= MOST; count++) await assert.rejects(frames.compress(1, 7 as unknown as Buffer))
    assert.equal(frames.size, 0)
    const data = text(64_000, 2)
    assert.ok((await frames.compress(1, data)).equals(alone(1, data)))
  })
})
