import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { MqError } from '@mq/contract'
import { type HeldRecord, partitionOf, type Receipt } from '@mq/kafka'
import fc from 'fast-check'
import { Handover } from '../src/epochs/handover.ts'
import { TestHeld } from './support/held.ts'
import { FakeTime, turn } from './support/time.ts'

const NEVER = new Promise<void>(() => {})

/** Stores what it adopts, in one list per partition. */
class TestTarget {
  readonly stored: string[][]
  fail: MqError | undefined
  onPlaced: () => Promise<void> = async () => {}

  constructor(partitions: number) {
    this.stored = Array.from({ length: partitions }, () => [])
  }

  async adopt({ key, value }: HeldRecord): Promise<Receipt> {
    if (this.fail !== undefined) throw this.fail
    const partition = partitionOf(key ?? 'none', this.stored.length)
    const log = this.stored[partition]!
    log.push(`${String(key)} ${String(value)}`)
    return { topic: 'next', partition, baseOffset: BigInt(log.length - 1) }
  }

  placed(): Promise<void> {
    return this.onPlaced()
  }
}

function open(): { handover: Handover; time: FakeTime } {
  const time = new FakeTime()
  return { handover: new Handover({ mqId: 'orders.placed', deps: time.deps }), time }
}

async function codeOf(promise: Promise<unknown>): Promise<string> {
  return promise.then(
    () => 'ok',
    (error: unknown) => (error instanceof MqError ? error.code : String(error)),
  )
}

/** Records of a few keys, `n` rising, in batches of the partitions they belong to. */
function batchesOf(keys: readonly number[], from: number, batchRecords: number): TestHeld[] {
  const perPartition: [string, string][][] = Array.from({ length: from }, () => [])
  for (const [n, key] of keys.entries()) perPartition[partitionOf(`k${key}`, from)]!.push([`k${key}`, String(n)])
  return perPartition.flatMap((records, partition) => {
    const batches: TestHeld[] = []
    for (let at = 0; at < records.length; at += batchRecords) {
      batches.push(new TestHeld(partition, records.slice(at, at + batchRecords)))
    }
    return batches
  })
}

function assertOrdered(target: TestTarget, count: number): void {
  const last = new Map<string, number>()
  let total = 0
  for (const log of target.stored) {
    for (const entry of log) {
      const [key, n] = entry.split(' ') as [string, string]
      assert.ok(Number(n) > (last.get(key) ?? -1), `${key}: ${n} after ${last.get(key)}`)
      last.set(key, Number(n))
      total++
    }
  }
  assert.equal(total, count)
}

describe('Handover', () => {
  it('keeps the order of every key for any split, also when it is broken off in between (H1, H5)', async () => {
    const partitions = fc.integer({ min: 1, max: 12 })
    const keys = fc.array(fc.integer({ min: 0, max: 8 }), { maxLength: 60 })
    const few = fc.integer({ min: 1, max: 5 })
    await fc.assert(
      fc.asyncProperty(keys, partitions, partitions, few, fc.nat(10), async (sent, from, to, records, breakAfter) => {
        const { handover } = open()
        const target = new TestTarget(to)
        const batches = batchesOf(sent, from, records)
        handover.putFirst(batches)
        const { promise: broken, resolve: breakOff } = Promise.withResolvers<void>()
        let placed = 0
        target.onPlaced = async () => {
          if (placed++ === breakAfter) breakOff()
        }
        const isDone = await handover.moveTo(target, broken)
        if (!isDone) assert.equal(await handover.moveTo(target, NEVER), true)
        assertOrdered(target, sent.length)
        for (const batch of batches) {
          await batch.promise
          assert.equal(batch.letsGo, 1)
        }
      }),
    )
  })

  it('puts what a broken-off epoch held before what never reached it', async () => {
    const { handover } = open()
    const target = new TestTarget(3)
    handover.putFirst([new TestHeld(0, [['k', '2']])])
    handover.putFirst([new TestHeld(1, [['k', '1']])])
    await handover.moveTo(target, NEVER)
    assertOrdered(target, 2)
  })

  it('acknowledges what the old log has, and sends only the rest (H2)', async () => {
    const { handover } = open()
    const target = new TestTarget(1)
    const [stored, absent, lost] = ['1', '2', '3'].map((n) => new TestHeld(Number(n), [['k', n]], true))
    handover.putFirst([stored!, absent!, lost!])
    await handover.resolve(async ({ partition }) => {
      if (partition === 1) return { kind: 'stored', baseOffset: 41n }
      return { kind: partition === 2 ? 'absent' : 'unknown' }
    })
    await handover.moveTo(target, NEVER)
    assert.equal((await stored!.promise).baseOffset, 41n)
    assert.equal((await absent!.promise).topic, 'next')
    assert.equal(await codeOf(lost!.promise), 'MQ_SEND_UNCERTAIN')
    assert.deepEqual(target.stored, [['k 2']])
  })

  it('rejects a batch of which one record cannot be stored (H3)', async () => {
    const { handover } = open()
    const target = new TestTarget(2)
    target.fail = new MqError('MQ_MESSAGE_TOO_LARGE', 'too large')
    const batch = new TestHeld(0, [['k', '1']])
    handover.putFirst([batch])
    await handover.moveTo(target, NEVER)
    assert.equal(await codeOf(batch.promise), 'MQ_MESSAGE_TOO_LARGE')
    await handover.idle()
  })

  it('keeps to the deadline, and does not send what is past it (H4)', async () => {
    const { handover, time } = open()
    const late = new TestHeld(0, [['k', '1']], true)
    handover.putFirst([late, new TestHeld(0, [['k', '2']], false, 1_001_500)])
    assert.equal(handover.size, 2)
    await time.advance(1_000)
    assert.equal(await codeOf(late.promise), 'MQ_SEND_UNCERTAIN')
    assert.equal(handover.size, 1)
    const target = new TestTarget(1)
    await handover.moveTo(target, NEVER)
    assert.deepEqual(target.stored, [['k 2']])
    await turn()
    assert.equal(time.timers, 0)
  })
})
