/**
 * What stays of what was made for all (watch-verdict V6, V7, verdict V4).
 */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { devTimes, judgeWatch, type WatchFacts } from '@mq/autopilot'
import { T0, windows } from './judged.ts'

describe('the verdict after widening', () => {
  const watched = (change: Partial<WatchFacts> = {}): WatchFacts => ({
    after: windows(['a', 'b', 'c', 'd'], 10, 0.6),
    before: windows(['a', 'b', 'c', 'd'], 20, 1, {}, T0 - 30_000),
    goal: 'cost',
    subject: 'producers',
    readers: null,
    trialChange: -0.4,
    predictedRatio: 0.6,
    guardrails: [],
    afterP99Ms: 12,
    beforeP99Ms: 10,
    p99LimitMs: 100,
    sinceMs: devTimes.watchMs,
    reportedRecords: 40_000,
    storedRecords: 40_000,
    bytes: null,
    isStructural: false,
    times: devTimes,
    ...change,
  })

  test('what holds for all is kept', () => {
    assert.equal(judgeWatch(watched()).kind, 'pass')
  })

  test('what the trial promised and all of them do not show is undone', () => {
    const verdict = judgeWatch(
      watched({ after: windows(['a', 'b', 'c', 'd'], 10, 1), sinceMs: devTimes.longestWatchMs }),
    )
    assert.equal(verdict.kind, 'lose')
  })

  test('a liar among all of them does not keep it: most instances have to get cheaper (V4)', () => {
    const after = [...windows(['a'], 10, 0.3), ...windows(['b', 'c', 'd'], 10, 1.01)]
    assert.notEqual(judgeWatch(watched({ after })).kind, 'pass')
    const many = [...windows(['a'], 200, 0.5), ...windows(['b', 'c', 'd'], 10, 1.01)]
    assert.equal(judgeWatch(watched({ after: many })).kind, 'lose')
  })

  test('a log that grows by more than clients say they sent decides nothing, one that grows by less may have been cut (V4)', () => {
    const grew = judgeWatch(watched({ bytes: { reported: 1_000_000, held: 1_700_000 } }))
    assert.equal(grew.kind, 'lose')
    assert.deepEqual(grew.reason, { code: 'bytes-disagree', facts: { reported: 1_000_000, held: 1_700_000 } })
    for (const held of [1_400_000, 900_000, -5_000_000]) {
      assert.equal(judgeWatch(watched({ bytes: { reported: 1_000_000, held } })).kind, 'pass')
    }
  })

  test('traffic that stops proves nothing: it is undone, unless it saves without traffic', () => {
    const silent = { after: [], sinceMs: devTimes.longestWatchMs }
    assert.equal(judgeWatch(watched(silent)).kind, 'lose')
    assert.equal(judgeWatch(watched({ ...silent, isStructural: true })).kind, 'pass')
  })

  test('what is cheaper by its nature is not held against instances that send as before (V7)', () => {
    const same = { after: windows(['a', 'b', 'c', 'd'], 10, 1), predictedRatio: 0.8 }
    assert.equal(judgeWatch(watched({ ...same, isStructural: true })).kind, 'pass')
    assert.notEqual(judgeWatch(watched(same)).kind, 'pass')
    const dearer = { ...same, after: windows(['a', 'b', 'c', 'd'], 10, 1.2), sinceMs: devTimes.longestWatchMs }
    assert.equal(judgeWatch(watched({ ...dearer, isStructural: true })).kind, 'lose')
  })
})
