/**
 * What is known of traffic beyond counts: profiles, single processes, workloads, bounds against lying clients
 * (traffic T5, id-traffic I1-I3, shape H1-H3, codec-findings D1-D3, instance-log N1-N3, workload W1-W2, slice-codec C1-C4).
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { ProducerTelemetry } from '@mq/contract'
import { checkWorkload } from '@mq/economics'
import { curvesOf, workloadOf } from '../src/telemetry/workload.ts'
import { startHarness, telemetryReport } from './harness.ts'
import { encoded, ID, open, producer, sample } from './reported.ts'

test('the profile of an mQ ID is put together from the reports of all its processes', () => {
  const { deps, traffic, report } = open()
  assert.equal(traffic.profile(ID), null)
  deps.advance(60_000)
  for (let window = 0; window < 6; window++) {
    report({ instance: 'one', zone: 'use1-az1', producers: [producer()] })
    report({ instance: 'two', zone: 'use1-az2', producers: [producer({ records: 3_000, recordBytes: 600_000 })] })
    deps.advance(10_000)
  }
  const profile = traffic.profile(ID)!
  assert.equal(profile.records, 54_000)
  // From the start of the first window to the end of the last: what came since, the next reports will tell.
  assert.equal(profile.observedMs, 60_000)
  assert.equal(profile.recordsPerSecond, 900)
  assert.equal(profile.producers, 2)
  assert.equal(profile.sendersAtOnce, 2)
  assert.equal(profile.recordBytes, 200)
  assert.equal(profile.wireBytesPerRecord, 3_600_000 / 54_000)
  assert.equal(profile.keyedShare, 0.9)
  assert.deepEqual(
    profile.topKeyShares.map((share) => Math.round(share * 1_000) / 1_000),
    [0.5, 0.1],
  )
  assert.equal(profile.busiestPartitionShare, 0.5)
  assert.equal(profile.partitionsSeen, 3)
  assert.equal(profile.dispersion, 3)
  assert.equal(profile.producerCpuUsPerRecord, 24_000 / 9_000)
  assert.deepEqual(profile.zones, [
    { zone: 'use1-az1', share: 2 / 3 },
    { zone: 'use1-az2', share: 1 / 3 },
  ])
  assert.ok(Math.abs(profile.recordSizes.mean()! - 200) < 2)
  assert.equal(profile.outliers, 0)
})

test('a peak is the busiest 10 seconds over the mean', () => {
  const { deps, traffic, report } = open()
  for (let window = 0; window < 30; window++) {
    report({ producers: [producer({ records: window === 12 ? 60_000 : 6_000, recordBytes: 100, batches: 60 })] })
    deps.advance(10_000)
  }
  const { peakMultiple } = traffic.profile(ID)!
  assert.ok(peakMultiple > 7 && peakMultiple < 10, `${peakMultiple}`)
})

test('shares of partitions begin anew with an epoch, and stragglers do not bring the old ones back (I3)', () => {
  const { traffic, report } = open()
  report({ producers: [producer()] })
  report({ producers: [producer({ epoch: 2, partitionRecords: [[7, 10]], partitionsSeen: 1 })] })
  report({ producers: [producer({ epoch: 1 })] })
  const profile = traffic.profile(ID)!
  assert.equal(profile.busiestPartitionShare, 1)
  assert.equal(profile.partitionsSeen, 1)
})

test('a report that contradicts itself is left out and counted; the honest parts of others stay (T5)', async (t) => {
  const { traffic, report } = open()
  report({ producers: [producer()] })
  const before = traffic.profile(ID)!
  const lies: Partial<ProducerTelemetry>[] = [
    { batches: 7_000 },
    { recordBytes: 2_000_000 },
    { batchBytesWire: 2_000_000 },
  ]
  for (const lie of lies) report({ instance: 'liar', producers: [producer(lie)] })
  assert.equal(traffic.outliers, 3)
  assert.deepEqual(traffic.profile(ID)!.records, before.records)
  assert.equal(traffic.instanceWindows(ID, 0).length, 1)
  report({
    instance: 'broken',
    producers: [producer({ batchDepths: 'nonsense', recordSizes: encoded([[5, 1_000_000]]), cpuUs: 1e14 })],
  })
  const after = traffic.profile(ID)!
  assert.equal(traffic.outliers, 6)
  assert.equal(after.outliers, 6)
  assert.equal(after.records, 12_000)
  assert.equal(after.batchDepths.total, 60)
  assert.equal(after.producerCpuUsPerRecord, 2)
  const plane = await startHarness(t, {})
  await plane.call('PUT', `/v1/ids/${ID}`, { intent: {} })
  await plane.call('POST', '/v1/telemetry', telemetryReport({ producers: [producer({ batches: 7_000 })] }))
  assert.match((await plane.call('GET', '/metrics')).text, /mq_telemetry_outliers_total 1/)
})

test('codecs are judged by what most processes find: impossible and far findings are dropped (D2, D3)', () => {
  const { traffic, report } = open()
  for (const instance of ['a', 'b', 'c']) report({ instance, producers: [producer({ shadow: [sample()] })] })
  report({ instance: 'liar', producers: [producer({ shadow: [sample({ compressedBytes: 70 })] })] })
  report({
    instance: 'fool',
    producers: [
      producer({
        shadow: [sample({ compressedBytes: 61 + 16 * 300 }), sample({ uncompressedBytes: 62, compressedBytes: 62 })],
      }),
    ],
  })
  const { shadow, outliers } = traffic.profile(ID)!
  assert.deepEqual(shadow, [sample({ batches: 12 })])
  assert.equal(outliers, 3)
})

test('a round of findings that is told piece by piece is one, and bounded whatever is told (D1)', () => {
  const { traffic, report } = open()
  report({ producers: [producer({ shadow: [sample({ depth: 64, uncompressedBytes: 20_000 })] })] })
  report({ producers: [producer({ shadow: [sample(), sample({ codecLevel: 3 })] })] })
  report({ producers: [producer({ shadow: [sample({ compressedBytes: 900 })] })] })
  assert.deepEqual(
    traffic.profile(ID)!.shadow.map(({ codecLevel, depth, compressedBytes }) => [codecLevel, depth, compressedBytes]),
    [
      [1, 64, 61 + 16 * 70],
      [3, 16, 61 + 16 * 70],
      [1, 16, 900],
    ],
  )
  for (let depth = 1; depth < 300; depth++) {
    report({ producers: [producer({ shadow: [sample({ depth, uncompressedBytes: 61 + depth * 210 * 16 })] })] })
  }
  assert.equal(traffic.profile(ID)!.shadow.length, 96)
})

test('findings are those of the latest round, and none that is hours old (D1)', () => {
  const { deps, traffic, report } = open()
  report({ producers: [producer({ shadow: [sample({ compressedBytes: 1_000 })] })] })
  report({ producers: [producer({ shadow: [sample({ compressedBytes: 900 })] })] })
  assert.equal(traffic.profile(ID)!.shadow[0]!.compressedBytes, 900)
  for (let minute = 0; minute < 130; minute++) {
    deps.advance(60_000)
    report({ producers: [producer()] })
  }
  assert.deepEqual(traffic.profile(ID)!.shadow, [])
})

test('what single processes sent is told report by report, trials apart from the rest (N1)', () => {
  const { deps, traffic, report } = open()
  report({
    instance: 'one',
    windowMs: 1_000,
    producers: [producer(), producer({ trial: 7, lingerMs: 50, records: 10_000 })],
  })
  deps.advance(1_000)
  report({ instance: 'two', windowMs: 1_000, zone: 'z', producers: [producer({ activeMs: 90_000 })] })
  const windows = traffic.instanceWindows(ID, 0)
  assert.deepEqual(
    windows.map((one) => [one.instance, one.trial, one.records, one.settings.lingerMs, one.windowMs]),
    [
      ['one', null, 6_000, 10, 1_000],
      ['one', 7, 10_000, 50, 1_000],
      ['two', null, 6_000, 10, 1_000],
    ],
  )
  assert.equal(windows[0]!.windowStartMs, deps.clock.nowMs() - 2_000)
  assert.equal(windows[2]!.activeMs, 1_000, 'no longer than the window')
  assert.equal(windows[0]!.sendLatency.quantileMs(0.99)! > 1.9, true)
  assert.equal(traffic.instanceWindows(ID, deps.clock.nowMs()).length, 1)
  assert.deepEqual(traffic.instanceWindows('unknown', 0), [])
})

test('windows of processes are kept for 15 minutes once somebody asks, and bounded (N2, N3)', () => {
  const { deps, traffic, report } = open()
  const run = (seconds: number): void => {
    for (let second = 0; second < seconds; second++) {
      report({ instance: 'one', windowMs: 1_000, producers: [producer({ sendLatencyUs: '' })] })
      deps.advance(1_000)
    }
  }
  run(600)
  assert.ok(traffic.instanceWindows(ID, 0).length <= 121)
  run(1_200)
  const kept = traffic.instanceWindows(ID, 0).length
  assert.ok(kept >= 899 && kept <= 901, `${kept}`)
  for (let n = 0; n < 5_000; n++)
    report({
      instance: 'flood',
      windowMs: 1,
      producers: [producer({ records: 60, recordBytes: 60, sendLatencyUs: '' })],
    })
  const flooded = traffic.instanceWindows(ID, 0)
  assert.ok(flooded.filter(({ instance }) => instance === 'flood').length <= 2_048)
  assert.equal(flooded.filter(({ instance }) => instance === 'one').length, kept)
  deps.advance(16 * 60_000)
  traffic.takeFinished()
  assert.deepEqual(traffic.instanceWindows(ID, 0), [])
})

test('the workload of a profile is one that the economics take, whatever was reported (W1, W2)', async (t) => {
  const plane = await startHarness(t, {})
  await plane.call('PUT', `/v1/ids/${ID}`, {
    intent: { peaks: [{ startsAt: '2026-12-24T00:00:00Z', durationMs: '6h', multiple: 12 }] },
  })
  const record = plane.registry.get(ID)!
  assert.equal(record.state, 'active')
  if (record.state !== 'active') return
  const { traffic, report } = open()
  report({
    producers: [producer({ shadow: [sample({ depth: 64 }), sample(), sample({ codec: 'lz4', codecLevel: null })] })],
  })
  const workload = workloadOf(traffic.profile(ID)!, record)
  checkWorkload(workload)
  assert.equal(workload.peakMultiple, 12)
  assert.equal(workload.keyed, true)
  assert.equal(workload.busiestPartitionShare, 0.5)
  assert.equal(workload.dispersion, 5, 'bursts of 3 vary as 2 x 3 - 1')
  assert.equal(workload.framedBytes, 210)
  assert.deepEqual(
    workload.curves.map(({ codec, points }) => [codec, points.map(({ depth }) => depth)]),
    [
      ['zstd', [16, 64]],
      ['lz4', [16]],
    ],
  )
  assert.equal(workload.curves[0]!.points[0]!.compressedBytes, 16 * 70, 'without the header of the batch')
  const old = open()
  const {
    keys: _keys,
    dispersion: _dispersion,
    partitionRecords: _records,
    partitionsSeen: _seen,
    ...bare
  } = producer()
  old.report({ producers: [bare] })
  const fromOld = workloadOf(old.traffic.profile(ID)!, record)
  checkWorkload(fromOld)
  assert.equal(fromOld.dispersion, 1)
  assert.deepEqual(curvesOf([]), [])
})

test('a log of the latest record per key is what it holds, and no other log is (W3)', async (t) => {
  const plane = await startHarness(t, {})
  const { traffic, report } = open()
  report({ producers: [producer()] })
  const retained = async (retention: string): Promise<number | null> => {
    const id = retention === '7d' ? 'some.days' : retention === 'forever' ? 'all.of.it' : 'latest.only'
    const put = await plane.call('PUT', `/v1/ids/${id}`, { intent: { retention } })
    assert.equal(put.status, 200, put.text)
    const record = plane.registry.get(id)
    assert.ok(record?.state === 'active')
    return workloadOf(traffic.profile(ID)!, record, 5_000).retainedBytes
  }
  assert.equal(await retained('latest-per-key'), 5_000)
  assert.equal(await retained('forever'), null)
  assert.equal(await retained('7d'), null)
})

test('a control plane says how often it wants reports', async (t) => {
  const plane = await startHarness(t, { telemetryMs: 1_000 })
  assert.equal((await plane.call('GET', '/v1/info')).body.telemetryMs, 1_000)
  assert.deepEqual((await plane.call('POST', '/v1/telemetry', telemetryReport())).body, {
    accepted: true,
    telemetryMs: 1_000,
  })
})
