/** Roll-ups of traffic and their bytes (I4, C1-C4). */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { readRollups, saveRollups } from '../src/telemetry/rollups.ts'
import { Sketch } from '../src/telemetry/sketch.ts'
import { emptySlice, noGroupCounts, type Slice } from '../src/telemetry/slice.ts'
import { decodeSlice, encodeSlice, NameTable } from '../src/telemetry/slice-codec.ts'
import { startHarness } from './harness.ts'
import { encoded, ID, open, producer } from './reported.ts'

test('every record is in the roll-ups of 10 seconds, of 5 minutes and of an hour once (I4)', async (t) => {
  const plane = await startHarness(t, {})
  const { deps, traffic, report } = open()
  const startMs = deps.clock.nowMs()
  const save = async (all = false): Promise<void> =>
    saveRollups(plane.store, traffic.takeFinished(all), deps.clock.nowMs())
  for (let window = 0; window < 66; window++) {
    report({ producers: [producer({ records: 6_000 + window })] })
    deps.advance(10_000)
    if (window % 7 === 0) await save()
  }
  await save(true)
  const total = 66 * 6_000 + (65 * 66) / 2
  for (const resolutionMs of [10_000, 300_000, 3_600_000]) {
    const windows = await readRollups(plane.store, ID, resolutionMs, startMs - 3_600_000)
    assert.equal(
      windows.reduce((sum, { slice }) => sum + slice.producer.records, 0),
      total,
      `${resolutionMs} ms`,
    )
    assert.deepEqual(
      windows.map(({ windowStartMs }) => windowStartMs),
      windows.map(({ windowStartMs }) => windowStartMs).toSorted((a, b) => a - b),
    )
    if (resolutionMs === 10_000) assert.equal(windows.length, 66)
  }
})

test('slices come back from their bytes as they were (C1, C3)', () => {
  const count = fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER })
  const sketch = fc.array(fc.tuple(fc.integer({ min: 1, max: 80_000_000_000 }), fc.integer({ min: 1, max: 1_000_000 })))
  fc.assert(
    fc.property(
      fc.array(count, { minLength: 10, maxLength: 10 }),
      fc.dictionary(fc.string(), count, { maxKeys: 5 }),
      sketch,
      (counts, groups, values) => {
        const slice: Slice = emptySlice(true)
        const table = new NameTable()
        for (const [index, key] of (Object.keys(slice.producer) as (keyof Slice['producer'])[]).entries()) {
          slice.producer[key] = counts[index]!
        }
        for (const [value, times] of values) slice.sendLatency.add(value, times)
        for (const [group, records] of Object.entries(groups)) {
          slice.groups.set(group, { counts: { ...noGroupCounts(), records }, endToEnd: slice.sendLatency })
        }
        const again = decodeSlice(encodeSlice(slice, table), table)
        assert.deepEqual(again.producer, slice.producer)
        assert.deepEqual([...again.groups.keys()], Object.keys(groups))
        assert.equal(again.sendLatency.total, slice.sendLatency.total)
        for (const [group, { counts: told }] of again.groups) assert.equal(told.records, groups[group])
      },
    ),
    { numRuns: 100 },
  )
})

test('bytes that are no slice are refused (C4)', () => {
  const good = encodeSlice({ ...emptySlice(), sendLatency: Sketch.decode(encoded([[100, 5]])) }, new NameTable())
  for (let length = 0; length < good.length; length++)
    assert.throws(() => decodeSlice(good.subarray(0, length), new NameTable()))
  assert.throws(() => decodeSlice(Buffer.alloc(100, 255), new NameTable()))
})
