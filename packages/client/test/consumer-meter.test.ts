/** What is counted about reading (meters T1-T3, read-stretch R1). */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { ConsumerTelemetry } from '@mq/contract'
import { decodeFromCompressedBase64 } from 'hdr-histogram-js'
import { ConsumerMeter } from '../src/meters.ts'
import { bindingOf } from './support/bindings.ts'
import { FakeTime } from './support/time.ts'

const { consumer: USUAL } = bindingOf()
const TRIED = { ...USUAL, fetchMinBytes: 65_536, fetchMaxWaitMs: 200 }

function open(lagRecords: () => number | null = () => 7) {
  const time = new FakeTime()
  const clock = time.deps.clock
  const meter = new ConsumerMeter({
    mqId: 'orders.placed',
    group: 'billing',
    epoch: 1,
    clock,
    settings: USUAL,
    lagRecords,
  })
  const take = (): ConsumerTelemetry[] => meter.take().map((report) => ConsumerTelemetry.parse(report))
  const read = (records: number): void => {
    for (let n = 0; n < records; n++) if (meter.delivered(100)) meter.latency(20)
    meter.fetched(records * 50)
    meter.requested()
  }
  return { time, meter, take, read }
}

describe('ConsumerMeter', () => {
  it('tells apart what was read under different settings, with how long they were in force and whose trial they are (T3)', async () => {
    const { time, meter, take, read } = open()
    read(10)
    await time.advance(4_000)
    meter.use(TRIED, 17)
    read(100)
    read(100)
    await time.advance(5_000)
    meter.use(USUAL, null)
    read(5)
    await time.advance(1_000)
    const [tried, usual, ...rest] = take()
    assert.deepEqual(rest, [])
    assert.deepEqual([usual?.trial, usual?.records, usual?.activeMs, usual?.fetchRequests], [null, 15, 5_000, 2])
    assert.deepEqual([usual?.fetchMinBytes, usual?.fetchMaxWaitMs], [USUAL.fetchMinBytes, USUAL.fetchMaxWaitMs])
    assert.deepEqual([tried?.trial, tried?.records, tried?.activeMs, tried?.fetchRequests], [17, 200, 5_000, 2])
    assert.deepEqual([tried?.fetchMinBytes, tried?.fetchMaxWaitMs], [65_536, 200])
    assert.equal(decodeFromCompressedBase64(tried!.endToEndLatencyUs).totalCount, 200)
    assert.equal(decodeFromCompressedBase64(usual!.endToEndLatencyUs).totalCount, 15)
    assert.deepEqual([tried?.lagRecords, usual?.lagRecords], [null, 7], 'how far behind it is now is said once')
    const [again, ...more] = take()
    assert.deepEqual([again?.trial, again?.records, again?.activeMs, more.length], [null, 0, 0, 0])
  })

  it('keeps a trial of the very same settings apart, and says that it reads when there is nothing to read (T3)', async () => {
    const { time, meter, take, read } = open()
    await time.advance(1_000)
    meter.use({ ...USUAL }, null)
    assert.deepEqual(
      take().map(({ trial, activeMs }) => [trial, activeMs]),
      [[null, 1_000]],
    )
    meter.use({ ...USUAL }, 3)
    await time.advance(1_000)
    assert.deepEqual(
      take().map(({ trial, activeMs }) => [trial, activeMs]),
      [[3, 1_000]],
      'what nothing was read under is left out',
    )
    read(1)
    meter.use({ ...USUAL }, null)
    read(2)
    assert.deepEqual(
      take().map(({ trial, records }) => [trial, records]),
      [
        [3, 1],
        [null, 2],
      ],
    )
  })

  it('bounds the settings it tells apart, and never loses those in force', () => {
    const { meter, take, read } = open()
    for (let fetchMaxWaitMs = 1; fetchMaxWaitMs <= 100; fetchMaxWaitMs++) {
      meter.use({ ...USUAL, fetchMaxWaitMs }, null)
      read(1)
    }
    const reports = take()
    assert.ok(reports.length <= 8)
    assert.equal(reports.at(-1)!.fetchMaxWaitMs, 100)
  })

  it('samples latency by the window, whatever the settings (T2)', () => {
    const { meter } = open()
    let timed = 0
    for (let n = 0; n < 100_000; n++) {
      if (n % 10_000 === 0) meter.use({ ...USUAL, fetchMaxWaitMs: 1 + ((n / 10_000) % 2) }, null)
      if (meter.delivered(1)) timed++
    }
    assert.ok(timed >= 10_000 && timed < 12_000, `${timed} of 100,000`)
  })
})
