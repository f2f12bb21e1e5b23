/**
 * What a trial of readers is made of: who tries (canary N4), which windows count (readings Q1-Q3), what stops it (reader-guardrails R4), and
 * how groups make one test (verdict V4, V5).
 */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { Sample } from '@mq/autopilot'
import {
  type ConsumerWindow,
  chooseReaders,
  devTimes,
  isPlausibleReading,
  judgeTrial,
  type Latencies,
  type ReaderGuardrailInput,
  readerGuardrails,
  reportingOf,
  type TrialFacts,
  untried,
  verdictText,
  whyNoReaders,
} from '@mq/autopilot'
import fc from 'fast-check'

const T0 = 1_800_000_000_000

function reading(group: string, instance: string, change: Partial<Sample> = {}): Sample {
  return {
    instance,
    group,
    atMs: T0,
    activeMs: 1_000,
    trial: null,
    records: 100,
    recordBytes: 20_000,
    wireBytes: 10_000,
    batches: 10,
    requests: 50,
    cpuUs: null,
    errors: 0,
    retries: 0,
    bufferBytesMax: 0,
    p99Ms: 20,
    usdPerMillion: 1,
    rebalances: 0,
    lagRecords: 5,
    ...change,
  }
}

/** One window a second of one reader, priced around `price` with a seeded wobble. */
function windows(
  group: string,
  instance: string,
  seconds: number,
  price: number,
  change: Partial<Sample> = {},
): Sample[] {
  return Array.from({ length: seconds }, (_, second) => {
    const wobble = 1 + (((second * 7 + instance.length * 3) % 11) - 5) / 100 + second / 1e6
    return reading(group, instance, { atMs: T0 + second * 1_000, usdPerMillion: price * wobble, ...change })
  })
}

describe('the readers that try', () => {
  test('at most a tenth of the members of each group, whoever reads for whom, and at least one where that can be (N4)', () => {
    const members = fc.uniqueArray(fc.nat(40), { minLength: 1, maxLength: 30 })
    const few = fc.uniqueArray(fc.nat(6), { minLength: 1, maxLength: 4 })
    const groupsOf = fc.oneof(
      fc.array(members, { minLength: 1, maxLength: 4 }),
      fc.array(few, { minLength: 4, maxLength: 8 }),
    )
    const most = (own: readonly number[]): number => Math.max(1, Math.floor(own.length * 0.1))
    let [tried, left] = [0, 0]
    fc.assert(
      fc.property(groupsOf, fc.nat(5), (groups, seed) => {
        const recent = groups.flatMap((own, nth) =>
          own.map((one) => reading(`g${nth}`, `i${one}`, { records: 80 + ((one * 7 + seed) % 40) })),
        )
        const canary = chooseReaders(recent)!
        const all = new Set(groups.flat())
        assert.equal(canary.ofInstances, all.size)
        assert.equal(canary.design, canary.instances.length === all.size ? 'windows' : 'instances')
        const onTrial = (own: readonly number[]): number =>
          own.filter((one) => canary.instances.includes(`i${one}`)).length
        for (const own of groups) assert.ok(onTrial(own) <= most(own), 'nobody is over its share')
        const names = groups.map((_, nth) => `g${nth}`)
        const without = groups.filter((own) => onTrial(own) === 0)
        assert.equal(untried(names, recent, canary.instances).length, without.length)
        for (const own of without) {
          left++
          // Each of its members would put another group over its share.
          const isFull = (one: number) => groups.some((other) => other.includes(one) && onTrial(other) >= most(other))
          assert.ok(own.every(isFull))
        }
        if (without.length === 0) tried++
      }),
      { numRuns: 300 },
    )
    assert.ok(tried > 50 && left > 0, `${tried} tried, ${left} left out`)
  })

  test('a group whose every member reads for a private group, too, is never on trial as a whole (N4)', () => {
    const hosts = Array.from({ length: 10 }, (_, nth) => `host-${nth}`)
    const recent = hosts.flatMap((host) => [reading('workers', host), reading(`cache-${host}`, host)])
    const canary = chooseReaders(recent)
    assert.equal(canary?.instances.length, 1)
    assert.equal(canary.design, 'instances')
    assert.equal(untried(['workers', ...hosts.map((host) => `cache-${host}`)], recent, canary.instances).length, 9)
  })

  test('one process that reads for all is enough, and nobody else is taken', () => {
    const recent = ['a', 'b', 'c'].flatMap((group) => [0, 1, 2, 3].map((nth) => reading(group, `i${nth}`)))
    assert.deepEqual(chooseReaders(recent)?.instances, ['i0'])
  })

  test('who reads nothing proves nothing, and without readers there is no trial', () => {
    const idle = [0, 1, 2].map((nth) => reading('a', `i${nth}`, { records: nth === 2 ? 100 : 0 }))
    assert.deepEqual(chooseReaders(idle), { design: 'windows', instances: ['i2'], ofInstances: 1 })
    assert.equal(chooseReaders([reading('a', 'i0', { records: 0 })]), undefined)
    assert.equal(chooseReaders([]), undefined)
  })
})

describe('the windows that count', () => {
  const latencies = (ms: number): Latencies => ({ quantileMs: () => ms })
  const window = (change: Partial<ConsumerWindow> = {}): ConsumerWindow => ({
    instance: 'i',
    group: 'billing',
    windowStartMs: T0,
    windowMs: 10_000,
    activeMs: 10_000,
    records: 1_000,
    recordBytes: 200_000,
    batches: 100,
    fetchRequests: 90,
    wireBytes: 50_000,
    handlerErrors: 0,
    redeliveries: 0,
    rebalances: 0,
    lagRecords: 3,
    endToEnd: latencies(30),
    trial: null,
    settings: { fetchMinBytes: 1, fetchMaxWaitMs: 200 },
    ...change,
  })

  test('what brokers and clocks do not allow is left out (Q1)', () => {
    assert.ok(isPlausibleReading(window()))
    for (const lie of [{ activeMs: 0 }, { wireBytes: 6_000 }, { wireBytes: 1e12 }]) {
      assert.ok(!isPlausibleReading(window(lie)), JSON.stringify(lie))
    }
  })

  test('who hardly fetches and is never late lies; who is late, idle, or has just joined may not (Q2)', () => {
    assert.ok(!isPlausibleReading(window({ fetchRequests: 5 })))
    assert.ok(isPlausibleReading(window({ fetchRequests: 5, endToEnd: latencies(1_500) })), 'handlers were slow')
    assert.ok(isPlausibleReading(window({ fetchRequests: 5, records: 10, endToEnd: latencies(30) })))
    assert.ok(isPlausibleReading(window({ fetchRequests: 5, rebalances: 1 })))
    assert.ok(isPlausibleReading(window({ fetchRequests: 20 })), 'as seldom as the wait allows')
  })

  test('a group of which nobody reports windows cannot be compared, one with some can (Q3)', () => {
    const recent = [window(), window({ instance: 'k' }), window({ instance: 'k' })]
    const groups = reportingOf(
      [
        { group: 'billing', members: 3 },
        { group: 'gone', members: 0 },
      ],
      recent,
    )
    assert.deepEqual(groups, [{ group: 'billing', members: 3, reporting: 2 }])
    assert.equal(whyNoReaders(groups), null)
    assert.match(whyNoReaders(reportingOf([{ group: 'a', members: 1 }], recent))!, /no reader of group 'a' reports/)
    const many = ['a', 'b', 'c', 'd', 'e'].map((group) => ({ group, members: 1, reporting: 0 }))
    assert.match(whyNoReaders(many)!, /the groups 'a', 'b', 'c', 2 more reports/)
    assert.match(whyNoReaders([])!, /no group reads it/)
  })
})

describe('guardrails of readers', () => {
  const input = (change: Partial<ReaderGuardrailInput>): ReaderGuardrailInput => ({
    onTrial: windows('a', 'i', 10, 1),
    rest: [...windows('a', 'j', 10, 1), ...windows('a', 'k', 10, 1)],
    before: windows('a', 'i', 10, 1),
    endToEndLimitMs: () => 100,
    reports: windows('a', 'i', 10, 1),
    instances: ['i'],
    beganAtMs: T0,
    nowMs: T0 + 11_000,
    times: devTimes,
    ...change,
  })
  const broken = (change: Partial<ReaderGuardrailInput>): string[] =>
    readerGuardrails(input(change)).flatMap(({ name, held }) => (held ? [] : [name]))
  const onTrial = (change: Partial<Sample>): Pick<ReaderGuardrailInput, 'onTrial'> => ({
    onTrial: windows('a', 'i', 10, 1, change),
  })

  test('hold while nothing is wrong, and when there is nothing yet', () => {
    assert.deepEqual(broken({}), [])
    assert.deepEqual(broken({ onTrial: [], rest: [], before: [], reports: [], nowMs: T0 + 1_000 }), [])
  })

  test('each breaks for its own reason', () => {
    assert.deepEqual(broken(onTrial({ p99Ms: 101 })), ['latency'])
    assert.deepEqual(broken(onTrial({ lagRecords: 10_000 })), ['lag on trial'])
    assert.deepEqual(broken(onTrial({ errors: 5 })), ['handler errors'])
    assert.deepEqual(broken(onTrial({ retries: 5 })), ['redeliveries'])
    assert.deepEqual(broken(onTrial({ rebalances: 1 })), ['rebalances'])
    assert.deepEqual(broken(onTrial({ records: 30 })), ['throughput'])
    assert.deepEqual(broken({ nowMs: T0 + 10_000 + devTimes.silentMs + 1 }), ['silence'])
  })

  test('what the rest of the group suffers is no fault of the trial (R4)', () => {
    const bad = { p99Ms: 150, errors: 9, retries: 9, rebalances: 1, records: 35 }
    assert.deepEqual(
      broken({ ...onTrial(bad), rest: windows('a', 'j', 10, 1, bad), before: windows('a', 'i', 10, 1) }),
      [],
    )
  })

  test('what another group suffers excuses nothing, and does not stop a trial either (R4)', () => {
    const slow = windows('b', 'k', 10, 1, { p99Ms: 400 })
    assert.deepEqual(broken({ ...onTrial({ p99Ms: 150 }), rest: [...windows('a', 'j', 10, 1), ...slow] }), ['latency'])
    assert.deepEqual(
      broken({
        onTrial: [...windows('a', 'i', 10, 1), ...windows('b', 'k', 10, 1, { p99Ms: 410 })],
        rest: windows('a', 'j', 10, 1),
        before: [...windows('a', 'i', 10, 1), ...slow],
      }),
      [],
    )
  })

  test('how far it was behind before is no fault of the trial', () => {
    const before = windows('a', 'i', 10, 1, { lagRecords: 50_000 })
    assert.deepEqual(broken({ ...onTrial({ lagRecords: 50_500 }), before }), [])
  })
})

describe('the verdict on readers', () => {
  const GROUPS = { a: 1, b: 40 } as const
  const all = (seconds: number, change: Partial<Sample> = {}): Sample[] =>
    (['a', 'b'] as const).flatMap((group) =>
      [0, 1, 2, 3].flatMap((nth) => windows(group, `${group}${nth}`, seconds, GROUPS[group], change)),
    )
  const named = new Set(['a0', 'b0'])
  const facts = (factor: number, change: Partial<TrialFacts> = {}): TrialFacts => ({
    goal: 'cost',
    subject: 'readers',
    design: 'instances',
    onTrial: all(20).flatMap((one) =>
      named.has(one.instance) ? [{ ...one, trial: 1, usdPerMillion: one.usdPerMillion! * factor }] : [],
    ),
    rest: all(20).filter((one) => !named.has(one.instance)),
    before: all(20).map((one) => ({ ...one, atMs: one.atMs - 30_000 })),
    instances: [...named],
    startedAtMs: T0,
    nowMs: T0 + 21_000,
    analyses: 0,
    p99LimitMs: 100,
    guardrails: [],
    predictedRatio: factor,
    reportedRecords: 10_000,
    storedRecords: 10_100,
    bytes: null,
    onTrialP99Ms: 20,
    restP99Ms: 20,
    times: devTimes,
    ...change,
  })

  test('groups that cost forty times as much as others make one test with them (V5)', () => {
    const verdict = judgeTrial(facts(0.8))
    assert.equal(verdict.kind, 'pass', verdictText(verdict.reason))
    const [cost] = verdict.comparisons
    assert.ok(Math.abs(cost!.changeShare + 0.2) < 0.02, `${cost!.changeShare}`)
  })

  test('without a difference nothing passes, whichever groups the trial happens to have more of (V5)', () => {
    const last = { nowMs: T0 + devTimes.longestTrialMs }
    const cheapOnes = facts(1, last)
    for (const onTrial of [cheapOnes.onTrial, cheapOnes.onTrial.filter(({ group }) => group === 'a')]) {
      const verdict = judgeTrial({ ...cheapOnes, onTrial })
      assert.equal(verdict.kind, 'lose', verdictText(verdict.reason))
    }
  })

  test('a process is as many readers as it reads for groups, and most of them have to get cheaper (V4)', () => {
    const same = (group: string, factor: number) => windows(group, 'i', 20, 10 * factor)
    const before = [
      ...windows('a', 'i', 20, 10),
      ...windows('b', 'i', 20, 10),
      ...windows('c', 'i', 20, 10),
      ...all(20),
    ]
    const onTrial = [...same('a', 0.3), ...same('a', 0.3), ...same('b', 1.01), ...same('c', 1.01)]
    const verdict = judgeTrial(facts(0.7, { onTrial, before, instances: ['i'], nowMs: T0 + devTimes.longestTrialMs }))
    assert.equal(verdict.kind, 'lose')
    assert.deepEqual(verdict.reason, { code: 'few-instances', facts: { goal: 'cost', better: 1, of: 3 } })
  })

  test('records that brokers never took decide nothing', () => {
    const verdict = judgeTrial(facts(0.8, { storedRecords: 100_000 }))
    assert.equal(verdict.kind, 'lose')
    const counts = { subject: 'readers', reported: 10_000, stored: 100_000 }
    assert.deepEqual(verdict.reason, { code: 'counts-disagree', facts: counts })
    assert.match(verdictText(verdict.reason), /a group reports 10000 records and the brokers took 100000/)
  })
})
