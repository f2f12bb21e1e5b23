import assert from 'node:assert/strict'
import { after, afterEach, before, describe, it } from 'node:test'
import type { Message, Mq } from '../src/index.ts'
import { Stack } from './support/stack.ts'
import { until } from './support/time.ts'

interface Event {
  n: number
}

describe('a group that begins at the end, on real Kafka', { timeout: 300_000 }, () => {
  let stack: Stack
  before(
    async () => {
      stack = await Stack.start()
    },
    { timeout: 300_000 },
  )
  after(() => stack?.stop(), { timeout: 300_000 })
  afterEach(() => stack.closeConnections(), { timeout: 300_000 })

  async function fill(mq: Mq, id: string, count: number, keys: number): Promise<void> {
    await Promise.all(Array.from({ length: count }, (_, n) => mq.send(id, { n }, { key: `k${n % keys}` })))
  }

  it('begins at the end for a new group that asks for it, and where it stopped the next time', {
    timeout: 300_000,
  }, async () => {
    const mq = await stack.connect()
    await fill(mq, 'from.latest', 50, 5)
    const seen: number[] = []
    const handler = (message: Message<Event>) => {
      seen.push(message.value.n)
    }
    const first = await mq.consume<Event>('from.latest', 'late', handler, { from: 'latest' })
    await first.close()
    await mq.send('from.latest', { n: 1_000 })
    const second = await mq.consume<Event>('from.latest', 'late', handler, { from: 'latest' })
    await until('it reads what came in between', () => seen.includes(1_000), 15_000)
    assert.deepEqual(seen, [1_000])
    await second.close()
  })

  it('loses nothing that is sent after it began at the end, whenever its partitions arrive: of new topics, and beside members', {
    timeout: 300_000,
  }, async () => {
    const mq = await stack.connect()
    // Groups of topics that were just made are told of no partitions at first.
    const counts = await Promise.all(
      Array.from({ length: 12 }, async (_, at) => {
        const id = `from.latest.new${at}`
        const seen = new Set<number>()
        const handler = ({ value }: Message<Event>): void => void seen.add(value.n)
        await mq.consume<Event>(id, 'late', handler, { from: 'latest' })
        await fill(mq, id, 40, 20)
        await until(`all of ${id} came`, () => seen.size === 40, 30_000)
        return seen.size
      }),
    )
    assert.deepEqual(counts, Array(12).fill(40))
    // Where a member is there already, nobody can commit for the group; it has read, and committed, nothing yet.
    const id = 'from.latest.beside'
    await stack.declare(id, { ordering: 'none' })
    const both = new Set<number>()
    const keep = ({ value }: Message<Event>): void => void both.add(value.n)
    await mq.consume<Event>(id, 'late', keep)
    const other = await stack.connect({ app: 'other' })
    await other.consume<Event>(id, 'late', keep, { from: 'latest' })
    await fill(mq, id, 40, 20)
    await until('all came to one of both', () => both.size === 40, 30_000)
  })
})
