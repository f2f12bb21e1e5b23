import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import type { FetchedBatch, FetchedRecord } from '@mq/kafka'
import { Delivery, type DeliveryContext, PartitionWork } from '../src/epochs/delivery.ts'
import type { StretchEnd } from '../src/epochs/key-scheduler.ts'
import type { ConsumerMeter } from '../src/telemetry/consumer-meter.ts'

/** A batch of records with rising offsets that says how many of them were read and whether it was given back. */
function batchOf(count: number) {
  const seen = { read: 0, released: 0 }
  function* walk(): Generator<FetchedRecord> {
    for (let offset = 0; offset < count; offset++) {
      seen.read++
      const hash = offset % 2
      yield { offset: BigInt(offset), timestampMs: 0, payloadBytes: 1, keyHash: () => hash } as unknown as FetchedRecord
    }
  }
  const batch = { partition: 0, count, nextOffset: BigInt(count), records: walk(), release: () => seen.released++ }
  return { batch: batch as unknown as FetchedBatch, seen }
}

function deliveryOf(count: number, answer: (offset: bigint) => unknown = () => undefined) {
  const handed: bigint[] = []
  const over: bigint[] = []
  const context: DeliveryContext = {
    ordered: true,
    handler: ({ offset }) => {
      handed.push(offset)
      return answer(offset)
    },
    meter: {
      delivered: () => false,
      redelivered: () => {},
      failedNoMore: (_: number, offset: bigint) => over.push(offset),
    } as unknown as ConsumerMeter,
    nowMs: () => 0,
    onFailed: () => 5,
  }
  const { batch, seen } = batchOf(count)
  const work = new PartitionWork(0, 0n, undefined)
  return { delivery: new Delivery(context, work, batch), work, seen, handed, over, batch }
}

describe('PartitionWork', () => {
  it('commits a position that stands still again every hour, so that Kafka does not forget it (Y8)', () => {
    const hourMs = 3_600_000
    const work = new PartitionWork(0, 42n, 42n)
    assert.deepEqual([work.toCommit(5_000), work.toCommit(4_999 + hourMs)], [undefined, undefined])
    const again = work.toCommit(5_000 + hourMs)
    assert.equal(again?.offset, 42n)
    // It is asked for until it is on record.
    assert.notEqual(work.toCommit(6_000 + hourMs), undefined)
    work.wasCommitted(again, 7_000 + hourMs)
    assert.deepEqual([work.toCommit(8_000 + hourMs), work.toCommit(6_999 + 2 * hourMs)], [undefined, undefined])
    assert.equal(work.toCommit(7_000 + 2 * hourMs)?.offset, 42n)
  })
})

describe('Delivery', () => {
  it('gives its batch back and is forgotten by the tracker as soon as its last record is finished (Y1, Y4)', () => {
    const { delivery, work, seen } = deliveryOf(3)
    for (const index of [0, 1, 2]) delivery.run(index, 1)
    for (const index of [2, 0]) delivery.finished(index)
    assert.deepEqual([seen.released, work.tracker.openSpans().length], [0, 1])
    delivery.finished(1)
    assert.deepEqual([seen.released, work.tracker.openSpans().length, work.running], [1, 0, 0])
    assert.equal(work.tracker.position(), 3n)
  })

  it('reads records one by one, and hands an unfinished one out again however far it read since (Y3)', () => {
    const { delivery, seen, handed } = deliveryOf(5)
    assert.equal(delivery.run(0, 1), undefined)
    assert.equal(seen.read, 1)
    delivery.run(1, 1)
    delivery.finished(1)
    assert.equal(delivery.keyHash(2), 0)
    delivery.run(3, 1)
    assert.equal(delivery.failed(0, 1, new Error('not now')), 5)
    delivery.run(2, 1)
    delivery.run(0, 2)
    assert.deepEqual(handed, [0n, 1n, 3n, 2n, 0n])
    for (const index of [0, 2, 3]) delivery.finished(index)
    delivery.run(4, 1)
    delivery.finished(4)
    assert.deepEqual([seen.read, seen.released], [5, 1])
  })

  it('says of a record that failed when it is finished, or no longer ours', () => {
    const { delivery, work, over } = deliveryOf(4)
    for (const index of [0, 1, 2, 3]) delivery.run(index, 1)
    delivery.finished(3)
    for (const index of [0, 1, 2]) delivery.failed(index, 1, new Error('not now'))
    assert.deepEqual(over, [])
    delivery.run(1, 2)
    delivery.finished(1)
    assert.deepEqual(over, [1n])
    delivery.run(2, 2)
    work.drop()
    assert.deepEqual(over, [1n, 0n, 2n])
    delivery.failed(2, 2, new Error('late'))
    assert.deepEqual(over, [1n, 0n, 2n, 2n], 'it failed where it is not ours any more')
  })

  it('tells the position of its lowest unfinished record, read or not', () => {
    const { delivery, work } = deliveryOf(3)
    delivery.run(0, 1)
    delivery.finished(0)
    assert.equal(work.tracker.position(), 1n)
    delivery.run(1, 1)
    assert.equal(work.tracker.position(), 1n)
    delivery.run(2, 1)
    delivery.finished(2)
    assert.equal(work.tracker.position(), 1n)
  })

  it('holds nothing of its bytes when its partition is gone, and what ran may still fail or finish (Y2, Y4)', async () => {
    setFlagsFromString('--expose-gc')
    const gc = runInNewContext('gc') as () => void
    const { delivery, work, refs } = (() => {
      const { delivery, work, seen, batch } = deliveryOf(4)
      delivery.run(0, 1)
      delivery.run(1, 1)
      work.drop()
      assert.equal(seen.released, 1)
      return { delivery, work, refs: [new WeakRef(batch), new WeakRef(batch.records)] }
    })()
    await new Promise((resolve) => setTimeout(resolve, 5))
    gc()
    assert.deepEqual(
      refs.map((ref) => ref.deref()),
      [undefined, undefined],
    )
    assert.equal(delivery.failed(0, 1, new Error('late')), 5)
    delivery.finished(1)
    assert.deepEqual([delivery.live, work.running], [false, 0])
  })

  it('runs and finishes a stretch of records, and gives its batch back with the last of them (Y1, Y7)', () => {
    const end: StretchEnd = { why: 'done', outcome: undefined }
    const { delivery, work, seen, handed } = deliveryOf(5)
    assert.equal(delivery.runStretch(0, 3, end), 3)
    assert.deepEqual([handed, seen.read, work.tracker.position(), work.running], [[0n, 1n, 2n], 3, 3n, 0])
    assert.equal(delivery.runStretch(3, 5, end), 5)
    assert.deepEqual([work.tracker.position(), work.running, seen.released], [5n, 0, 1])
    assert.equal(work.tracker.openSpans().length, 0)
  })

  it('ends a stretch at a promise or an error, with that record as the only one that is not finished (Y7)', () => {
    const end: StretchEnd = { why: 'done', outcome: undefined }
    const promise = Promise.resolve()
    const problem = new Error('not now')
    const { delivery, work, handed } = deliveryOf(6, (offset) => {
      if (offset === 1n) return promise
      if (offset === 3n && handed.filter((one) => one === 3n).length === 1) throw problem
    })
    assert.deepEqual([delivery.runStretch(0, 6, end), end], [1, { why: 'promise', outcome: promise }])
    assert.deepEqual([work.running, work.tracker.position()], [1, 1n])
    assert.deepEqual([delivery.runStretch(2, 6, end), end], [3, { why: 'error', outcome: problem }])
    assert.equal(delivery.failed(3, 1, problem), 5)
    assert.equal(work.running, 1)
    assert.equal(delivery.runStretch(4, 6, end), 6)
    assert.equal(work.tracker.position(), 1n)
    delivery.finished(1)
    assert.equal(work.tracker.position(), 3n)
    delivery.run(3, 2)
    delivery.finished(3)
    assert.deepEqual([work.tracker.position(), work.running], [6n, 0])
    assert.deepEqual(handed, [0n, 1n, 2n, 3n, 4n, 5n, 3n])
  })

  it('starts nothing more of a stretch once its partition is to be given up, and is waited for until then (Y2, Y7)', async () => {
    const end: StretchEnd = { why: 'done', outcome: undefined }
    let drained: Promise<void> | undefined
    const { delivery, work, handed } = deliveryOf(4, (offset) => {
      if (offset === 1n) drained = work.drain().then(() => assert.equal(work.tracker.position(), 2n))
    })
    assert.deepEqual([delivery.runStretch(0, 4, end), end.why, handed], [2, 'not-live', [0n, 1n]])
    await drained
  })
})
