/**
 * What single readers report, kept as what trials are judged by (reader-window Q1, instance-log N1-N3, traffic T3, T5).
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { ConsumerTelemetry } from '@mq/contract'
import { encoded, ID, open } from './reported.ts'

const reader = (parts: Partial<ConsumerTelemetry> = {}): ConsumerTelemetry => ({
  mqId: ID,
  group: 'billing',
  epoch: 1,
  records: 1_000,
  recordBytes: 200_000,
  wireBytes: 60_000,
  handlerErrors: 0,
  redeliveries: 0,
  commits: 1,
  rebalances: 0,
  lagRecords: 7,
  endToEndLatencyUs: encoded([[20_000, 1_000]]),
  batches: 50,
  uncompressedBytes: 210_000,
  fetchRequests: 40,
  activeMs: 6_000,
  fetchMinBytes: 1,
  fetchMaxWaitMs: 500,
  trial: null,
  ...parts,
})

test('each report, group and set of settings is a window of its own; a report without settings is none (N1, Q1)', () => {
  const { deps, traffic, report } = open()
  const tried = reader({ trial: 7, fetchMinBytes: 65_536, fetchMaxWaitMs: 200, activeMs: 4_000, lagRecords: null })
  report({ instance: 'one', consumers: [tried, reader(), reader({ group: 'search' })] })
  const { activeMs: _active, fetchMinBytes: _bytes, fetchMaxWaitMs: _wait, trial: _trial, ...old } = reader()
  report({ instance: 'two', consumers: [old] })
  const windows = traffic.readerWindows(ID, 0)
  assert.deepEqual(
    windows.map((one) => [
      one.instance,
      one.group,
      one.trial,
      one.activeMs,
      one.settings.fetchMaxWaitMs,
      one.lagRecords,
    ]),
    [
      ['one', 'billing', 7, 4_000, 200, null],
      ['one', 'billing', null, 6_000, 500, 7],
      ['one', 'search', null, 6_000, 500, 7],
    ],
  )
  assert.equal(windows[0]!.windowStartMs, deps.clock.nowMs() - 10_000)
  assert.ok(windows[0]!.endToEnd.quantileMs(0.99)! > 19)
  const minute = traffic.lastMinute(ID)!
  assert.equal(minute.slice.groups.get('billing')!.counts.records, 3_000, 'the group has all of them')
  assert.deepEqual(traffic.readerWindows('unknown', 0), [])
  assert.deepEqual(traffic.instanceWindows(ID, 0), [])
})

test('no longer than the window, and none of an mQ ID nobody declared', () => {
  const { traffic, report } = open()
  report({ windowMs: 5_000, consumers: [reader({ activeMs: 900_000 }), reader({ mqId: 'nobody.declared' })] })
  assert.deepEqual(
    traffic.readerWindows(ID, 0).map(({ activeMs }) => activeMs),
    [5_000],
  )
  assert.deepEqual(traffic.readerWindows('nobody.declared', 0), [])
})

test('what contradicts itself is left out and counted, what no process does refuses the report (T3, T5)', () => {
  const { traffic, report } = open()
  report({ consumers: [reader()] })
  for (const lie of [{ batches: 5_000 }, { records: 10, recordBytes: 100 }, { wireBytes: 0 }]) {
    report({ instance: 'liar', consumers: [reader(lie)] })
  }
  assert.equal(traffic.outliers, 3)
  assert.equal(traffic.readerWindows(ID, 0).length, 1)
  assert.equal(traffic.lastMinute(ID)!.slice.groups.get('billing')!.counts.records, 1_000)
  for (const lie of [{ fetchRequests: 1e9 }, { batches: 1e12, wireBytes: 1e15 }]) {
    assert.throws(() => report({ consumers: [reader(lie)] }), { code: 'MQ_REQUEST_INVALID' })
  }
})

test('windows of readers are kept for 15 minutes once somebody asks, and bounded (N2, N3)', () => {
  const { deps, traffic, report } = open()
  const run = (seconds: number): void => {
    for (let second = 0; second < seconds; second++) {
      report({ instance: 'one', windowMs: 1_000, consumers: [reader({ endToEndLatencyUs: '' })] })
      deps.advance(1_000)
    }
  }
  run(600)
  assert.ok(traffic.readerWindows(ID, 0).length <= 121)
  run(1_200)
  const kept = traffic.readerWindows(ID, 0).length
  assert.ok(kept >= 899 && kept <= 901, `${kept}`)
  const flood = reader({ records: 1, recordBytes: 1, batches: 0, wireBytes: 0, endToEndLatencyUs: '' })
  for (let n = 0; n < 5_000; n++) report({ instance: 'flood', windowMs: 1, consumers: [flood] })
  const flooded = traffic.readerWindows(ID, 0)
  assert.ok(flooded.filter(({ instance }) => instance === 'flood').length <= 2_048)
  assert.equal(flooded.filter(({ instance }) => instance === 'one').length, kept)
  deps.advance(16 * 60_000)
  traffic.takeFinished()
  assert.deepEqual(traffic.readerWindows(ID, 0), [])
})
