/** What is counted about reading (meters T1-T3, read-stretch R1). */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { ConsumerTelemetry, MqError } from '@mq/contract'
import type { FetchedRecord } from '@mq/kafka'
import { decodeFromCompressedBase64 } from 'hdr-histogram-js'
import { ConsumerMeter } from '../src/telemetry/consumer-meter.ts'
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
    unfinishedRecords: () => 12,
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

  it('tells which messages fail, by place, hash and class of the error, until they are finished, and nothing of what they hold', async () => {
    const { time, meter, take } = open()
    const record = (partition: number, offset: bigint) => ({ partition, offset }) as FetchedRecord
    class OutOfStock extends Error {}
    meter.recordFailed(record(1, 7n), '0000beef', 1, new TypeError('card 4111 1111'))
    await time.advance(3_000)
    meter.recordFailed(record(1, 7n), '0000beef', 2, new OutOfStock('card 4111 1111'))
    meter.recordFailed(record(0, 3n), null, 1, new MqError('MQ_DECODE_FAILED', 'of card 4111 1111'))
    const [first] = take()
    assert.deepEqual([first!.handlerErrors, first!.unfinishedRecords], [3, 12])
    assert.deepEqual(first!.failing, [
      { partition: 1, offset: '7', keyHash: '0000beef', attempts: 2, error: 'OutOfStock', failingMs: 3_000 },
      { partition: 0, offset: '3', keyHash: null, attempts: 1, error: 'MQ_DECODE_FAILED', failingMs: 0 },
    ])
    assert.doesNotMatch(JSON.stringify(first), /4111/)
    meter.failedNoMore(1, 7n)
    const [second] = take()
    assert.deepEqual([second!.handlerErrors, second!.failing?.length], [0, 1])
    meter.failedNoMore(0, 3n)
    assert.equal(take()[0]!.failing, undefined)
  })

  it('keeps a bounded number of them', () => {
    const { meter, take } = open()
    for (let n = 0n; n < 3_000n; n++) {
      meter.recordFailed({ partition: 0, offset: n } as FetchedRecord, null, 1, new Error('no'))
    }
    const [report] = take()
    assert.deepEqual([report!.failing!.length, report!.handlerErrors], [10, 3_000])
  })
})
