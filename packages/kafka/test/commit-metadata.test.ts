import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import {
  decodeCommitMetadata,
  encodeCommitMetadata,
  type FailingRecord,
  type FinishedRange,
  MAX_METADATA_BYTES,
} from '../src/group/commit-metadata.ts'

const ID = '01234567-89ab-cdef-0123-456789abcdef'
const OFFSETS = fc.bigInt({ min: 0n, max: 9_000_000_000_000_000_000n })

/** Ranges as a reader has them: rising, apart, above the position. */
const rangesFrom = (offset: bigint): fc.Arbitrary<FinishedRange[]> =>
  fc
    .array(fc.tuple(fc.bigInt({ min: 1n, max: 5_000n }), fc.bigInt({ min: 1n, max: 5_000n })), { maxLength: 600 })
    .map((runs) => {
      let at = offset
      return runs.map(([gap, length]) => {
        const first = at + gap
        at = first + length
        return { first, end: at }
      })
    })

const CASES = OFFSETS.chain((offset) => fc.tuple(fc.constant(offset), rangesFrom(offset)))
const IDS = fc.option(
  fc.uuid().filter((id) => id !== '00000000-0000-0000-0000-000000000000'),
  { nil: undefined },
)

describe('the note beside a position', () => {
  it('is read as it was written; of many ranges those nearest to the position are kept (N2, N3)', () => {
    fc.assert(
      fc.property(CASES, IDS, fc.nat({ max: 0x7fff_ffff }), ([offset, finished], topicId, leaderEpoch) => {
        const text = encodeCommitMetadata(offset, { topicId, finished, leaderEpoch })
        assert.ok(text.length <= MAX_METADATA_BYTES)
        const note = decodeCommitMetadata(offset, text)
        assert.ok(note !== undefined)
        assert.equal(note.topicId, topicId)
        assert.deepEqual(note.finished, finished.slice(0, note.finished.length))
        assert.equal(note.leaderEpoch, note.finished.length === 0 ? undefined : leaderEpoch)
        if (note.finished.length < finished.length) assert.ok(text.length > MAX_METADATA_BYTES - 12)
      }),
    )
  })

  it('says nothing when it is anything else, whatever it is (N1)', () => {
    const texts = fc.oneof(
      fc.string({ maxLength: 60 }),
      fc.string({ maxLength: 40 }).map((text) => `mq1 ${text}`),
      fc.string({ maxLength: 40, unit: fc.constantFrom(...'0123456789az. -') }).map((text) => `mq1 - ${text}`),
    )
    fc.assert(
      fc.property(OFFSETS, texts, (offset, text) => {
        const note = decodeCommitMetadata(offset, text)
        if (note === undefined) return
        // What can be read is what would be written.
        let at = offset
        for (const { first, end } of note.finished) {
          assert.ok(first > at && end > first)
          at = end
        }
        if (!/\b0+[0-9a-z]/.test(text)) assert.equal(encodeCommitMetadata(offset, note).trimEnd(), text.trimEnd())
      }),
      { numRuns: 2_000 },
    )
    for (const text of [
      null,
      undefined,
      '',
      'mq1',
      'mq2 -',
      'mq1 short',
      'mq1 - 0',
      'mq1 - 0 ',
      'mq1 - 0 1',
      'mq1 - 0 1.0',
      'mq1 - 0 0.1',
    ]) {
      assert.equal(decodeCommitMetadata(5n, text), undefined, String(text))
    }
    assert.equal(decodeCommitMetadata(5n, `mq1 - 0 1.1${'.1.1'.repeat(MAX_METADATA_BYTES)}`), undefined)
    assert.equal(decodeCommitMetadata(5n, 'mq1 - 0 1.zzzzzzzzzzzzz'), undefined)
  })

  it('tells how often records failed, beside what is finished or alone; of many those nearest are kept (N2, N4)', () => {
    const failures = fc.array(
      fc.tuple(
        fc.bigInt({ min: 0n, max: 5_000n }),
        fc.integer({ min: 1, max: 5_000 }),
        fc.integer({ min: 1, max: 4e12 }),
      ),
      { maxLength: 90, size: 'max' },
    )
    const longest = { kept: Number.POSITIVE_INFINITY }
    fc.assert(
      fc.property(CASES, failures, fc.nat({ max: 0x7fff_ffff }), ([offset, finished], shapes, leaderEpoch) => {
        let at = offset
        const failing = shapes.map(([gap, attempts, firstFailedAtMs], index): FailingRecord => {
          at += index === 0 ? gap : gap + 1n
          return { offset: at, attempts, firstFailedAtMs }
        })
        const text = encodeCommitMetadata(offset, { topicId: ID, finished, leaderEpoch, failing })
        assert.ok(text.length <= MAX_METADATA_BYTES)
        const note = decodeCommitMetadata(offset, text)
        assert.ok(note !== undefined)
        assert.deepEqual(note.finished, finished.slice(0, note.finished.length))
        const kept = note.failing ?? []
        assert.deepEqual(kept, failing.slice(0, kept.length))
        if (kept.length < failing.length) longest.kept = Math.min(longest.kept, kept.length)
        if (failing.length > 0) assert.equal(note.leaderEpoch, leaderEpoch)
      }),
      { numRuns: 300 },
    )
    assert.ok(longest.kept >= 40, `only ${longest.kept} failures fit`)
    for (const text of [
      'mq1 - 0 -',
      'mq1 - 0 - ',
      'mq1 - 0 - 1.1',
      'mq1 - 0 - 0.0.1',
      'mq1 - 0 - 1.1.1.0.1.1',
      'mq1 - 0 - 1.1.1 ',
    ]) {
      assert.equal(decodeCommitMetadata(5n, text), undefined, text)
    }
  })

  it('is as the reference says', () => {
    const finished = [
      { first: 101n, end: 501n },
      { first: 503n, end: 510n },
    ]
    const text = encodeCommitMetadata(100n, { topicId: ID, finished, leaderEpoch: 40 })
    assert.equal(text, 'mq1 ASNFZ4mrze8BI0VniavN7w 14 1.b4.2.7')
    assert.deepEqual(decodeCommitMetadata(100n, text), { topicId: ID, finished, leaderEpoch: 40 })
    const failing = [
      { offset: 100n, attempts: 3, firstFailedAtMs: 1_796_000_000_000 },
      { offset: 502n, attempts: 1, firstFailedAtMs: 1_796_000_060_000 },
    ]
    const withFailures = 'mq1 ASNFZ4mrze8BI0VniavN7w 14 1.b4.2.7 0.3.mx2k114w.b6.1.mx2k2bfk'
    assert.equal(encodeCommitMetadata(100n, { topicId: ID, finished, leaderEpoch: 40, failing }), withFailures)
    assert.deepEqual(decodeCommitMetadata(100n, withFailures), { topicId: ID, finished, leaderEpoch: 40, failing })
    assert.equal(
      encodeCommitMetadata(100n, { topicId: ID, finished: [], leaderEpoch: 40, failing: failing.slice(0, 1) }),
      'mq1 ASNFZ4mrze8BI0VniavN7w 14 - 0.3.mx2k114w',
    )
    assert.equal(encodeCommitMetadata(1n, { topicId: undefined, finished: [], leaderEpoch: undefined }), 'mq1 -')
    assert.equal(
      encodeCommitMetadata(1n, { topicId: '00000000-0000-0000-0000-000000000000', finished: [], leaderEpoch: 3 }),
      'mq1 -',
    )
  })
})
