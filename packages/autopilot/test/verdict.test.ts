/**
 * What a trial proves: the statistics (Z1-Z3), who tries (N1-N3), what stops it (R1-R3), what passes (V1-V4).
 */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import {
  CANARY_SHARE,
  chooseCanary,
  devTimes,
  type GuardrailInput,
  guardrails,
  isPlausible,
  judgeTrial,
  judgeWatch,
  mannWhitneyLess,
  medianChange,
  type ProducerWindow,
  percent,
  type Sample,
  type TrialFacts,
  verdictText,
  type WatchFacts,
} from '@mq/autopilot'
import fc from 'fast-check'
import { sample, T0, windows } from './judged.ts'

describe('statistics', () => {
  test('Mann-Whitney gives the tables of Mann and Whitney for small samples (Z1, Z2)', () => {
    assert.equal(mannWhitneyLess([1, 2, 3], [4, 5, 6]), 1 / 20)
    assert.equal(mannWhitneyLess([1, 3, 5], [2, 4, 6]), 7 / 20)
    assert.equal(mannWhitneyLess([1, 2, 3, 4], [5, 6, 7, 8]), 1 / 70)
    assert.equal(mannWhitneyLess([5, 6, 7, 8], [1, 2, 3, 4]), 1)
    assert.equal(mannWhitneyLess([], [1]), 1)
    assert.equal(mannWhitneyLess([2, 2, 2], [2, 2, 2]), 1)
  })

  test('exact and normal agree where one hands over to the other (Z1)', () => {
    const exact = mannWhitneyLess(
      Array.from({ length: 20 }, (_, n) => n * 2),
      Array.from({ length: 20 }, (_, n) => n * 2 + 7),
    )
    const normal = mannWhitneyLess(
      Array.from({ length: 21 }, (_, n) => n * 2),
      Array.from({ length: 21 }, (_, n) => n * 2 + 7.1),
    )
    assert.ok(Math.abs(exact - normal) < 0.03, `${exact} ${normal}`)
  })

  test('where nothing differs chance says yes as often as it may, and no more often', () => {
    let [yes, runs, state] = [0, 600, 7]
    const random = (): number => {
      state = (state * 48_271) % 2_147_483_647
      return state / 2_147_483_647
    }
    for (let run = 0; run < runs; run++) {
      const draw = (): number[] => Array.from({ length: 12 }, random)
      if (mannWhitneyLess(draw(), draw()) < 0.05) yes++
    }
    assert.ok(yes / runs < 0.075, `${yes} of ${runs}`)
  })

  test('an interval holds its change, and the same numbers give the same interval (Z3)', () => {
    fc.assert(
      fc.property(
        fc.array(fc.double({ min: 1, max: 10, noNaN: true }), { minLength: 3, maxLength: 12 }),
        fc.array(fc.double({ min: 1, max: 10, noNaN: true }), { minLength: 3, maxLength: 12 }),
        (after, before) => {
          const one = medianChange(after, before)
          assert.ok(one.low <= one.changeShare + 0.5 && one.high >= one.changeShare - 0.5)
          assert.ok(one.low <= one.high)
          assert.deepEqual(medianChange(after, before), one)
        },
      ),
      { numRuns: 50 },
    )
  })
})

describe('the canary', () => {
  test('takes at most a tenth of the instances, and at least one, whatever they send (N1, N2)', () => {
    fc.assert(
      fc.property(fc.array(fc.nat({ max: 50_000 }), { minLength: 0, maxLength: 120 }), (rates) => {
        const recent = rates.map((records, index) => sample({ instance: `i${index}`, records }))
        const canary = chooseCanary(recent)
        const sending = rates.filter((rate) => rate > 0).length
        if (sending === 0) return assert.equal(canary, undefined)
        assert.ok(canary !== undefined)
        assert.equal(canary.ofInstances, sending)
        assert.equal(canary.design, sending === 1 ? 'windows' : 'instances')
        assert.ok(canary.instances.length >= 1)
        assert.ok(canary.instances.length <= Math.max(1, Math.floor(sending * CANARY_SHARE)))
        for (const one of canary.instances) assert.ok(rates[Number(one.slice(1))]! > 0)
      }),
    )
  })

  test('takes the most usual of them (N3)', () => {
    const recent = [100, 5_000, 90, 110, 1].map((records, index) => sample({ instance: `i${index}`, records }))
    assert.deepEqual(chooseCanary(recent)?.instances, ['i0'])
  })
})

describe('shares in words', () => {
  test('are never powers of ten', () => {
    assert.deepEqual([0, 0.0012, 0.05, 0.1, 0.997, 1, 12.345].map(percent), [
      '0.0 %',
      '0.12 %',
      '5.0 %',
      '10 %',
      '100 %',
      '100 %',
      '1235 %',
    ])
  })
})

describe('guardrails', () => {
  const input = (change: Partial<GuardrailInput>): GuardrailInput => ({
    onTrial: windows(['a'], 10, 1),
    rest: windows(['b', 'c'], 10, 1),
    before: windows(['a'], 10, 1),
    sendP99LimitMs: 100,
    lagBefore: 10,
    lagNow: 20,
    recordsPerSecond: 1_000,
    reports: windows(['a'], 10, 1),
    instances: ['a'],
    beganAtMs: T0,
    nowMs: T0 + 11_000,
    times: devTimes,
    ...change,
  })
  const broken = (change: Partial<GuardrailInput>): string[] =>
    guardrails(input(change)).flatMap(({ name, held }) => (held ? [] : [name]))

  test('hold while nothing is wrong', () => {
    assert.deepEqual(broken({}), [])
    assert.deepEqual(broken({ rest: [], before: [], onTrial: [], reports: [], nowMs: T0 + 1_000 }), [])
  })

  test('each breaks for its own reason (R1)', () => {
    assert.deepEqual(broken({ onTrial: windows(['a'], 10, 1, { errors: 5 }) }), ['errors'])
    assert.deepEqual(broken({ onTrial: windows(['a'], 10, 1, { p99Ms: 101 }) }), ['latency'])
    assert.deepEqual(broken({ onTrial: [...windows(['a'], 9, 1), sample({ p99Ms: 201 })] }), ['latency'])
    assert.deepEqual(broken({ onTrial: windows(['a'], 10, 1, { retries: 10 }) }), ['retries'])
    assert.deepEqual(broken({ onTrial: windows(['a'], 10, 1, { bufferBytesMax: 2 ** 27 }) }), ['buffer'])
    assert.deepEqual(broken({ onTrial: windows(['a'], 10, 1, { records: 300 }) }), ['throughput'])
    assert.deepEqual(broken({ lagNow: 40_000 }), ['lag'])
    assert.deepEqual(broken({ nowMs: T0 + 10_000 + devTimes.silentMs + 1 }), ['silence'])
  })

  test('what everybody suffers is no fault of the trial (R1)', () => {
    const rest = windows(['b', 'c'], 10, 1, { errors: 50, retries: 30, records: 320 })
    assert.deepEqual(broken({ rest, onTrial: windows(['a'], 10, 1, { errors: 40, retries: 25, records: 300 }) }), [])
  })

  test('a machine that is slow by itself is no fault of the trial, one that gets much slower is (R1)', () => {
    const slow = windows(['b'], 10, 1, { p99Ms: 150 })
    assert.deepEqual(broken({ rest: slow, onTrial: windows(['a'], 10, 1, { p99Ms: 140 }) }), [])
    assert.deepEqual(broken({ rest: slow, onTrial: windows(['a'], 10, 1, { p99Ms: 400 }) }), ['latency'])
  })

  test('one slow window is chance, two are not, one that is far over is enough', () => {
    const one = [...windows(['a'], 9, 1), sample({ p99Ms: 150 })]
    assert.deepEqual(broken({ onTrial: one }), [])
    assert.deepEqual(broken({ onTrial: [...one, sample({ p99Ms: 150 })] }), ['latency'])
    assert.deepEqual(broken({ onTrial: [...windows(['a'], 9, 1), sample({ p99Ms: 400, records: 5 })] }), [])
  })
})

function trial(change: Partial<TrialFacts> = {}): TrialFacts {
  return {
    goal: 'cost',
    subject: 'producers',
    design: 'instances',
    onTrial: windows(['a'], 20, 0.6, { trial: 1 }),
    rest: windows(['b', 'c', 'd'], 20, 1),
    before: windows(['a', 'b', 'c', 'd'], 20, 1, {}, T0 - 30_000),
    instances: ['a'],
    startedAtMs: T0,
    nowMs: T0 + 21_000,
    analyses: 0,
    p99LimitMs: 100,
    guardrails: [],
    predictedRatio: 0.6,
    reportedRecords: 80_000,
    storedRecords: 81_000,
    bytes: null,
    onTrialP99Ms: 12,
    restP99Ms: 10,
    times: devTimes,
    ...change,
  }
}

describe('the verdict on a trial', () => {
  test('a change that is cheaper and does no harm passes (V2)', () => {
    const verdict = judgeTrial(trial())
    assert.equal(verdict.kind, 'pass', verdictText(verdict.reason))
    const [cost] = verdict.comparisons
    assert.ok(cost !== undefined && cost.pValue < 0.01 && cost.changeShare < -0.35 && cost.changeShare > -0.45)
    assert.match(cost.test, /Mann-Whitney/)
  })

  test('a broken guardrail ends it before anything is computed (V1)', () => {
    const guardrail = { name: 'errors', limit: 'none', seen: '7', held: false }
    const verdict = judgeTrial(trial({ guardrails: [guardrail], nowMs: T0 + 100, onTrial: [] }))
    assert.equal(verdict.kind, 'lose')
    assert.deepEqual(verdict.reason, { code: 'guardrail', facts: { name: 'errors', seen: '7', limit: 'none' } })
  })

  test('with too few windows, too few records or too little time it waits, and in the end it loses (V2)', () => {
    for (const short of [
      trial({ onTrial: windows(['a'], 3, 0.6) }),
      trial({ onTrial: windows(['a'], 20, 0.6, { records: 6 }) }),
      trial({ nowMs: T0 + 5_000 }),
    ]) {
      assert.equal(judgeTrial(short).kind, 'wait')
    }
    const over = judgeTrial(trial({ onTrial: windows(['a'], 3, 0.6), nowMs: T0 + devTimes.longestTrialMs }))
    assert.equal(over.kind, 'lose')
    const missing = { what: 'windows', have: 3, needed: devTimes.leastWindows, side: 'on trial' }
    assert.deepEqual(over.reason, { code: 'proved-nothing', facts: { afterMs: devTimes.longestTrialMs, missing } })
  })

  test('no difference, or a dearer one, never passes (V2)', () => {
    for (const price of [1, 0.995, 1.3]) {
      const last = judgeTrial(trial({ onTrial: windows(['a'], 20, price), nowMs: T0 + devTimes.longestTrialMs }))
      assert.equal(last.kind, 'lose', `${price}: ${last.reason.code}`)
    }
  })

  test('there is one interim analysis and the last, not as many as it takes to say yes (V3)', () => {
    const same = { onTrial: windows(['a'], 20, 0.99) }
    const first = judgeTrial(trial(same))
    assert.ok(first.kind === 'wait' && first.analysed)
    const second = judgeTrial(trial({ ...same, analyses: 1 }))
    assert.equal(second.reason.code, 'between-analyses')
    assert.ok(second.kind === 'wait' && !second.analysed && second.comparisons.length === 0)
  })

  test('slow within the test is slow: the intent stands above the saving (V2)', () => {
    const verdict = judgeTrial(trial({ onTrialP99Ms: 101 }))
    assert.equal(verdict.kind, 'lose')
    assert.deepEqual(verdict.reason, {
      code: 'too-slow',
      facts: { subject: 'producers', p99Ms: 101, limitMs: 100 },
    })
    assert.equal(judgeTrial(trial({ onTrialP99Ms: 101, restP99Ms: 99 })).kind, 'pass', 'both sides are slow')
    assert.equal(judgeTrial(trial({ onTrialP99Ms: 120, restP99Ms: 99 })).kind, 'lose')
  })

  test('an instance that was cheaper all along proves nothing by being cheaper (V4)', () => {
    const before = [...windows(['a'], 20, 0.6, {}, T0 - 30_000), ...windows(['b', 'c', 'd'], 20, 1, {}, T0 - 30_000)]
    const verdict = judgeTrial(trial({ before, nowMs: T0 + devTimes.longestTrialMs }))
    assert.equal(verdict.kind, 'lose', verdictText(verdict.reason))
  })

  test('one instance in turns is compared with itself (V4)', () => {
    const verdict = judgeTrial(trial({ design: 'windows', rest: windows(['a'], 20, 1), before: [] }))
    assert.equal(verdict.kind, 'pass', verdictText(verdict.reason))
  })
})

describe('lying telemetry', () => {
  test('a saving far beyond the prediction is not believed (V2)', () => {
    const verdict = judgeTrial(trial({ onTrial: windows(['a'], 20, 0.1) }))
    assert.equal(verdict.kind, 'lose')
    assert.equal(verdict.reason.code, 'implausibly-cheap')
  })

  test('records that the brokers never took decide nothing (V4)', () => {
    for (const storedRecords of [20_000, 400_000]) {
      const verdict = judgeTrial(trial({ storedRecords }))
      assert.equal(verdict.kind, 'lose')
      assert.equal(verdict.reason.code, 'counts-disagree')
      assert.equal((verdict.reason.facts as { stored: number }).stored, storedRecords)
    }
  })

  test('of several instances on trial one liar cannot carry the rest (V4)', () => {
    const instances = ['a', 'b', 'c']
    const onTrial = [...windows(['a'], 40, 0.3), ...windows(['b', 'c'], 8, 1.02)]
    const facts = trial({
      instances,
      onTrial,
      rest: windows(['d', 'e', 'f'], 20, 1),
      before: windows(['a', 'b', 'c', 'd', 'e', 'f'], 20, 1, {}, T0 - 30_000),
      predictedRatio: 0.5,
      nowMs: T0 + devTimes.longestTrialMs,
    })
    const verdict = judgeTrial(facts)
    assert.equal(verdict.kind, 'lose', verdictText(verdict.reason))
    assert.deepEqual(verdict.reason, { code: 'few-instances', facts: { goal: 'cost', better: 1, of: 3 } })
  })

  test('windows no client can produce are left out', () => {
    const honest: ProducerWindow = {
      instance: 'a',
      windowMs: 1_000,
      windowStartMs: T0,
      activeMs: 1_000,
      records: 1_000,
      recordBytes: 200_000,
      batches: 10,
      requests: 10,
      uncompressedBytes: 210_000,
      wireBytes: 60_000,
      cpuUs: 4_000,
      errors: 0,
      retries: 0,
      bufferBytesMax: 10_000,
      sendLatency: { quantileMs: () => null },
      trial: null,
    }
    assert.ok(isPlausible(honest))
    assert.ok(
      isPlausible({
        ...honest,
        records: 0,
        recordBytes: 0,
        batches: 0,
        requests: 0,
        wireBytes: 0,
        uncompressedBytes: 0,
      }),
    )
    for (const lie of [
      { wireBytes: 600 },
      { wireBytes: 100 },
      { wireBytes: 900_000 },
      { batches: 2_000 },
      { batches: 0 },
      { requests: 1_000 },
      { uncompressedBytes: 1_000 },
      { cpuUs: 2e9 },
      { activeMs: 0 },
      { activeMs: -5 },
    ]) {
      assert.ok(!isPlausible({ ...honest, ...lie }), JSON.stringify(lie))
    }
  })
})

describe('the verdict on a repair', () => {
  const slow = { p99Ms: 80 }
  const repair = (afterMs: number, change: Partial<TrialFacts> = {}): TrialFacts =>
    trial({
      goal: 'latency',
      onTrial: waves(windows(['a'], 20, 1.3), afterMs),
      rest: waves(windows(['b', 'c', 'd'], 20, 1), 80),
      before: windows(['a', 'b', 'c', 'd'], 20, 1, slow, T0 - 30_000),
      predictedRatio: 1.25,
      onTrialP99Ms: afterMs,
      restP99Ms: 80,
      ...change,
    })

  test('what is faster passes although it costs more, by the same test (V2)', () => {
    const verdict = judgeTrial(repair(40))
    assert.equal(verdict.kind, 'pass', verdictText(verdict.reason))
    assert.equal(verdict.reason.code, 'better')
    assert.match(verdictText(verdict.reason), /^the trial is 50 % faster \(p = /)
    const [latency, cost] = verdict.comparisons
    assert.match(latency!.metric, /p99/)
    assert.ok(cost!.changeShare > 0.25)
  })

  test('what is not faster, faster by next to nothing, or dearer than was said is undone', () => {
    const last = { nowMs: T0 + devTimes.longestTrialMs }
    assert.equal(judgeTrial(repair(85, last)).reason.code, 'few-instances')
    assert.equal(judgeTrial(repair(78, last)).reason.code, 'no-proof')
    assert.equal(judgeTrial(repair(78, last)).kind, 'lose')
    const dear = judgeTrial(repair(40, { onTrial: waves(windows(['a'], 20, 3), 40) }))
    assert.equal(dear.kind, 'lose')
    assert.equal(dear.reason.code, 'dearer-than-predicted')
    assert.equal(verdictText(dear.reason), 'it costs 200 % more where 25 % more was said')
  })

  test('cheaper and slower is no repair, and a saving is not judged by latency', () => {
    const cheaper = { onTrial: waves(windows(['a'], 20, 0.5), 85), ...{ nowMs: T0 + devTimes.longestTrialMs } }
    assert.equal(judgeTrial(repair(85, cheaper)).kind, 'lose')
    assert.equal(judgeTrial(repair(85, { ...cheaper, goal: 'cost', predictedRatio: 0.5 })).kind, 'pass')
  })

  /** The same windows with latencies around `p99Ms`. */
  function waves(samples: readonly Sample[], p99Ms: number): Sample[] {
    return samples.map((one, nth) => ({ ...one, p99Ms: p99Ms * (1 + (((nth * 5) % 9) - 4) / 100 + nth / 1e6) }))
  }

  const watched = (afterMs: number, change: Partial<WatchFacts> = {}): WatchFacts => ({
    goal: 'latency',
    subject: 'producers',
    readers: null,
    after: waves(windows(['a', 'b', 'c', 'd'], 10, 1.3), afterMs),
    before: waves(windows(['a', 'b', 'c', 'd'], 20, 1, {}, T0 - 30_000), 80),
    trialChange: -0.4,
    predictedRatio: 1.25,
    guardrails: [],
    afterP99Ms: afterMs,
    beforeP99Ms: 80,
    p99LimitMs: 100,
    sinceMs: 120_000,
    reportedRecords: 40_000,
    storedRecords: 40_000,
    bytes: null,
    isStructural: false,
    times: { ...devTimes, longestWatchMs: 600_000 },
    ...change,
  })

  test('for all it has to be faster again, and end to end where that was what was missed', () => {
    assert.equal(judgeWatch(watched(40)).kind, 'pass')
    const over = { sinceMs: 600_000 }
    assert.equal(judgeWatch(watched(80, over)).kind, 'lose')
    const readers = (nowMs: number | null) => ({ readers: { seenMs: 200, nowMs } })
    assert.equal(judgeWatch(watched(40, readers(120))).kind, 'pass')
    assert.equal(judgeWatch(watched(40, readers(199))).kind, 'wait')
    for (const nowMs of [199, 300, null]) {
      assert.equal(judgeWatch(watched(40, { ...readers(nowMs), ...over })).reason.code, 'did-not-help')
    }
    // The last minute is still that of before.
    assert.equal(judgeWatch(watched(40, { ...readers(120), sinceMs: 30_000 })).kind, 'wait')
  })

  test('another way to fetch is judged by its readers alone', () => {
    const fetch = (nowMs: number, change: Partial<WatchFacts> = {}) =>
      judgeWatch(watched(80, { isStructural: true, readers: { seenMs: 200, nowMs }, ...change })).kind
    assert.equal(fetch(120), 'pass')
    assert.equal(fetch(198), 'wait')
    assert.equal(fetch(198, { sinceMs: 600_000 }), 'lose')
    assert.equal(fetch(198, { sinceMs: 600_000, after: [] }), 'lose')
  })
})
