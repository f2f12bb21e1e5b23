import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { MqError } from '@mq/contract'
import { decodeCommitMetadata, encodeCommitMetadata, type FetchedBatch, type FetchedRecord } from '@mq/kafka'
import fc from 'fast-check'
import { Delivery, type DeliveryContext, PartitionWork } from '../src/epochs/delivery.ts'
import type { ConsumerMeter } from '../src/telemetry/consumer-meter.ts'
import { ID, OTHER_ID, open, TestBatch, TOPIC } from './support/reader-rig.ts'

/** A log with holes, cut into batches; some of its records are never handed out, as those of aborted transactions. */
interface Log {
  readonly batches: readonly { readonly offsets: readonly number[]; readonly next: number }[]
}

const LOGS: fc.Arbitrary<Log> = fc
  .array(fc.tuple(fc.array(fc.nat({ max: 3 }), { maxLength: 12, size: 'max' }), fc.nat({ max: 2 })), {
    minLength: 1,
    maxLength: 8,
    size: 'max',
  })
  .map((shapes) => {
    let at = 0
    const batches = shapes.map(([gaps, tail]) => {
      const offsets = gaps.map((gap) => {
        at += gap
        return at++
      })
      at += tail + 1
      return { offsets, next: at }
    })
    return { batches }
  })

/** What a process does with a record, in turn: look at its key, start it, end it, fail it. */
const STEPS = fc.array(fc.tuple(fc.constantFrom('look', 'run', 'finish', 'finish', 'fail'), fc.nat()), {
  minLength: 10,
  maxLength: 120,
  size: 'max',
})

/** One life of a process that reads one partition. */
class Life {
  readonly log: Log
  readonly finished: Set<number>
  readonly work: PartitionWork
  readonly handed: number[] = []
  readonly #open: { delivery: Delivery; offsets: readonly number[]; next: number }[] = []
  readonly #running: { delivery: Delivery; index: number; offset: number }[] = []
  readonly #again: { delivery: Delivery; index: number; offset: number }[] = []
  #fed = 0

  constructor(log: Log, finished: Set<number>, start: bigint, note: string | undefined) {
    this.log = log
    this.finished = finished
    const known = decodeCommitMetadata(start, note)
    const beyond = known === undefined ? undefined : { ranges: known.finished, leaderEpoch: known.leaderEpoch }
    this.work = new PartitionWork(0, start, start, undefined, beyond)
    const context: DeliveryContext = {
      ordered: true,
      handler: (record) => void this.handed.push(Number(record.offset)),
      meter: { delivered: () => false, redelivered: () => {}, failedNoMore: () => {} } as unknown as ConsumerMeter,
      nowMs: () => 0,
      onFailed: () => 1,
    }
    for (const batch of log.batches) {
      if (BigInt(batch.next) <= start) continue
      const offsets = batch.offsets.filter((offset) => BigInt(offset) >= start)
      const records = offsets.map(
        (offset) => ({ offset: BigInt(offset), keyHash: () => 0 }) as unknown as FetchedRecord,
      )
      const fetched = {
        count: offsets.length,
        nextOffset: BigInt(batch.next),
        leaderEpoch: 3,
        records: records[Symbol.iterator](),
        release: () => {},
      }
      const delivery = new Delivery(context, this.work, fetched as unknown as FetchedBatch)
      this.#open.push({ delivery, offsets, next: 0 })
    }
  }

  step(what: string, pick: number): void {
    if (what === 'look' || what === 'run') {
      while (
        this.#open[this.#fed] !== undefined &&
        this.#open[this.#fed]!.next >= this.#open[this.#fed]!.offsets.length
      )
        this.#fed++
      const again = what === 'run' ? this.#again.shift() : undefined
      const from = this.#open[this.#fed]
      const job =
        again ??
        (from === undefined
          ? undefined
          : { delivery: from.delivery, index: from.next, offset: from.offsets[from.next]! })
      if (job === undefined) return
      if (again === undefined) from!.next++
      if (what === 'look') {
        job.delivery.keyHash(job.index)
        this.#again.push(job)
        return
      }
      job.delivery.run(job.index, 1)
      this.#running.push(job)
      return
    }
    const [job] = this.#running.splice(pick % Math.max(1, this.#running.length), 1)
    if (job === undefined) return
    if (what === 'fail') {
      job.delivery.failed(job.index, 1, new Error('not now'))
      this.#again.push(job)
      return
    }
    job.delivery.finished(job.index)
    this.finished.add(job.offset)
  }

  finishAll(): void {
    for (let turn = 0; turn < 1_000; turn++) {
      this.step('run', 0)
      this.step('finish', 0)
    }
  }

  commit(): { offset: bigint; note: string; records: Set<number> } {
    const beyond = this.work.tracker.finishedBeyond()
    const offset = this.work.tracker.position()
    const note = encodeCommitMetadata(offset, { topicId: ID, finished: beyond.ranges, leaderEpoch: beyond.leaderEpoch })
    const decoded = decodeCommitMetadata(offset, note)
    assert.ok(decoded !== undefined, note)
    const all = this.log.batches.flatMap(({ offsets }) => offsets)
    const isIn = (one: number): boolean =>
      BigInt(one) < offset || decoded.finished.some(({ first, end }) => first <= BigInt(one) && BigInt(one) < end)
    return { offset, note, records: new Set(all.filter(isIn)) }
  }
}

describe('what is finished beyond a position', () => {
  it('is noted exactly, whatever finished in whatever order, and over any number of restarts (O6, Y5)', () => {
    let skipped = 0

    fc.assert(
      fc.property(LOGS, fc.array(STEPS, { minLength: 2, maxLength: 4, size: 'max' }), (log, lives) => {
        const finished = new Set<number>()
        let stored: { offset: bigint; note: string | undefined } = { offset: 0n, note: undefined }
        for (const steps of lives) {
          const before = new Set(finished)
          const life = new Life(log, finished, stored.offset, stored.note)
          for (const [what, pick] of steps) life.step(what, pick)
          assert.deepEqual(
            life.handed.filter((offset) => before.has(offset)),
            [],
          )
          const committed = life.commit()
          assert.deepEqual(
            [...committed.records].toSorted((a, b) => a - b),
            [...finished].toSorted((a, b) => a - b),
          )
          skipped += [...before].filter((offset) => BigInt(offset) >= stored.offset).length
          stored = committed
        }
        const last = new Life(log, finished, stored.offset, stored.note)
        const before = new Set(finished)
        last.finishAll()
        const all = log.batches.flatMap(({ offsets }) => offsets)
        assert.deepEqual(
          last.handed.toSorted((a, b) => a - b),
          all.filter((offset) => !before.has(offset)),
        )
        assert.equal(last.work.tracker.position(), BigInt(log.batches.at(-1)!.next))
      }),
      { numRuns: 500 },
    )
    assert.ok(skipped > 100, 'restarts found nothing finished')
  })

  const fill = (count: number): TestBatch =>
    new TestBatch(
      0,
      Array.from({ length: count }, (_, n) => 5 + n),
      5 + count,
    )

  it('is not handed out after a restart, nor to the next owner; what failed is (R2)', async () => {
    const first = await open((message) => (message.offset === '5' ? Promise.reject(new Error('bad')) : undefined))
    await first.kafka.assign(0)
    first.kafka.deliver(fill(100))
    await first.time.advance(2_000)
    assert.deepEqual(first.kafka.commits.at(-1), '0@5')
    const handed: string[] = []
    const next = await open((message) => void handed.push(message.offset))
    next.kafka.committed.set(`${TOPIC}:0`, 5n)
    next.kafka.notes.set(0, first.kafka.notes.get(0)!)
    await next.kafka.assign(0)
    assert.deepEqual(next.kafka.askedEpochs, ['0:0'])
    next.kafka.deliver(fill(101))
    await next.time.advance(2_000)
    // Those of its key waited behind it.
    const expected = Array.from({ length: 101 }, (_, n) => 5 + n).filter((offset) => offset % 3 === 2 || offset === 105)
    assert.deepEqual(handed.map(Number), expected)
    assert.deepEqual(next.kafka.commits, ['0@106'])
  })

  it('is handed out again when the log is not the same any more, or when nobody can say whether it is', async () => {
    const cases: ((kafka: Awaited<ReturnType<typeof open>>['kafka']) => void)[] = [
      (kafka) => (kafka.epochEnd = { leaderEpoch: 0, endOffset: 20n }),
      (kafka) => (kafka.epochEnd = { leaderEpoch: -1, endOffset: 1_000n }),
      (kafka) => (kafka.epochEnd = undefined),
      (kafka) => (kafka.failEpochEnds = new MqError('MQ_KAFKA_TIMEOUT', 'no answer')),
      (kafka) => kafka.recreate(OTHER_ID),
    ]
    for (const change of cases) {
      const handed: string[] = []
      const { kafka } = await open((message) => void handed.push(message.offset))
      kafka.committed.set(`${TOPIC}:0`, 5n)
      kafka.notes.set(0, { finished: [{ first: 6n, end: 50n }], leaderEpoch: 0 })
      change(kafka)
      await kafka.assign(0)
      kafka.deliver(fill(100))
      assert.equal(handed.length, 100)
    }
  })
})
