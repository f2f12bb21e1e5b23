/**
 * Telemetry: roll-ups, bounds, and what the API and the metrics show of it (traffic T1-T4, sketch K1-K2, rollups Y1).
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { deflateSync } from 'node:zlib'
import type { ConsumerTelemetry, ProducerTelemetry } from '@mq/contract'
import fc from 'fast-check'
import { build, encodeIntoCompressedBase64 } from 'hdr-histogram-js'
import { HOUR_MS, readRollups, saveRollups } from '../src/telemetry/rollups.ts'
import { Sketch } from '../src/telemetry/sketch.ts'
import { emptySlice } from '../src/telemetry/slice.ts'
import { decodeSlice, encodeSlice, NameTable } from '../src/telemetry/slice-codec.ts'
import { FIVE_MINUTES_MS } from '../src/telemetry/traffic.ts'
import { FakeKafka } from './fake-kafka.ts'
import { assertProblem, type Harness, movableClock, startHarness, telemetryReport, temporaryFolder } from './harness.ts'

const TIMEOUT = { timeout: 300_000 }

function encoded(valuesUs: readonly number[]): string {
  const histogram = build({ bitBucketSize: 32, numberOfSignificantValueDigits: 2, autoResize: true })
  for (const value of valuesUs) histogram.recordValue(value)
  return encodeIntoCompressedBase64(histogram)
}

const producer = (change: Partial<ProducerTelemetry> = {}): ProducerTelemetry => ({
  mqId: 'orders.placed',
  epoch: 1,
  records: 6_000,
  batches: 60,
  requests: 60,
  recordBytes: 1_200_000,
  batchBytesUncompressed: 1_300_000,
  batchBytesWire: 300_000,
  retries: 1,
  errors: 0,
  throttledMs: 0,
  bufferBytesMax: 100,
  codec: 'zstd',
  lingerMs: 10,
  sendLatencyUs: encoded([1_000, 2_000, 4_000]),
  ...change,
})
const consumer = (change: Partial<ConsumerTelemetry> = {}): ConsumerTelemetry => ({
  mqId: 'orders.placed',
  group: 'billing',
  epoch: 1,
  records: 3_000,
  recordBytes: 600_000,
  wireBytes: 150_000,
  handlerErrors: 0,
  redeliveries: 0,
  commits: 10,
  rebalances: 0,
  lagRecords: 7,
  endToEndLatencyUs: encoded([10_000]),
  ...change,
})
const started = async (...args: Parameters<typeof startHarness>): Promise<Harness> => {
  const plane = await startHarness(...args)
  assert.equal((await plane.call('PUT', '/v1/ids/orders.placed', { intent: {} })).status, 200)
  return plane
}

test('the reports of many processes add up to the traffic of an mQ ID', TIMEOUT, async (t) => {
  const plane = await started(t)
  assert.equal((await plane.call('GET', '/v1/ids/orders.placed')).body.traffic, null, 'nothing reported, nothing shown')
  for (const instance of ['one', 'two']) {
    const report = telemetryReport({
      instance,
      producers: [producer()],
      consumers: [consumer(), consumer({ group: 'audit', lagRecords: null })],
    })
    const answer = await plane.call('POST', '/v1/telemetry', report)
    assert.deepEqual(answer.body, { accepted: true }, answer.text)
  }
  const detail = (await plane.call('GET', '/v1/ids/orders.placed')).body
  assert.equal(detail.messagesPerSecond, 200)
  const { traffic } = detail
  assert.equal(traffic.recordsIn, 12_000)
  assert.equal(traffic.wireBytesIn, 600_000)
  assert.equal(traffic.batches, 120)
  assert.ok(Math.abs(traffic.sendP50Ms - 2) < 0.05, `p50 ${traffic.sendP50Ms}`)
  assert.ok(Math.abs(traffic.sendP99Ms - 4) < 0.1, `p99 ${traffic.sendP99Ms}`)
  assert.deepEqual(
    traffic.groups.map((one: { group: string; records: number; lagRecords: number | null }) => [
      one.group,
      one.records,
      one.lagRecords,
    ]),
    [
      ['audit', 6_000, null],
      ['billing', 6_000, null],
    ],
    'how far a group is behind is for the brokers to say',
  )
  const metrics = (await plane.call('GET', '/metrics')).text
  assert.match(metrics, /mq_id_messages_per_second\{mq_id="orders\.placed"\} 200/)
  assert.match(metrics, /mq_reporting_instances 2/)
  assert.match(metrics, /mq_ids 1/)
  assert.match(metrics, /mq_cluster_up\{cluster="main"\} 1/)
  assert.match(metrics, new RegExp(`mq_store_revision ${plane.store.revision}`))
})

test('what was reported more than a minute ago is no traffic of now', TIMEOUT, async (t) => {
  const deps = movableClock()
  const plane = await started(t, { deps })
  await plane.call('POST', '/v1/telemetry', telemetryReport({ producers: [producer()], consumers: [consumer()] }))
  assert.equal((await plane.call('GET', '/v1/ids')).body.ids[0].messagesPerSecond, 100)
  deps.advance(61_000)
  assert.equal((await plane.call('GET', '/v1/ids')).body.ids[0].messagesPerSecond, null)
  assert.match((await plane.call('GET', '/metrics')).text, /mq_reporting_instances 0/)
})

test('a clock that is wrong and a window of days change neither the past nor the future (T2)', TIMEOUT, async (t) => {
  const deps = movableClock()
  const plane = await started(t, { deps })
  for (const windowStartMs of [0, -1e12, 9e15]) {
    const report = telemetryReport({ windowStartMs, windowMs: 3 * 86_400_000, producers: [producer({ records: 600 })] })
    assert.equal((await plane.call('POST', '/v1/telemetry', report)).status, 200)
  }
  assert.equal((await plane.call('GET', '/v1/ids/orders.placed')).body.traffic.recordsIn, 1_800)
})

test('counts no process can reach are refused whole (T3)', TIMEOUT, async (t) => {
  const plane = await started(t)
  const report = telemetryReport({ producers: [producer(), producer({ records: 9_000_000_000_000 })] })
  assertProblem(await plane.call('POST', '/v1/telemetry', report), 'MQ_REQUEST_INVALID')
  assert.equal((await plane.call('GET', '/v1/ids/orders.placed')).body.traffic, null)
  for (const wrong of [{ records: -1 }, { records: 0.5 }, { records: Number.MAX_VALUE }]) {
    const one = telemetryReport({ producers: [{ ...producer(), ...wrong }] })
    assertProblem(await plane.call('POST', '/v1/telemetry', one), 'MQ_REQUEST_INVALID')
  }
})

test('reports on unknown mQ IDs and endless groups take no memory (T1)', TIMEOUT, async (t) => {
  const plane = await started(t)
  const many = Array.from({ length: 1_000 }, (_, index) => producer({ mqId: `unknown.n${index}`, sendLatencyUs: '' }))
  assert.equal((await plane.call('POST', '/v1/telemetry', telemetryReport({ producers: many }))).status, 200)
  assert.equal(plane.traffic.unknownIds, 1_000)
  const groups = Array.from({ length: 1_000 }, (_, index) => consumer({ group: `g${index}`, endToEndLatencyUs: '' }))
  await plane.call('POST', '/v1/telemetry', telemetryReport({ consumers: groups }))
  assert.equal((await plane.call('GET', '/v1/ids/orders.placed')).body.traffic.groups.length, 200)
})

test('a hostile histogram is refused before it takes memory (K1, K2)', TIMEOUT, async (t) => {
  const plane = await started(t)
  const header = (digits: number, lowest: bigint, highest: bigint, rest = Buffer.alloc(0)): string => {
    const plain = Buffer.alloc(40)
    plain.writeInt32BE(0x1c849313, 0)
    plain.writeInt32BE(rest.length, 4)
    plain.writeInt32BE(digits, 12)
    plain.writeBigInt64BE(lowest, 16)
    plain.writeBigInt64BE(highest, 24)
    const packed = deflateSync(Buffer.concat([plain, rest]))
    const head = Buffer.alloc(8)
    head.writeInt32BE(0x1c849314, 0)
    head.writeInt32BE(packed.length, 4)
    return Buffer.concat([head, packed]).toString('base64')
  }
  const hostile = [
    'nonsense',
    'AAAA',
    Buffer.alloc(100, 255).toString('base64'),
    header(5, 1n, 1_000_000n),
    header(2, 0n, 10n),
    header(2, 1n, 2n ** 62n),
    header(2, 1n, 1n),
    header(-1, 1n, 1_000n),
    header(2, 1n, 1_000_000n, Buffer.alloc(50_000_000)),
  ]
  for (const sendLatencyUs of hostile) {
    const report = telemetryReport({ producers: [producer({ sendLatencyUs })] })
    const problem = assertProblem(await plane.call('POST', '/v1/telemetry', report), 'MQ_REQUEST_INVALID')
    assert.ok(problem.message.length < 300)
  }
  assert.equal((await plane.call('GET', '/v1/ids/orders.placed')).body.traffic, null)
})

test('any histogram bytes are either read or refused, quickly', TIMEOUT, () => {
  const good = Buffer.from(encoded([1, 100, 10_000, 1_000_000]), 'base64')
  fc.assert(
    fc.property(fc.nat(good.length - 1), fc.nat(255), (at, byte) => {
      const bent = Buffer.from(good)
      bent[at] = byte
      try {
        Sketch.decode(bent.toString('base64'))
      } catch {
        // Refused is fine; hanging or taking all memory would not be.
      }
    }),
    { numRuns: 500 },
  )
})

test('histograms merge to what one histogram of all values says', () => {
  fc.assert(
    fc.property(
      fc.array(fc.array(fc.integer({ min: 1, max: 10_000_000 }), { minLength: 1 }), { minLength: 1, maxLength: 5 }),
      (parts) => {
        const merged = new Sketch()
        for (const part of parts) merged.merge(Sketch.decode(encoded(part)))
        const all = parts.flat().sort((a, b) => a - b)
        assert.equal(merged.total, all.length)
        for (const share of [0.5, 0.99]) {
          const exact = all[Math.max(0, Math.ceil(share * all.length) - 1)]! / 1_000
          const read = merged.quantileMs(share)!
          assert.ok(Math.abs(read - exact) <= exact * 0.01 + 0.001, `${read} for ${exact}`)
        }
        const slice = { ...emptySlice(), sendLatency: merged }
        const table = new NameTable()
        const again = decodeSlice(encodeSlice(slice, table), table).sendLatency
        assert.equal(again.total, merged.total)
        for (const share of [0.5, 0.99]) {
          const [kept, was] = [again.quantileMs(share)!, merged.quantileMs(share)!]
          assert.ok(Math.abs(kept - was) <= was * 0.03 + 0.001, `p${share * 100}: ${kept} for ${was}`)
        }
      },
    ),
    { numRuns: 50 },
  )
})

test('roll-ups of 5 minutes and of an hour survive a restart in the middle of a window (Y1)', TIMEOUT, async (t) => {
  const hour = 1_800_000_000_000 - (1_800_000_000_000 % HOUR_MS)
  const deps = movableClock(hour)
  const kafka = new FakeKafka()
  const dataDir = temporaryFolder(t)
  const first = await started(t, { deps, kafka, dataDir })
  await first.call('POST', '/v1/telemetry', telemetryReport({ producers: [producer()], consumers: [consumer()] }))
  await first.close()
  const second = await startHarness(t, { deps, kafka, dataDir })
  await second.call('POST', '/v1/telemetry', telemetryReport({ producers: [producer()] }))
  assert.deepEqual(second.traffic.takeFinished(), [], 'the window is still open')
  deps.advance(FIVE_MINUTES_MS)
  await second.call('POST', '/v1/telemetry', telemetryReport({ producers: [producer()] }))
  await saveRollups(second.store, second.traffic.takeFinished(true), deps.clock.nowMs())
  const five = await readRollups(second.store, 'orders.placed', FIVE_MINUTES_MS, 0)
  assert.deepEqual(
    five.map((one) => one.slice.producer.records),
    [12_000, 6_000],
  )
  assert.deepEqual(
    five.map((one) => one.windowStartMs),
    [hour, hour + FIVE_MINUTES_MS],
  )
  const [whole] = await readRollups(second.store, 'orders.placed', HOUR_MS, 0)
  assert.equal(whole?.slice.producer.records, 18_000)
  assert.equal(whole?.slice.sendLatency.total, 9)
  assert.equal(whole?.slice.groups.get('billing')?.counts.records, 3_000)
})

test('roll-ups past their time are removed', TIMEOUT, async (t) => {
  const deps = movableClock()
  const plane = await started(t, { deps })
  const once = async (): Promise<void> => {
    await plane.call('POST', '/v1/telemetry', telemetryReport({ producers: [producer()] }))
    await saveRollups(plane.store, plane.traffic.takeFinished(true), deps.clock.nowMs())
  }
  await once()
  deps.advance(3 * 86_400_000)
  await once()
  assert.equal((await readRollups(plane.store, 'orders.placed', FIVE_MINUTES_MS, 0)).length, 1)
  assert.equal((await readRollups(plane.store, 'orders.placed', HOUR_MS, 0)).length, 2)
})
