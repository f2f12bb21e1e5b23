/** What is counted about sending (producer-meter T1-T4, sent-stretch R2, record-sampler S1-S3, key-sketch K1-K2). */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { ProducerTelemetry } from '@mq/contract'
import { decodeFromCompressedBase64 } from 'hdr-histogram-js'
import { hashOf, KeySketch } from '../src/telemetry/key-sketch.ts'
import { ProducerMeter } from '../src/telemetry/producer-meter.ts'
import { RecordSampler } from '../src/telemetry/record-sampler.ts'
import { batchReport, encodedBatch, SETTINGS } from './support/batches.ts'
import { FakeTime } from './support/time.ts'

const meterOf = (time: FakeTime): ProducerMeter =>
  new ProducerMeter({
    mqId: 'orders.placed',
    epoch: 1,
    clock: time.deps.clock,
    settings: SETTINGS,
    bufferBytes: () => 1,
  })

/** Estimated number of keys behind the registers, as HyperLogLog has it. */
function distinct(registers: string): number {
  const bytes = Buffer.from(registers, 'base64')
  const empty = bytes.filter((rank) => rank === 0).length
  const raw = (0.7213 / (1 + 1.079 / 256)) * 256 ** 2 * (1 / bytes.reduce((sum, rank) => sum + 2 ** -rank, 0))
  return raw < 640 && empty > 0 ? 256 * Math.log(256 / empty) : raw
}

describe('ProducerMeter', () => {
  it('tells apart what was sent under different settings, also when an answer comes after the change (T3)', async () => {
    const time = new FakeTime()
    const meter = meterOf(time)
    const before = meter.settings
    meter.sent(batchReport(before))
    await time.advance(4_000)
    const during = meter.use({ ...SETTINGS, codec: 'zstd', codecLevel: 1, lingerMs: 20 }, 17)
    meter.sent(batchReport(during, { records: 100 }))
    meter.sent(batchReport(before, { records: 5 }))
    await time.advance(6_000)
    assert.equal(meter.use(SETTINGS, null), before, 'settings that are back are the same again')
    await time.advance(1_000)
    const [plain, trial, ...rest] = meter.take().map((report) => ProducerTelemetry.parse(report))
    assert.deepEqual(rest, [])
    assert.deepEqual([plain?.trial, plain?.records, plain?.activeMs, plain?.codec], [null, 15, 5_000, 'none'])
    assert.deepEqual([trial?.trial, trial?.records, trial?.activeMs], [17, 100, 6_000])
    assert.deepEqual([trial?.codec, trial?.codecLevel, trial?.lingerMs], ['zstd', 1, 20])
    assert.deepEqual(meter.take(), [])
  })

  it('keeps a trial of the very same settings apart', () => {
    const meter = meterOf(new FakeTime())
    const control = meter.settings
    const trial = meter.use(SETTINGS, 3)
    assert.notEqual(trial, control)
    meter.sent(batchReport(control))
    meter.sent(batchReport(trial))
    assert.deepEqual(
      meter.take().map((report) => [report.trial, report.records]),
      [
        [null, 10],
        [3, 10],
      ],
    )
  })

  it('bounds the settings it tells apart', () => {
    const meter = meterOf(new FakeTime())
    for (let lingerMs = 0; lingerMs < 100; lingerMs++) {
      meter.sent(batchReport(meter.use({ ...SETTINGS, lingerMs }, null)))
    }
    assert.ok(meter.take().length <= 8)
  })

  it('counts CPU of encoding by samples, and of compressing as measured (T4)', () => {
    const meter = meterOf(new FakeTime())
    meter.sent(batchReport(meter.settings, { compression: { ownUs: 5, handedBytes: 100_000, handedUs: 700 } }))
    assert.deepEqual(
      meter.take().map(({ cpuUs, compressUs }) => [cpuUs, compressUs]),
      [[undefined, 705]],
    )
    for (let n = 0; n < 100; n++) meter.appended(n === 50 ? 1e9 : 2)
    meter.sent(batchReport(meter.settings, { records: 1_000 }))
    const { cpuUs = 0, compressUs = 0 } = meter.take()[0]!
    assert.equal(compressUs, 250)
    assert.ok(cpuUs - compressUs > 2_000 && cpuUs - compressUs < 20_000, `${cpuUs} us for 1,000 records`)
  })

  it('finds Poisson arrivals to be 1, and arrivals in bursts to be as large as the bursts (R2)', async () => {
    const random = generator(7)
    const exponential = (mean: number): number => -mean * Math.log(1 - random())
    const measure = async (burst: number, meanGapMs: number, lingerMs: number): Promise<number> => {
      const time = new FakeTime()
      const meter = meterOf(time)
      let nowMs = 0
      let opened: { atMs: number; records: number } | undefined
      while (nowMs < 60_000) {
        nowMs += exponential(meanGapMs)
        if (opened !== undefined && nowMs > opened.atMs + lingerMs) {
          meter.sent(batchReport(meter.settings, { records: opened.records, openMs: lingerMs }))
          opened = undefined
        }
        opened ??= { atMs: nowMs, records: 0 }
        opened.records += burst
      }
      await time.advance(60_000)
      return meter.take()[0]!.dispersion!
    }
    for (const lingerMs of [1, 5, 50]) {
      const poisson = await measure(1, 2, lingerMs)
      assert.ok(Math.abs(poisson - 1) < 0.35, `Poisson at linger ${lingerMs}: ${poisson}`)
      const bursty = await measure(40, 20, lingerMs)
      assert.ok(Math.abs(bursty - 40) < 6, `bursts of 40 at linger ${lingerMs}: ${bursty}`)
    }
  })
})

describe('RecordSampler', () => {
  it('tells sizes and keys without a byte of a record (S3, K1)', () => {
    const sampler = new RecordSampler()
    const secret = 'card-4111-1111'
    for (let n = 0; n < 50; n++) sampler.sent(encodedBatch(100, (index) => [`${secret}-${index}`, secret.repeat(10)]))
    const told = sampler.take()!
    const text = JSON.stringify(told)
    for (const form of [
      secret,
      Buffer.from(secret).toString('base64').slice(0, -4),
      String(hashOf(Buffer.from(`${secret}-1`), 0, 16)),
    ]) {
      assert.ok(!text.includes(form), form)
    }
    const sizes = decodeFromCompressedBase64(told.recordSizes)
    assert.ok(sizes.getValueAtPercentile(50) >= 155 && sizes.getValueAtPercentile(50) <= 160)
    assert.equal(told.keys.keyed, told.keys.sampled)
    assert.equal(sampler.take(), undefined)
  })

  it('gives records of full and of small batches the same weight (S1)', () => {
    const random = generator(3)
    const deep = encodedBatch(200, () => [null, 'x'.repeat(1_000)])
    const single = encodedBatch(1, () => [null, 'x'.repeat(10)])
    // As many records of 10 bytes in single batches as records of 1,000 bytes in deep ones, over several windows.
    const sampler = new RecordSampler()
    for (let n = 0; n < 50_000; n++) sampler.sent(random() < 1 / 201 ? deep : single)
    sampler.take()
    for (let n = 0; n < 200_000; n++) sampler.sent(random() < 1 / 201 ? deep : single)
    const sizes = decodeFromCompressedBase64(sampler.take()!.recordSizes)
    const mean = sizes.mean
    assert.ok(mean > 300 && mean < 700, `mean of 10 and 1,000 is ${mean}`)
  })

  it('looks at a bounded number of batches, whatever is sent (S2)', () => {
    const sampler = new RecordSampler()
    let looks = 0
    const batch = encodedBatch(64, (index) => [`k-${index}`, 'v'])
    const counted = {
      ...batch,
      records: () => {
        looks++
        return batch.records()
      },
    }
    for (let n = 0; n < 100_000; n++) sampler.sent(counted)
    assert.ok(looks < 500, `${looks} of 100,000 batches`)
    sampler.take()
    looks = 0
    for (let n = 0; n < 100_000; n++) sampler.sent(counted)
    assert.ok(looks < 150, `${looks} of 100,000 batches once it knows the rate`)
  })
})

describe('KeySketch', () => {
  it('estimates how many keys there are, mergeable, and the share of the busiest (K2)', () => {
    for (const keys of [11, 501, 20_001]) {
      const sketch = new KeySketch()
      for (let n = 0; n < 100_000; n++) {
        const text = Buffer.from(n % 4 === 0 ? 'whale' : `key-${n % keys}`)
        sketch.add(hashOf(text, 0, text.length), 1)
      }
      const told = sketch.take()!
      const estimate = distinct(told.registers)
      const expected = keys + 1
      assert.ok(Math.abs(estimate - expected) / expected < 0.25, `${estimate} for ${expected}`)
      assert.ok(Math.abs(told.topShares[0]! - 0.25) < 0.03, `${told.topShares[0]}`)
    }
  })

  it('knows records without a key', () => {
    const sketch = new KeySketch()
    sketch.add(null, 5)
    const told = sketch.take()
    assert.deepEqual(told, { sampled: 5, keyed: 0, registers: '', topShares: [] })
  })
})

function generator(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}
