/** What earlier decisions say of codecs that no client measured (codec-experience X1, X2). */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { assumedCurve, curveOf } from '@mq/economics'
import { withExperience } from '../src/codec-experience.ts'
import type { PastDecision } from '../src/past-decision.ts'
import { workload } from './worlds.ts'

const { framedBytes } = workload
const DEPTH = 50
const ratioOf = (from: typeof workload, codec: 'zstd' | 'gzip' | 'lz4', codecLevel: number | null): number =>
  curveOf(from, { codec, codecLevel }).ratio(DEPTH)
const usual = (codec: 'zstd' | 'gzip' | 'lz4', codecLevel: number | null): number =>
  ratioOf(workload, codec, codecLevel)

/** One that measured so many times the bytes that were assumed. */
function decided(codec: 'zstd' | 'gzip', codecLevel: number, factor: number): PastDecision {
  const wireBytesPerRecord = (framedBytes / usual(codec, codecLevel)) * factor + 61 / DEPTH
  return {
    change: { kind: 'producer-settings', before: {}, after: { codec, codecLevel, lingerMs: 100, batchBytes: 65_536 } },
    measured: { wireBytesPerRecord, recordsPerBatch: DEPTH },
  } as unknown as PastDecision
}

describe('codecs by experience', () => {
  test('one that disappointed is corrected at every level, and no other is (X1)', () => {
    const found = withExperience(workload, [decided('zstd', 6, 3)])
    for (const level of [1, 3, 6]) {
      const off = usual('zstd', level) / ratioOf(found, 'zstd', level)
      assert.ok(off > 2.9 && off < 3.1, `zstd ${level}: ${off}`)
    }
    assert.equal(ratioOf(found, 'gzip', 1), usual('gzip', 1))
    assert.equal(ratioOf(found, 'lz4', null), usual('lz4', null))
  })

  test('the newest of a codec counts; what is off by a little, or was not measured, changes nothing (X1)', () => {
    const found = withExperience(workload, [decided('zstd', 6, 3), decided('gzip', 1, 2), decided('zstd', 1, 1.02)])
    assert.equal(ratioOf(found, 'zstd', 6), usual('zstd', 6))
    assert.ok(usual('gzip', 1) / ratioOf(found, 'gzip', 1) > 1.9)
    for (const decisions of [[], [decided('zstd', 6, 1.05)], [{ ...decided('zstd', 6, 3), measured: null }]])
      assert.equal(withExperience(workload, decisions), workload)
  })

  test('no codec is believed to make more of records than they are', () => {
    const found = withExperience(workload, [decided('zstd', 6, 15)])
    assert.ok(ratioOf(found, 'zstd', 6) >= 1)
  })

  test('what clients measured beside the data path counts alone (X2)', () => {
    const measured = {
      ...workload,
      curves: [{ ...assumedCurve('lz4', null, framedBytes), source: 'measured' as const }],
    }
    assert.equal(withExperience(measured, [decided('zstd', 6, 3)]), measured)
  })
})
