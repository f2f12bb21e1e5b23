import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { type Binding, type Epoch, MqError } from '@mq/contract'
import type { FetchedBatch, FetcherOptions, Isolation, OffsetPoint } from '@mq/kafka'
import type { ReadOptions } from '../src/api/types.ts'
import { OpenReading, STALLED_MS } from '../src/read/log-reading.ts'
import type { LogPorts } from '../src/read/ports.ts'
import { bindingOf } from './support/bindings.ts'
import { RecordingLogger } from './support/logs.ts'
import { FakeTime, turn } from './support/time.ts'

const epochOf = (epoch: number, parts: Partial<Epoch> = {}): Epoch => ({
  epoch,
  state: 'open',
  cluster: 'main',
  topic: `t.e${epoch}`,
  partitions: 2,
  endOffsets: null,
  ...parts,
})

/** Logs as the brokers hold them: visible records, the last stable offset, and the end. */
class TestLogs implements LogPorts {
  readonly fetchers: Omit<FetcherOptions, 'cluster'>[] = []
  readonly added: string[] = []
  readonly asked: string[] = []
  stable = new Map<string, bigint>()
  last = new Map<string, bigint>()
  committed = new Map<string, bigint>()

  openFetcher(options: Omit<FetcherOptions, 'cluster'>) {
    this.fetchers.push(options)
    return {
      add: (topic: string, partition: number, offset: bigint) =>
        void this.added.push(`${topic}:${partition}@${offset}`),
      remove: () => {},
      update: () => {},
      position: () => undefined,
      highWatermark: () => undefined,
      close: async () => {},
    }
  }

  async listOffsets(topic: string, partitions: number[], at: OffsetPoint, isolation: Isolation) {
    this.asked.push(`${topic} ${JSON.stringify(at)} ${isolation}`)
    const of = (partition: number): bigint => {
      const key = `${topic}:${partition}`
      if (at === 'earliest') return 2n
      if (at !== 'latest') return 4n
      return (isolation === 'read_committed' ? this.stable.get(key) : this.last.get(key)) ?? 9n
    }
    return new Map(partitions.map((partition) => [partition, of(partition)]))
  }

  async positions(_groupId: string, topic: string): Promise<Map<number, bigint>> {
    const own = [...this.committed].filter(([key]) => key.startsWith(`${topic}:`))
    return new Map(own.map(([key, offset]) => [Number(key.split(':')[1]), offset]))
  }

  async members(): Promise<number> {
    return 0
  }

  deliver(partition: number, offsets: readonly number[], nextOffset: number): void {
    const records = offsets.map((offset) => ({ partition, offset: BigInt(offset), timestampMs: 0 }))
    const batch = {
      partition,
      count: offsets.length,
      nextOffset: BigInt(nextOffset),
      release: () => {},
      [Symbol.iterator]: () => records[Symbol.iterator](),
    }
    this.fetchers.at(-1)!.onBatch(batch as unknown as FetchedBatch)
  }
}

async function open(options: ReadOptions, epochs = [epochOf(1)], logs = new TestLogs()) {
  let binding: Binding = bindingOf({ epochs })
  const time = new FakeTime()
  const reading = await OpenReading.start(
    {
      mqId: 'orders.placed',
      deps: time.deps,
      logger: new RecordingLogger(),
      binding: () => binding,
      portsFor: () => logs,
      onClosed: () => {},
    },
    options,
  )
  const seen: string[] = []
  const outcome = { ended: false, error: undefined as unknown }
  const reader = (async () => {
    for await (const message of reading) seen.push(`${message.epoch}:${message.partition}@${message.offset}`)
    outcome.ended = true
  })().catch((error: unknown) => {
    outcome.error = error
  })
  const change = (next: readonly Epoch[]): void => {
    binding = bindingOf({ epochs: [...next] })
    reading.update()
  }
  await turn()
  return { logs, time, reading, seen, outcome, reader, change }
}

describe('OpenReading', () => {
  it('ends at the last stable offset of the start, and tells what a transaction holds back (L3)', async () => {
    const logs = new TestLogs()
    logs.stable.set('t.e1:0', 4n)
    logs.stable.set('t.e1:1', 2n)
    logs.last.set('t.e1:1', 2n)
    const { reading, seen, outcome } = await open({ from: 'earliest', untilEnd: true }, [epochOf(1)], logs)
    assert.deepEqual(
      reading.partitions.map(({ start, end, behindTransaction }) => [start, end, behindTransaction]),
      [
        [2n, 4n, 5n],
        [2n, 2n, 0n],
      ],
    )
    assert.deepEqual(logs.added, ['t.e1:0@2'])
    logs.deliver(0, [2, 3, 4, 5], 6)
    await turn()
    assert.deepEqual(seen, ['1:0@2', '1:0@3'])
    assert.equal(outcome.ended, true)
  })

  it('counts as at its end after a stretch without records', async () => {
    const { logs, outcome } = await open({ from: 'earliest', untilEnd: true, partition: 0 })
    logs.deliver(0, [2], 3)
    await turn()
    assert.equal(outcome.ended, false)
    logs.deliver(0, [], 9)
    await turn()
    assert.equal(outcome.ended, true)
  })

  it('fails with the reason when nothing comes before the end (L4)', async () => {
    const { logs, time, outcome, seen } = await open({ from: 'earliest', untilEnd: true })
    logs.deliver(0, [2], 3)
    await time.advance(STALLED_MS - 1)
    assert.equal(outcome.error, undefined)
    logs.deliver(1, [2], 3)
    await time.advance(STALLED_MS - 1)
    logs.fetchers[0]!.onError('t.e1', 0, new MqError('MQ_KAFKA_UNREACHABLE', 'no broker answers'), false)
    assert.equal(outcome.error, undefined)
    await time.advance(STALLED_MS + 1)
    assert.equal(outcome.ended, false)
    assert.match(
      String(outcome.error),
      /Nothing of orders\.placed came for 30 s before its end \(partition 0 at 3 of 9, partition 1 at 3 of 9\): no broker answers/,
    )
    assert.deepEqual(seen, ['1:0@2', '1:1@2'])
  })

  it('without an end waits as long as it takes', async () => {
    const { logs, time, seen, outcome, reading } = await open({ from: 'latest' })
    await time.advance(10 * STALLED_MS)
    logs.deliver(1, [9], 10)
    await turn()
    assert.deepEqual(seen, ['1:1@9'])
    reading.close()
    await turn()
    assert.deepEqual(outcome, { ended: true, error: undefined })
  })

  it('fails at once when a partition stands still for good', async () => {
    const { logs, outcome } = await open({ from: 'earliest' })
    logs.fetchers[0]!.onError('t.e1', 0, new MqError('MQ_KAFKA_FORBIDDEN', 'no right to read'), false)
    await turn()
    assert.match(String(outcome.error), /no right to read/)
  })

  it('reads epochs one after the other, also those that come later (L2)', async () => {
    const sealed = epochOf(1, { state: 'sealed', endOffsets: ['4', '2'] })
    const { logs, seen, change } = await open({ from: 'earliest' }, [sealed, epochOf(2)])
    assert.deepEqual(logs.added, ['t.e1:0@2'])
    logs.deliver(0, [2, 3], 4)
    await turn()
    assert.deepEqual(logs.added.slice(1), ['t.e2:0@2', 't.e2:1@2'])
    logs.deliver(0, [2], 3)
    await turn()
    change([epochOf(2, { state: 'sealed', endOffsets: ['3', '2'] }), epochOf(3, { state: 'preparing' })])
    await turn()
    assert.equal(logs.fetchers.length, 2)
    change([epochOf(2, { state: 'sealed', endOffsets: ['3', '2'] }), epochOf(3)])
    await turn()
    assert.deepEqual(logs.added.slice(3), ['t.e3:0@0', 't.e3:1@0'])
    assert.deepEqual(seen, ['1:0@2', '1:0@3', '2:0@2'])
  })

  it('begins where a group stands, and at the start of epochs after that', async () => {
    const logs = new TestLogs()
    logs.committed.set('t.e1:1', 7n)
    const from = { group: 'g', otherwise: 'latest' } as const
    const epochs = [epochOf(1, { state: 'sealed', endOffsets: ['9', '9'] }), epochOf(2)]
    const { reading } = await open({ from, untilEnd: true }, epochs, logs)
    assert.deepEqual(
      reading.partitions.map(({ epoch, partition, start }) => `${epoch}:${partition}@${start}`),
      ['1:0@2', '1:1@7', '2:0@2', '2:1@2'],
    )
    const fresh = await open({ from, untilEnd: true }, epochs)
    assert.deepEqual(
      fresh.reading.partitions.map(({ start }) => start),
      [9n, 9n, 9n, 9n],
    )
  })

  it('begins at a time, at an offset of one partition, and refuses what is not there', async () => {
    const at = await open({ from: { timestampMs: 1_000 } })
    assert.deepEqual(at.logs.added, ['t.e1:0@4', 't.e1:1@4'])
    const one = await open({ from: { offset: 5n }, partition: 1 })
    assert.deepEqual(one.logs.added, ['t.e1:1@5'])
    await assert.rejects(open({ from: { offset: 1n }, partition: 1 }), /holds offsets 2 to 9, not 1/)
    await assert.rejects(open({ partition: 2 }), /partitions 0 to 1, not 2/)
    await assert.rejects(open({ epoch: 3 }), /no epoch 3; there are 1/)
    await assert.rejects(open({ from: { offset: 5n } }), /an offset belongs to one partition/)
  })
})
