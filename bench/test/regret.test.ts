/** Parts of the regret measurement without a broker: recordings (J1, J2), workloads (W1, W2), CPU shares (U1-U3), waves (S2), the oracle (G2, G3). */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { cpuShares, senderCpuUs, workCosts } from '../regret/cpu-shares.ts'
import { consumerSettings, GRIDS, producerSettings, producersOf } from '../regret/grids.ts'
import { errorOf, merged, oracleOf, type Sample, sampleFor } from '../regret/judge.ts'
import { parseRecording } from '../regret/recorded.ts'
import { plan } from '../regret/sweep.ts'
import { BUILT_IN, openWorkload, recordedWorkload } from '../regret/workloads.ts'

const line = (t: number, key: string | null, value: string): string =>
  JSON.stringify({
    t,
    key: key === null ? null : Buffer.from(key).toString('base64'),
    value: Buffer.from(value).toString('base64'),
  })

test('a recording is read with its times, keys and bytes (J1, J2)', async () => {
  const recording = await parseRecording([line(1_000, 'a', 'first'), line(1_500, null, ''), line(2_000, 'b', 'x')], 'r')
  assert.deepEqual(recording.atMs, [0, 500, 1_000])
  assert.equal(recording.lengthMs, 1_500)
  assert.deepEqual(
    recording.messages.map(({ key, value }) => [key === null ? null : String(key), String(value)]),
    [
      ['a', 'first'],
      [null, ''],
      ['b', 'x'],
    ],
  )
})

test('a bad line of a recording is refused with its number and what is wrong with it (J1, J2)', async () => {
  const good = line(0, null, 'x')
  const refused: [lines: string[], what: RegExp][] = [
    [[good, 'not json'], /r, line 2: no JSON/],
    [[good, ''], /r, line 2: empty/],
    [[good, '[]'], /r, line 2: the line/],
    [[good, '{"t":1,"key":null}'], /r, line 2: value/],
    [[good, '{"t":1,"key":null,"value":"@@@"}'], /r, line 2: value: not base64/],
    [[good, '{"t":1,"key":null,"value":"abc"}'], /r, line 2: value: not base64/],
    [[good, '{"t":-1,"key":null,"value":""}'], /r, line 2: t/],
    [[good, '{"t":"1","key":null,"value":""}'], /r, line 2: t/],
    [[good, '{"t":1,"key":3,"value":""}'], /r, line 2: key/],
    [[good, '{"t":1,"key":null,"value":"","more":1}'], /r, line 2: the line/],
    [[line(5, null, 'x'), line(4, null, 'x')], /r, line 2: t goes back from 5 to 4/],
    [[good], /1 messages are no workload/],
    [[], /0 messages are no workload/],
    [[good, good], /the same t/],
  ]
  for (const [lines, what] of refused) await assert.rejects(parseRecording(lines, 'r'), what)
})

test('a recording is played at its own times, and from the first again when it is over (J2)', async () => {
  const recording = await parseRecording([line(0, 'k', 'a'), line(400, 'k', 'b')], 'r')
  const workload = recordedWorkload('r', recording, 250)
  assert.deepEqual([...workload.moments(2_000, 1)], [0, 400, 800, 1_200, 1_600])
  assert.equal(workload.messagesPerSecond, 2.5)
  assert.equal(workload.isKeyed, true)
  assert.equal(workload.burstPerSecond, 2)
})

test('every built-in workload is the same for the same seed, has its rate, and differs from message to message (W1, W2)', async () => {
  assert.ok(BUILT_IN.length >= 7)
  for (const name of BUILT_IN) {
    const workload = await openWorkload({ kind: 'built-in', name, seed: 1 })
    const again = await openWorkload({ kind: 'built-in', name, seed: 1 })
    const other = await openWorkload({ kind: 'built-in', name, seed: 2 })
    const [first] = workload.messages
    assert.deepEqual(again.messages[0], first)
    assert.notDeepEqual(other.messages.slice(0, 5), workload.messages.slice(0, 5))
    assert.deepEqual(workload.moments(5_000, 1), again.moments(5_000, 1))
    assert.notDeepEqual(workload.moments(5_000, 1), workload.moments(5_000, 2))
    const forMs = Math.min(100_000, 2_000_000 / workload.messagesPerSecond)
    const rate = (workload.moments(forMs, 3).length / forMs) * 1_000
    assert.ok(Math.abs(rate / workload.messagesPerSecond - 1) < 0.15, `${name}: ${rate} a second`)
    assert.equal(workload.isKeyed, first!.key !== null)
    const different = new Set(workload.messages.map(({ value }) => Buffer.from(value).toString('latin1'))).size
    assert.ok(different > workload.messages.length * 0.99, `${name}: ${different} different messages`)
  }
  await assert.rejects(openWorkload({ kind: 'built-in', name: 'nothing', seed: 1 }), /there is no workload 'nothing'/)
})

test('what the items of a wave get of its CPU adds up to it, by what each did (U1, U2)', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 1e7 }),
      fc.array(fc.tuple(fc.nat(1e4), fc.nat(1e4), fc.nat(1e6)), { minLength: 1, maxLength: 20 }),
      (cpuUs, items) => {
        const wave = { cpuUs, items }
        const shares = cpuShares(wave, workCosts([wave], 3))
        assert.ok(Math.abs(shares.reduce((sum, one) => sum + one, 0) - cpuUs) < 1e-3 * cpuUs)
        assert.ok(shares.every((one) => one >= 0))
      },
    ),
  )
  const [idle, busy] = cpuShares(
    {
      cpuUs: 1_000,
      items: [
        [0, 0, 0],
        [10, 0, 0],
      ],
    },
    [7, 1, 1],
  )
  assert.deepEqual([idle, busy], [0, 1_000])
})

test('a sender that did little counts with the costs of all of them, one that did much with its own figure (U3)', () => {
  const work = (requests: number, cpuUs: number) => ({ records: requests, requests, compressUs: 0, cpuUs })
  const [noisy, , much] = senderCpuUs([work(100, 19_000), work(1_000, 100_000), work(10_000, 1_300_000)])
  assert.ok(noisy! < 15_000 && noisy! > 9_000, `${noisy}`)
  assert.equal(much, 1_300_000)
})

test('configurations run side by side only within what the machine carries (S2)', async () => {
  const trials = producersOf(GRIDS.small).map((knobs) => ({
    producer: producerSettings(knobs),
    consumers: GRIDS.small.fetches.map(consumerSettings),
  }))
  const slow = plan(trials, await openWorkload({ kind: 'built-in', name: 'alerts', seed: 1 }), 300)
  const fast = plan(trials, await openWorkload({ kind: 'built-in', name: 'counters', seed: 1 }), 90)
  assert.ok(slow.length <= 3)
  assert.equal(fast.length, trials.length, 'one by one')
  for (const waves of [slow, fast]) {
    assert.deepEqual(
      waves.flat().toSorted((a, b) => a - b),
      trials.map((_, n) => n),
    )
  }
})

const sample = (lingerMs: number, usdPerMonth: number, endToEndP99Ms: number): Sample => ({
  knobs: { codec: 'none', codecLevel: null, lingerMs, batchBytes: 16_384, fetchMinBytes: 1, fetchMaxWaitMs: 500 },
  usdPerMonth,
  wireBytesPerRecord: 100,
  recordsPerBatch: 1,
  produceRequestsPerSecond: 1,
  fetchRequestsPerSecond: 1,
  producerCpuUsPerRecord: 1,
  consumerCpuUsPerRecord: 1,
  brokerCpuUsPerRecord: 1,
  sendP99Ms: 1,
  endToEndP99Ms,
  samples: 10,
})

test('the oracle is the cheapest within the SLO, and says when nothing is (G2)', () => {
  const all = [sample(0, 30, 10), sample(50, 20, 90), sample(100, 10, 140)]
  assert.deepEqual(oracleOf(all, 100), { sample: all[1], met: true })
  assert.deepEqual(oracleOf(all, 5), { sample: all[0], met: false })
  assert.throws(() => oracleOf([], 5), /nothing was measured/)
})

test('a measurement that was repeated counts with the medians of its figures, and all its samples (G3)', () => {
  const found = merged([sample(5, 10, 100), sample(5, 30, 20), sample(5, 20, 30)])
  assert.deepEqual([found.usdPerMonth, found.endToEndP99Ms, found.samples], [20, 30, 30])
  assert.equal(sampleFor([sample(1, 1, 1), found], found.knobs), found)
  assert.throws(() => sampleFor([found], { ...found.knobs, lingerMs: 6 }), /not measured/)
  assert.equal(errorOf(110, 100).toFixed(2), '0.10')
})
