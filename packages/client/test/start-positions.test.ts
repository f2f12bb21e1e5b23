import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { MqError } from '@mq/contract'
import type { PositionPort, StartPoint } from '../src/epochs/reader-ports.ts'
import { StartPositions } from '../src/epochs/start-positions.ts'
import { bindingOf } from './support/bindings.ts'

const OPEN = bindingOf().epochs[0]!
const MOVING = bindingOf({
  epochs: [
    { ...OPEN, state: 'sealed', endOffsets: ['7', '7', '7', '7'] },
    { ...OPEN, epoch: 2, topic: 'orders.placed.e2' },
  ],
})

/** Logs that grow, and the offsets that were committed to them. */
function group(point: StartPoint = 'latest') {
  const ends = new Map<string, bigint[]>([
    ['orders.placed.e1', [7n, 7n]],
    ['orders.placed.e2', [3n]],
  ])
  const commits: string[] = []
  let asked = 0
  const faults: MqError[] = []
  const port: PositionPort = {
    positions: async () => new Map(),
    offsetsAt: async (topic) => {
      asked++
      const fault = faults.pop()
      if (fault !== undefined) throw fault
      return new Map(ends.get(topic)!.map((end, partition) => [partition, end] as const))
    },
    commitFirst: async (_, topic, offsets) => {
      commits.push(...Array.from(offsets, ([partition, offset]) => `${topic}:${partition}@${offset}`))
    },
  }
  const positions = new StartPositions({ groupId: 'g@orders.placed', point, positionsOf: () => port })
  return { positions, ends, commits, asked: () => asked, faults }
}

describe('StartPositions', () => {
  it('keeps the ends of the moment at which it was asked, and commits those, whatever is written meanwhile (SP1, SP2)', async () => {
    const { positions, ends, commits } = group()
    await positions.find(MOVING)
    ends.set('orders.placed.e1', [90n, 90n])
    await positions.find(MOVING)
    await positions.commit(MOVING)
    assert.deepEqual(commits, ['orders.placed.e1:0@7', 'orders.placed.e1:1@7', 'orders.placed.e2:0@3'])
    assert.deepEqual(
      [...positions.of(1)],
      [
        [0, 7n],
        [1, 7n],
      ],
    )
  })

  it('asks again when it was told nothing, and asks nothing of an epoch that is away (SP1)', async () => {
    const { positions, asked, faults } = group()
    faults.push(new MqError('MQ_KAFKA_UNREACHABLE', 'away'))
    await assert.rejects(positions.find(bindingOf()))
    await positions.find(bindingOf())
    assert.equal(asked(), 2)
    const lost = group()
    await lost.positions.find({ ...MOVING, epochs: [{ ...MOVING.epochs[0]!, state: 'lost' }, MOVING.epochs[1]!] })
    assert.equal(lost.asked(), 1)
  })

  it('knows nothing of epochs and partitions that came later: they are read from their first record (SP3)', async () => {
    const { positions, ends, commits } = group()
    await positions.find(bindingOf())
    ends.set('orders.placed.e1', [7n, 7n, 55n])
    await positions.commit(MOVING)
    assert.deepEqual(commits, ['orders.placed.e1:0@7', 'orders.placed.e1:1@7'])
    assert.equal(positions.of(1).has(2), false)
    assert.equal(positions.of(2).size, 0)
  })

  it('tells readers of a group that has positions nothing (SP4)', async () => {
    const { positions } = group()
    await positions.find(bindingOf())
    positions.groupHasPositions()
    assert.equal(positions.of(1).size, 0)
  })
})
