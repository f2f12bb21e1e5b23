/**
 * Worlds that are kept and proposed from again (recorded-world R1-R3).
 */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { describe, test } from 'node:test'
import { loops, readWorld, replay, serialise, worldAbout } from '@mq/autopilot'
import fc from 'fast-check'
import { manyWorlds as worlds } from './many-worlds.ts'
import { anId, aWorld, tuning } from './worlds.ts'

describe('a recorded World', () => {
  test('is read back as it was, and its loops propose the same bytes (R1, R2)', () => {
    let proposed = 0
    for (const [name, world] of Object.entries(worlds)) {
      const text = serialise(world)
      const back = readWorld(text)
      assert.deepEqual(back, world, name)
      assert.equal(serialise(back), text, name)
      for (const { name: loop, assess } of loops) {
        for (const { proposal } of assess(world)) {
          if (proposal === undefined) continue
          proposed++
          const again = replay(loops, loop, back, serialise(proposal))
          assert.deepEqual(again.differences, [], `${name} ${loop}`)
          assert.ok(again.same, `${name} ${loop}`)
        }
      }
    }
    assert.ok(proposed >= 5, `${proposed} proposals`)
  })

  test('gives one text whatever the order of keys, and keeps numbers that JSON does not know (R1)', () => {
    fc.assert(
      fc.property(fc.dictionary(fc.string(), fc.oneof(fc.double(), fc.string(), fc.constant(null))), (value) => {
        // A key of this name would be read as a number.
        fc.pre(!Object.hasOwn(value, '__proto__') && !Object.hasOwn(value, '$number'))
        const turned = Object.fromEntries(Object.entries(value).reverse())
        assert.equal(serialise(turned), serialise(value))
      }),
    )
    const odd = {
      ids: [{ id: 'a', figures: [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, Number.NaN, -0, 0, 1e-300] }],
    }
    const back = readWorld(serialise({ ...odd, nowMs: 1, times: {}, clusters: [] })) as unknown as typeof odd
    for (const [nth, figure] of odd.ids[0]!.figures.entries())
      assert.ok(Object.is(back.ids[0]!.figures[nth], figure), `${figure}`)
  })

  test('holds the mQ ID of the decision and no other (R3), and refuses what is no World', () => {
    const world = aWorld([anId(), anId({ id: 'other' })])
    assert.deepEqual(
      worldAbout(world, 'other').ids.map(({ id }) => id),
      ['other'],
    )
    for (const text of ['{}', '[]', serialise(world), serialise({ ...world, ids: [] })])
      assert.throws(() => readWorld(text))
  })
})

describe('a replay', () => {
  test('by other code names every place in which the proposal differs', () => {
    const [proposal] = tuning(worlds.saving)
    assert.ok(proposal !== undefined)
    const altered = loops.map((loop) => ({
      ...loop,
      assess: (world: typeof worlds.saving) =>
        loop
          .assess(world)
          .map((said) =>
            said.proposal === undefined
              ? said
              : { ...said, proposal: { ...said.proposal, title: 'other', costOfChangeUsd: 3 } },
          ),
    }))
    const again = replay(altered, 'tuning', worlds.saving, serialise(proposal))
    assert.equal(again.same, false)
    assert.deepEqual(again.differences.map(({ path }) => path).sort(), ['costOfChangeUsd', 'title'])
    assert.equal(again.reason, null)
  })

  test('by code that proposes nothing, or that has no such loop, says so', () => {
    const recorded = serialise(tuning(worlds.saving)[0])
    const quiet = [{ ...loops[0]!, assess: () => [] }]
    assert.deepEqual(
      [replay(quiet, 'tuning', worlds.saving, recorded).proposal, replay([], 'tuning', worlds.saving, recorded).reason],
      [null, "this version has no loop 'tuning'"],
    )
    const broken = [
      {
        ...loops[0]!,
        assess: () => {
          throw new Error('no such figure')
        },
      },
    ]
    assert.match(replay(broken, 'tuning', worlds.saving, recorded).reason ?? '', /no such figure/)
  })

  test('of Worlds recorded by an earlier build gives the same proposals, byte for byte (R2)', () => {
    // Recorded by `node packages/autopilot/test/record-worlds.ts`. A change of the model or of a loop that is meant is recorded again.
    const file = new URL('recorded-worlds.json', import.meta.url)
    const recorded = JSON.parse(readFileSync(file, 'utf8')) as { loop: string; world: string; proposal: string }[]
    assert.ok(recorded.length >= 5)
    for (const { loop, world, proposal } of recorded) {
      const again = replay(loops, loop, readWorld(world), proposal)
      assert.deepEqual(again.differences, [], loop)
      assert.ok(again.same, loop)
    }
  })
})
