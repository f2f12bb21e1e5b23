/** Shadow measurement (shadow S1-S4, shadow-budget B1-B2, shadow-collector C1-C3). */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { ShadowSample as Sample, type ShadowSample } from '@mq/contract'
import { CodecProbeThread, type EncodedRecords, type ProbeBatch, type ProbeCandidate, systemDeps } from '@mq/kafka'
import { type ProbePort, Shadow } from '../src/telemetry/shadow.ts'
import { ShadowBudget } from '../src/telemetry/shadow-budget.ts'
import type { ShadowCollector } from '../src/telemetry/shadow-collector.ts'
import { encodedBatch } from './support/batches.ts'
import { FakeTime } from './support/time.ts'

const SECRET = 'iban-DE89-3704'
const batch = (count = 100): EncodedRecords =>
  encodedBatch(count, (index) => [`customer-${index % 9}`, JSON.stringify({ order: index, account: SECRET })])

/** A probe whose steps take what the test says. */
class FakeProbe implements ProbePort {
  readonly time: FakeTime
  readonly stepUs: number
  usedUs = 0
  steps = 0
  loadedBytes = 0
  closed = false

  constructor(time: FakeTime, stepUs: number) {
    this.time = time
    this.stepUs = stepUs
  }

  async load(batches: readonly ProbeBatch[]): Promise<number> {
    this.loadedBytes += batches.reduce((sum, { records }) => sum + records.length, 0)
    this.usedUs += 40_000
    return 40_000
  }

  async measure({ codec, codecLevel }: ProbeCandidate, depth: number) {
    this.steps++
    this.usedUs += this.stepUs
    const sample: ShadowSample = {
      codec,
      codecLevel,
      depth,
      batches: 1,
      uncompressedBytes: 61 + depth * 100,
      compressedBytes: 61 + depth * 20,
      compressUs: depth,
      decompressUs: 1,
    }
    return { sample, cpuUs: this.stepUs }
  }

  async close(): Promise<void> {
    this.closed = true
  }
}

function open(stepUs = 5_000) {
  const time = new FakeTime()
  const probes: FakeProbe[] = []
  const shadow = new Shadow({
    deps: time.deps,
    openProbe: () => {
      const probe = new FakeProbe(time, stepUs)
      probes.push(probe)
      return probe
    },
  })
  const usedUs = (): number => probes.reduce((sum, probe) => sum + probe.usedUs, 0)
  return { time, shadow, probes, usedUs }
}

async function busy(time: FakeTime, collectors: readonly ShadowCollector[], seconds: number): Promise<void> {
  const sent = batch()
  for (let second = 0; second < seconds; second++) {
    for (const collector of collectors) for (let n = 0; n < 20; n++) collector.offer(n % 4, sent)
    await time.advance(1_000)
  }
}

describe('ShadowBudget', () => {
  it('lets a step start once there is enough, and takes back what it took too much (B1)', async () => {
    const time = new FakeTime()
    const budget = new ShadowBudget(time.deps.clock)
    assert.equal(budget.waitMs(50_000), 5_000)
    await time.advance(5_000)
    assert.equal(budget.waitMs(50_000), 0)
    budget.spend(150_000)
    assert.equal(budget.waitMs(1), 10_001)
  })

  it('saves no more than a little (B2)', async () => {
    const time = new FakeTime()
    const budget = new ShadowBudget(time.deps.clock)
    await time.advance(3_600_000)
    assert.equal(budget.waitMs(200_000), 0)
    assert.equal(budget.waitMs(200_001), null)
    budget.spend(200_000)
    assert.equal(budget.waitMs(10_000), 1_000)
  })
})

describe('Shadow', () => {
  it('measures every candidate at every depth there are records for, and tells it once (C3)', async () => {
    const { time, shadow, probes } = open(500)
    const collector = shadow.collector('orders.placed')
    await busy(time, [collector], 40)
    const found = collector.take()
    for (const sample of found) Sample.parse(sample)
    assert.deepEqual([...new Set(found.map(({ depth }) => depth))], [64, 16, 256, 1, 4, 1_024, 4_096])
    assert.equal(new Set(found.map(({ codec, codecLevel }) => `${codec} ${codecLevel}`)).size, 8)
    assert.equal(collector.usPerByte('zstd', undefined), 1_024 / 102_400, 'by default zstd runs at level 3')
    assert.equal(collector.usPerByte('gzip', 9), undefined)
    await busy(time, [collector], 10)
    assert.deepEqual(collector.take(), [])
    await shadow.close()
    assert.equal(probes.length, 1)
    assert.equal(probes[0]!.closed, true)
    assert.equal(time.timers, 0)
  })

  it('tells what it found while the round goes on, usual depths first (C3)', async () => {
    const { time, shadow } = open(5_000)
    const collector = shadow.collector('orders.placed')
    const told: ShadowSample[][] = []
    for (let second = 0; second < 60; second++) {
      await busy(time, [collector], 1)
      const found = collector.take()
      if (found.length > 0) told.push(found)
    }
    assert.ok(told.length >= 6, `told in ${told.length} pieces`)
    assert.deepEqual([...new Set(told[0]!.map(({ depth }) => depth))], [64])
    assert.equal(told[0]!.length, 8, 'every candidate')
    const keys = told.flat().map(({ codec, codecLevel, depth }) => `${codec} ${codecLevel} ${depth}`)
    assert.equal(new Set(keys.slice(0, 48)).size, 48, 'each once a round')
    await shadow.close()
  })

  it('stays within 1 % of one core over any time from the start, whatever steps cost (B1, S1)', async () => {
    for (const stepUs of [100, 20_000, 90_000]) {
      const { time, shadow, usedUs } = open(stepUs)
      const collectors = Array.from({ length: 10 }, (_, n) => shadow.collector(`orders.${n}`))
      for (let minute = 1; minute <= 10; minute++) {
        await busy(time, collectors, 60)
        const allowedUs = minute * 60_000_000 * 0.01
        assert.ok(usedUs() <= allowedUs + stepUs + 40_000, `${usedUs()} us in ${minute} min at ${stepUs} us a step`)
      }
      assert.ok(usedUs() > 0)
      assert.equal(shadow.usedUs, usedUs())
      await shadow.close()
    }
  })

  it('does nothing for an idle mQ ID, and lets the thread go when there is nothing to do (C1, S1)', async () => {
    const { time, shadow, probes } = open(500)
    const collector = shadow.collector('orders.placed')
    await time.advance(600_000)
    assert.equal(probes.length, 0)
    await busy(time, [collector], 30)
    assert.equal(probes.length, 1)
    const { steps } = probes[0]!
    assert.ok(steps > 0)
    await time.advance(600_000)
    assert.equal(probes[0]!.steps, steps)
    assert.equal(probes[0]!.closed, true)
    await busy(time, [collector], 30)
    assert.equal(probes.length, 2, 'and takes up again when there is traffic')
    await shadow.close()
  })

  it('keeps copies of a bounded size, for all mQ IDs together (C2)', async () => {
    const { time, shadow, probes } = open(100_000)
    const large = encodedBatch(500, (index) => [null, `${index}`.padEnd(4_000, '.')])
    const collectors = Array.from({ length: 100 }, (_, n) => shadow.collector(`orders.${n}`))
    for (const collector of collectors) for (let n = 0; n < 5; n++) collector.offer(0, large)
    await time.advance(10_000)
    for (const collector of collectors) for (let n = 0; n < 5; n++) collector.offer(0, large)
    let held = 0
    for (const collector of collectors) for (const one of collector.batches()) held += one.records.length
    assert.ok(held + probes[0]!.loadedBytes <= 16 * 1_048_576, `${held} bytes`)
    assert.ok(probes[0]!.loadedBytes > 500_000, 'and a batch larger than a round takes is measured in part')
    await shadow.close()
  })

  it('goes without when no thread can be had (S4)', async () => {
    const time = new FakeTime()
    let tries = 0
    const shadow = new Shadow({
      deps: time.deps,
      openProbe: () => {
        tries++
        throw new Error('no threads here')
      },
    })
    const collector = shadow.collector('orders.placed')
    await busy(time, [collector], 900)
    assert.equal(tries, 3)
    assert.deepEqual(collector.take(), [])
    const others = Array.from({ length: 40 }, (_, n) => shadow.collector(`orders.${n}`))
    await busy(time, others, 60)
    const kept = [collector, ...others].reduce((sum, one) => sum + one.batches().length, 0)
    assert.equal(kept, 0, 'no copy is kept for nothing')
    await shadow.close()
  })

  it('on the real thread tells sizes and times of real records and nothing of their content (S2)', {
    timeout: 300_000,
  }, async () => {
    // Time runs fast, so that the budget is there at once; CPU is measured for real.
    const started = performance.now()
    const clock = { nowMs: () => Date.now(), monotonicMs: () => (performance.now() - started) * 200 }
    const shadow = new Shadow({ deps: { ...systemDeps, clock }, openProbe: () => new CodecProbeThread() })
    const collector = shadow.collector('orders.placed')
    collector.current = { codec: 'zstd', codecLevel: 9 }
    let found: ShadowSample[] = []
    for (let n = 0; n < 2_000 && found.length < 9 * 4; n++) {
      collector.offer(n % 3, batch())
      await new Promise((resolve) => setTimeout(resolve, 5))
      found = [...found, ...collector.take()]
    }
    await shadow.close()
    assert.ok(found.length >= 9 * 4, `${found.length} samples`)
    assert.ok(
      found.some(({ codec, codecLevel }) => codec === 'zstd' && codecLevel === 9),
      'the settings in force, too',
    )
    const text = JSON.stringify(found)
    assert.doesNotMatch(text, /iban|3704|customer|order/)
    for (const sample of found)
      assert.equal(Object.values(sample).filter((value) => typeof value === 'string').length, 1)
    const deep = found.find(({ codec, codecLevel, depth }) => codec === 'zstd' && codecLevel === 1 && depth === 64)!
    assert.ok(deep.compressedBytes < deep.uncompressedBytes / 3)
    assert.ok(shadow.usedUs > 1_000)
  })
})
