/**
 * The time before a change, as it is kept (baseline B2), and which group of consumers counts (D2).
 */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { kept, whoOf, windowsOf, worstGroupOf } from '@mq/autopilot'
import { sample, T0 } from './judged.ts'

describe('groups that are slow by themselves', () => {
  test('one that got slower by much and is within its limit hides nothing that is over (D2)', () => {
    const then = new Map([
      ['a', 10],
      ['b', 450],
      ['c', 900],
    ])
    const worst = (a: number, b: number, c: number) =>
      worstGroupOf(
        [
          { group: 'a', p99Ms: a },
          { group: 'b', p99Ms: b },
          { group: 'c', p99Ms: c },
        ],
        (group) => then.get(group) ?? null,
        () => 500,
      )
    assert.deepEqual(worst(40, 600, 920), { p99Ms: 600, limitMs: 500, restP99Ms: 450 })
    assert.equal(worst(520, 460, 920).p99Ms, 520)
    assert.equal(worst(40, 460, 1_300).p99Ms, 1_300)
    assert.deepEqual(
      worstGroupOf(
        [],
        () => null,
        () => 500,
      ),
      { p99Ms: null, limitMs: 500, restP99Ms: null },
    )
  })
})

describe('the time before', () => {
  test('of thousands of windows those on trial and every group keep a past of their own (B2)', () => {
    const all = Array.from({ length: 60 * 72 }, (_, nth) => {
      const reader = nth % 60
      const window = {
        instance: `i${reader}`,
        group: reader === 59 ? 'small' : 'large',
        windowStartMs: T0 + nth * 10,
        windowMs: 10_000,
        activeMs: 10_000,
        trial: null,
        records: 100,
        wireBytes: 1_000,
      }
      return window
    })
    const windows = windowsOf(all, {
      isPlausible: () => true,
      sampleOf: ({ instance, group, windowStartMs, activeMs, records }) =>
        sample({ instance, group, atMs: windowStartMs, activeMs, records }),
      latencyOf: () => ({ quantileMs: () => null }),
      mergedP99Ms: () => null,
    })
    assert.equal(windows.parts.length, all.length, 'nobody is passed over')
    const { baseline, past } = kept(windows, ['i7', 'i11'])
    assert.equal(baseline.length, 160)
    const both = [...baseline, ...past]
    const of = (who: string): number => both.filter((one) => whoOf(one) === who).length
    assert.ok(of('large i7') >= 12 && of('large i11') >= 12, `${of('large i7')} ${of('large i11')}`)
    assert.ok(of('small i59') >= 6, `${of('small i59')}`)
    assert.ok(past.length < 40)
    const last = all.findLast(({ instance }) => instance === 'i7')!.windowStartMs
    assert.ok(
      both.some(({ instance, atMs }) => instance === 'i7' && atMs === last),
      'the newest is among them',
    )
  })
})
