/** The rate of an mQ ID and its senders, from reports that cover more or less of the time (I1, I5). */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { ProducerTelemetry } from '@mq/contract'
import { workloadOf } from '../src/telemetry/workload.ts'
import { startHarness } from './harness.ts'
import { ID, open, producer } from './reported.ts'

/** Steady senders that report every 10 s, each at moments of its own. */
const steady = (activeMs = 10_000): ProducerTelemetry =>
  producer({ records: activeMs / 2, recordBytes: activeMs * 100, batches: activeMs / 100, activeMs })

test('the rate is that of the time that reports cover, wherever they stand in their windows (I5)', () => {
  const { deps, traffic, report } = open()
  // A reader comes first, long before anything is sent.
  report({
    consumers: [
      {
        mqId: ID,
        epoch: 1,
        group: 'ledger',
        records: 0,
        recordBytes: 0,
        wireBytes: 0,
        handlerErrors: 0,
        redeliveries: 0,
        commits: 0,
        rebalances: 0,
        lagRecords: 0,
        endToEndLatencyUs: '',
      },
    ],
  })
  deps.advance(120_000)
  const starts = [0, 300, 700]
  const begunMs = deps.clock.nowMs()
  for (let at = 100; at <= 29_500; at += 100) {
    deps.advance(100)
    for (const [n, start] of starts.entries()) {
      // Each process was there for a while before it sent, and its windows turn every 10 s.
      const turn = (at + n * 3_300) % 10_000
      if (turn !== 0) continue
      const activeMs = Math.min(10_000, at - start)
      if (activeMs > 0) report({ instance: `sender-${n}`, windowMs: 10_000, producers: [steady(activeMs)] })
    }
  }
  const profile = traffic.profile(ID)!
  assert.ok(deps.clock.nowMs() - begunMs > profile.observedMs, 'the end is not told of yet')
  assert.ok(Math.abs(profile.recordsPerSecond / 1_500 - 1) < 0.03, `${profile.recordsPerSecond}`)
  assert.equal(Math.round(profile.sendersAtOnce), 3)
})

test('the five minutes that end in between change nothing about the rate (I5)', () => {
  const { deps, traffic, report } = open()
  deps.advance(276_000)
  for (let window = 0; window < 4; window++) {
    deps.advance(10_000)
    report({ producers: [steady()] })
    traffic.takeFinished()
    deps.advance(1_000)
    assert.ok(Math.abs(traffic.profile(ID)!.recordsPerSecond / 500 - 1) < 0.04, `${window}`)
    deps.advance(-1_000)
  }
})

test('silence counts: between reports at once, after the last one when the next is overdue (I5)', () => {
  const { deps, traffic, report } = open()
  for (let window = 0; window < 3; window++) {
    deps.advance(10_000)
    report({ producers: [steady()] })
  }
  deps.advance(19_000)
  assert.equal(traffic.profile(ID)!.observedMs, 30_000)
  deps.advance(11_000)
  assert.equal(traffic.profile(ID)!.observedMs, 60_000)
  assert.equal(traffic.profile(ID)!.recordsPerSecond, 250)
  report({ producers: [steady()] })
  assert.equal(traffic.profile(ID)!.observedMs, 60_000)
  assert.ok(Math.abs(traffic.profile(ID)!.recordsPerSecond - 20_000 / 60) < 1e-9)
})

test('a process counts as a sender for as long as it sent: a restart of all does not double them (I5)', async (t) => {
  const plane = await startHarness(t, {})
  await plane.call('PUT', `/v1/ids/${ID}`, { intent: {} })
  const record = plane.registry.get(ID)!
  assert.ok(record.state === 'active')
  const { deps, traffic, report } = open()
  for (let window = 0; window < 12; window++) {
    deps.advance(10_000)
    const version = window < 9 ? 'old' : 'new'
    for (const n of [1, 2, 3]) report({ instance: `${version}-${n}`, producers: [steady()] })
  }
  const profile = traffic.profile(ID)!
  assert.equal(profile.producers, 6, 'seen within the last minute')
  assert.equal(profile.sendersAtOnce, 3)
  const workload = workloadOf(profile, record)
  assert.equal(workload.producers, 3)
  assert.equal(workload.recordsPerSecond, 1_500)
})

test('settings that changed within the first report make no sender twice, and no window longer (I5)', () => {
  const { deps, traffic, report } = open()
  deps.advance(10_000)
  report({ producers: [steady(4_000), { ...steady(6_000), lingerMs: 50 }] })
  const profile = traffic.profile(ID)!
  assert.equal(profile.observedMs, 10_000)
  assert.equal(profile.recordsPerSecond, 500)
  assert.equal(profile.sendersAtOnce, 1)
})

test('what was before fades, and a process that is gone is no producer any more (I1)', () => {
  const { deps, traffic, report } = open()
  report({ producers: [producer()] })
  const at = (minutes: number): number => {
    deps.advance(minutes * 60_000)
    traffic.takeFinished()
    return traffic.profile(ID)?.records ?? 0
  }
  assert.equal(traffic.profile(ID)!.producers, 1)
  const five = at(5)
  const half = at(35)
  assert.ok(half < five * 0.6 && half > five * 0.4, `${five} to ${half}`)
  assert.equal(traffic.profile(ID)!.producers, 0)
  assert.equal(at(24 * 60), 0)
  assert.equal(traffic.profile(ID), null)
})
