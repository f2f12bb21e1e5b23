import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { describe, it } from 'node:test'
import { TelemetryReport } from '@mq/contract'
import type { FetchedRecord } from '@mq/kafka'
import { decodeFromCompressedBase64 } from 'hdr-histogram-js'
import { BindingStore } from '../src/bindings/store.ts'
import { ConsumerMeter } from '../src/telemetry/consumer-meter.ts'
import { ProducerMeter } from '../src/telemetry/producer-meter.ts'
import { Telemetry } from '../src/telemetry/telemetry.ts'
import { VERSION } from '../src/version.ts'
import { batchReport, SETTINGS } from './support/batches.ts'
import { bindingOf } from './support/bindings.ts'
import { RecordingLogger } from './support/logs.ts'
import { FakeTime } from './support/time.ts'

function open(send: (report: TelemetryReport) => Promise<number | undefined>) {
  const time = new FakeTime()
  const store = new BindingStore(new RecordingLogger())
  store.apply(bindingOf(), 'get')
  const telemetry = new Telemetry({ app: 'checkout', instance: 'i-1', version: VERSION, store, deps: time.deps, send })
  const producer = new ProducerMeter({
    mqId: 'orders.placed',
    epoch: 1,
    clock: time.deps.clock,
    settings: SETTINGS,
    bufferBytes: () => 4_096,
    producerIds: () => [7n],
  })
  const consumer = new ConsumerMeter({
    mqId: 'orders.placed',
    group: 'billing',
    epoch: 1,
    clock: time.deps.clock,
    settings: bindingOf().consumer,
    lagRecords: () => 7,
  })
  telemetry.addProducer(producer)
  telemetry.addConsumer(consumer)
  return { time, telemetry, producer, consumer }
}

describe('Telemetry', () => {
  it('reports each change of epoch once, and no more of them than the contract takes', async () => {
    const reports: TelemetryReport[] = []
    const { time, telemetry } = open(async (report) => {
      reports.push(report)
      return undefined
    })
    const move = { mqId: 'orders.placed', fromEpoch: 1, toEpoch: 2 }
    const found = { handedOver: 3, found: 1, uncertain: 0 }
    for (let n = 0; n < 1_100; n++) telemetry.producerMigrated({ ...move, writePauseMs: n, ...found })
    telemetry.consumerMigrated({ ...move, group: 'billing', gapMs: 12.5 })
    await time.advance(10_000)
    await time.advance(10_000)
    const [first, second] = reports.map((report) => TelemetryReport.parse(report))
    assert.equal(first?.migrations?.producers.length, 1_000)
    assert.deepEqual(first?.migrations?.consumers, [{ ...move, group: 'billing', gapMs: 12.5 }])
    assert.equal(second?.migrations, undefined)
    await telemetry.close()
  })

  it('keeps a change of epoch that it could not report for the next time (T3)', async () => {
    const reports: TelemetryReport[] = []
    let isAway = true
    const { time, telemetry } = open(async (report) => {
      if (isAway) throw new Error('away')
      reports.push(report)
      return undefined
    })
    const move = { mqId: 'orders.placed', fromEpoch: 1, toEpoch: 2 }
    telemetry.producerMigrated({ ...move, writePauseMs: 3_400, handedOver: 3, found: 1, uncertain: 0 })
    telemetry.consumerMigrated({ ...move, group: 'billing', gapMs: 12.5 })
    for (let round = 0; round < 5; round++) await time.advance(10_000)
    isAway = false
    await time.advance(10_000)
    await time.advance(10_000)
    const [first, second] = reports.map((report) => TelemetryReport.parse(report))
    assert.equal(first?.migrations?.producers[0]?.writePauseMs, 3_400)
    assert.equal(first?.migrations?.consumers.length, 1)
    assert.equal(second?.migrations, undefined)
    await telemetry.close()
  })

  it('reports what happened in the window, as the contract says, and forgets it (T1)', async () => {
    const reports: TelemetryReport[] = []
    const { time, telemetry, producer, consumer } = open(async (report) => {
      reports.push(report)
      return undefined
    })
    const batch = batchReport(producer.settings)
    producer.sent(batch)
    producer.sent(batch)
    producer.failed(3)
    for (let n = 0; n < 5; n++) if (consumer.delivered(200)) consumer.latency(30 + n)
    consumer.fetched(900)
    consumer.recordFailed({ partition: 0, offset: 3n } as FetchedRecord, null, 1, new Error('no'))
    await time.advance(10_000)
    await time.advance(10_000)
    await telemetry.close()
    assert.equal(reports.length, 3)
    for (const report of reports) TelemetryReport.parse(report)
    const [first, second] = reports
    assert.equal(first!.windowMs, 10_000)
    assert.deepEqual(first!.bindings, [{ mqId: 'orders.placed', incarnation: 1, revision: 1 }])
    const { sendLatencyUs, batchDepths, ...sent } = first!.producers[0]!
    assert.deepEqual(sent, {
      mqId: 'orders.placed',
      epoch: 1,
      records: 20,
      batches: 2,
      requests: 2,
      recordBytes: 4_000,
      batchBytesUncompressed: 4_200,
      batchBytesWire: 1_400,
      retries: 2,
      errors: 3,
      throttledMs: 0,
      bufferBytesMax: 4_096,
      codec: 'none',
      codecLevel: null,
      lingerMs: 1,
      batchBytesLimit: 131_072,
      trial: null,
      activeMs: 10_000,
      compressUs: 500,
      partitionsSeen: 1,
      partitionRecords: [[2, 20]],
      // 20 records in 10 s explain nearly nothing of 2 x 4 ms.
      dispersion: (20 - (20 / 10_000) * 8) / 2,
      producerIds: ['7'],
    })
    assert.equal(decodeFromCompressedBase64(batchDepths!).getValueAtPercentile(50), 10)
    const latency = decodeFromCompressedBase64(sendLatencyUs)
    assert.equal(latency.totalCount, 20)
    assert.ok(Math.abs(latency.getValueAtPercentile(99) - 12_500) <= 130)
    assert.equal(first!.consumers[0]!.records, 5)
    assert.equal(first!.consumers[0]!.lagRecords, 7)
    assert.equal(decodeFromCompressedBase64(first!.consumers[0]!.endToEndLatencyUs).totalCount, 5)
    assert.deepEqual(second!.producers, [])
    assert.equal(second!.consumers[0]!.records, 0)
  })

  it('tells at close what meters counted that were removed just before, and tells it once (T5)', async () => {
    const reports: TelemetryReport[] = []
    const { time, telemetry, producer, consumer } = open(async (report) => {
      reports.push(report)
      return undefined
    })
    await time.advance(10_000)
    producer.sent(batchReport(producer.settings))
    consumer.delivered(200)
    telemetry.removeProducer(producer)
    telemetry.removeConsumer(consumer)
    await time.advance(10_000)
    await telemetry.close()
    assert.deepEqual(
      reports.map(({ producers, consumers }) => [producers[0]?.records, consumers[0]?.records]),
      [
        [undefined, 0],
        [10, 1],
        [undefined, undefined],
      ],
    )
  })

  it('goes on when a report fails, and sends one at a time (T3, T4)', async () => {
    let calls = 0
    const { time, telemetry } = open(async () => {
      calls++
      throw new Error('away')
    })
    for (let window = 0; window < 5; window++) await time.advance(10_000)
    assert.equal(calls, 5)
    await telemetry.close()
    assert.equal(time.timers, 0)
  })

  it('times every record at low rates and one in 64 at high ones (T2)', () => {
    const { consumer } = open(async () => undefined)
    let timed = 0
    for (let n = 0; n < 100_000; n++) if (consumer.delivered(1)) timed++
    assert.ok(timed >= 10_000 && timed < 12_000, `${timed} of 100,000`)
  })

  it('reports as often as the control plane last asked for (T6)', async () => {
    const wanted: (number | undefined)[] = [500, undefined, undefined, 20_000]
    const atMs: number[] = []
    const { time, telemetry } = open(async () => {
      atMs.push(time.deps.clock.nowMs())
      return wanted.shift()
    })
    for (let n = 0; n < 32; n++) await time.advance(1_000)
    await telemetry.close()
    const gaps = atMs.map((at, index) => at - (atMs[index - 1] ?? 1_000_000))
    assert.deepEqual(gaps.slice(0, 5), [10_000, 500, 500, 500, 20_000])
  })

  it('says the version of its package', () => {
    const manifest = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8'))
    assert.equal(VERSION, manifest.version)
  })
})
