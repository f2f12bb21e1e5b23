import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { Epoch, Ordering } from '@mq/contract'
import { partitionOf } from '@mq/kafka'
import { withinCpu } from '@mq/testkit'
import fc from 'fast-check'
import { Gates } from '../src/epochs/gates.ts'
import { RecordingLogger } from './support/logs.ts'
import { FakeTime, turn } from './support/time.ts'

function epochOf(epoch: number, partitions: number, ends?: readonly number[], state?: Epoch['state']): Epoch {
  return {
    epoch,
    state: state ?? (ends === undefined ? 'open' : 'sealed'),
    cluster: 'main',
    topic: `t.e${epoch}`,
    partitions,
    endOffsets: ends?.map(String) ?? null,
  }
}

function open(epochs: readonly Epoch[], ordering: Ordering = 'key') {
  const time = new FakeTime()
  const logger = new RecordingLogger()
  const committed = new Map<number, Map<number, bigint>>()
  const state = { asked: 0, changes: 0, waiting: true, fails: false }
  const gates = new Gates({
    mqId: 'orders.placed',
    group: 'g',
    deps: time.deps,
    logger,
    positions: async ({ epoch }) => {
      state.asked++
      if (state.fails) throw new Error('away')
      return committed.get(epoch) ?? new Map()
    },
    isWaiting: () => state.waiting,
    onChange: () => void state.changes++,
  })
  gates.apply(epochs, ordering)
  return { time, logger, committed, state, gates }
}

describe('Gates', () => {
  it('opens a partition when all that can hold its keys are committed to their end, not before (D1, D2)', async () => {
    const { gates } = open([epochOf(1, 6, [5, 5, 5, 5, 5, 5]), epochOf(2, 3)])
    assert.equal(gates.isOpen(1, 4), true)
    assert.equal(gates.isOpen(2, 1), false)
    gates.committed(1, 1, 5n)
    gates.committed(1, 4, 4n)
    assert.equal(gates.isOpen(2, 1), false)
    gates.committed(1, 4, 5n)
    assert.equal(gates.isOpen(2, 1), true)
    assert.equal(gates.isOpen(2, 0), false)
    await gates.close()
  })

  it('waits for all of an epoch to which somebody added partitions with records, and for these too (D5)', async () => {
    const grown = { ...epochOf(1, 2, [1, 1]), addedEndOffsets: ['0', '4'] }
    const { gates } = open([grown, epochOf(2, 2)])
    gates.committed(1, 0, 1n)
    assert.equal(gates.isOpen(2, 0), false)
    gates.committed(1, 1, 1n)
    assert.equal(gates.isOpen(2, 0), false)
    assert.equal(gates.isDone(1), false)
    gates.committed(1, 3, 4n)
    assert.equal(gates.isOpen(2, 0), true)
    assert.equal(gates.isOpen(2, 1), true)
    assert.equal(gates.isDone(1), true)
    await gates.close()
  })

  it('has its usual gates where added partitions hold nothing, and is not done when more are found (D5)', async () => {
    const before = { ...epochOf(1, 2, [1, 1]), addedEndOffsets: ['0'] }
    const { gates } = open([before, epochOf(2, 2)])
    gates.committed(1, 0, 1n)
    assert.equal(gates.isOpen(2, 0), true)
    assert.equal(gates.isOpen(2, 1), false)
    gates.committed(1, 1, 1n)
    assert.equal(gates.isDone(1), true)
    gates.apply([{ ...before, addedEndOffsets: ['0', '2'] }, epochOf(2, 2)], 'key')
    assert.equal(gates.isDone(1), false)
    gates.committed(1, 3, 2n)
    assert.equal(gates.isDone(1), true)
    await gates.close()
  })

  it('keeps a gate closed while the older epoch may still grow, whatever is committed', () => {
    for (const state of ['open', 'sealing', 'preparing'] as const) {
      const { gates } = open([epochOf(1, 1, undefined, state), epochOf(2, 1, undefined, 'preparing')])
      gates.committed(1, 0, 1_000n)
      assert.equal(gates.isOpen(2, 0), false, state)
    }
  })

  it('is not opened by an empty epoch in between (D2)', async () => {
    const { gates } = open([epochOf(1, 2, [3, 0]), epochOf(2, 2, [0, 0]), epochOf(3, 2)])
    assert.equal(gates.isOpen(3, 0), false)
    assert.equal(gates.isOpen(3, 1), true)
    assert.equal(gates.isDone(2), false)
    gates.committed(1, 0, 3n)
    assert.equal(gates.isOpen(3, 0), true)
    assert.equal(gates.isDone(1), true)
    assert.equal(gates.isDone(2), true)
    assert.equal(gates.isDone(3), false)
    await gates.close()
  })

  it('opens everything where there is no order, and behind an epoch that was given up (D3)', async () => {
    const unordered = open([epochOf(1, 2, [3, 3]), epochOf(2, 4)], 'none')
    assert.equal(unordered.gates.isOpen(2, 3), true)
    await unordered.gates.close()
    const lost = open([epochOf(1, 2, undefined, 'lost'), epochOf(2, 4)])
    assert.equal(lost.gates.isOpen(2, 3), true)
    const retired = open([epochOf(2, 4)])
    assert.equal(retired.gates.isOpen(2, 3), true)
  })

  it('reads an epoch that is back without holding anything back for it, and is done with it only at its end (D3)', async () => {
    const late: Epoch = { ...epochOf(2, 2, [3, 3]), late: true }
    const { gates, time } = open([epochOf(1, 2, [3, 3]), late, epochOf(3, 2)])
    assert.equal(gates.isOpen(3, 0), false, 'the epoch before it still holds back')
    gates.committed(1, 0, 3n)
    assert.equal(gates.isOpen(2, 0), true)
    assert.equal(gates.isOpen(3, 0), true)
    assert.equal(gates.isOpen(3, 1), false)
    gates.committed(1, 1, 3n)
    gates.committed(2, 0, 3n)
    gates.committed(2, 1, 2n)
    assert.equal(gates.isDone(2), false)
    gates.committed(2, 1, 3n)
    assert.equal(gates.isDone(2), true)
    await time.advance(0)
    await gates.close()
  })

  it('hears of what other members commit within 200 ms while it waits, at first sooner, and stops asking when all is read', async () => {
    const { gates, time, committed, state } = open([epochOf(1, 2, [3, 3]), epochOf(2, 4)])
    await time.advance(100)
    assert.ok(state.asked >= 4 && state.asked <= 6, `asked ${state.asked} times in the first 100 ms`)
    await time.advance(900)
    const early = state.asked
    await time.advance(1_000)
    assert.ok(state.asked >= early + 4 && state.asked <= early + 6, `asked ${state.asked - early} times in a second`)
    assert.equal(state.changes, 0)
    committed.set(1, new Map([[0, 3n]]))
    await time.advance(200)
    assert.equal(state.changes, 1)
    assert.equal(gates.isOpen(2, 2), true)
    assert.equal(gates.isOpen(2, 3), false)
    committed.set(
      1,
      new Map([
        [0, 3n],
        [1, 3n],
      ]),
    )
    await time.advance(400)
    assert.ok(state.changes >= 2)
    assert.equal(gates.isDone(1), true)
    const { asked } = state
    await time.advance(10_000)
    assert.equal(state.asked, asked)
    assert.equal(time.timers, 0)
  })

  it('never takes a position back, says that it cannot ask, and goes on asking (D4)', async () => {
    const { gates, time, committed, state, logger } = open([epochOf(1, 1, [3]), epochOf(2, 1)])
    state.fails = true
    await time.advance(3_000)
    assert.equal(logger.lines.length, 1)
    state.fails = false
    committed.set(1, new Map([[0, 3n]]))
    await time.advance(400)
    assert.equal(gates.isOpen(2, 0), true)
    gates.committed(1, 0, 1n)
    assert.equal(gates.isOpen(2, 0), true)
    await turn()
    await gates.close()
  })

  it('looks at every partition of many epochs once, not at every way back from it', async () => {
    const counts = Array.from({ length: 40 }, (_, at) => (at % 2 === 0 ? 6 : 10))
    const epochs = counts.map((count, at) => epochOf(at + 1, count, at === 39 ? undefined : new Array(count).fill(0)))
    const { gates } = open(epochs)
    withinCpu(1_000, () => {
      assert.equal(gates.isOpen(40, 9), true)
      assert.equal(gates.isDone(39), true)
    })
    await gates.close()
  })

  it('never opens the partition of a key while the key has records to read in any older epoch', () => {
    const counts = fc.array(fc.integer({ min: 1, max: 12 }), { minLength: 2, maxLength: 4 })
    fc.assert(
      fc.property(counts, fc.string(), fc.array(fc.nat(200), { maxLength: 40 }), (partitions, key, commits) => {
        const last = partitions.length
        const epochs = partitions.map((count, at) =>
          epochOf(at + 1, count, at + 1 === last ? undefined : Array.from({ length: count }, () => 2)),
        )
        const { gates } = open(epochs)
        void gates.close()
        const read = new Set<string>()
        for (const commit of commits) {
          const epoch = 1 + (commit % last)
          const partition = commit % partitions[epoch - 1]!
          gates.committed(epoch, partition, 2n)
          read.add(`${epoch}:${partition}`)
          for (let later = 2; later <= last; later++) {
            if (!gates.isOpen(later, partitionOf(key, partitions[later - 1]!))) continue
            for (let older = 1; older < later; older++) {
              assert.ok(read.has(`${older}:${partitionOf(key, partitions[older - 1]!)}`), `${older} before ${later}`)
            }
          }
        }
      }),
    )
  })
})
