import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { type MqError, MqError as MqErrorClass, type ProducerSettings } from '@mq/contract'
import { FakeBroker, type FakeBrokerOptions, type ProduceFault } from '@mq/testkit'
import { recordsOf } from '../src/batch-parts.ts'
import { MemoryBudget } from '../src/memory-budget.ts'
import { Producer, type ProducerOptions } from '../src/producer.ts'
import type { BatchReport } from '../src/producer-observer.ts'
import type { Resolution } from '../src/sender-shared.ts'
import { produceCluster } from './produce-cluster.ts'

const SETTINGS: ProducerSettings = {
  codec: 'none',
  lingerMs: 0,
  batchBytes: 2_048,
  maxMessageBytes: 1_048_576,
  requestTimeoutMs: 10_000,
}
const TIMEOUT = { timeout: 30_000 }

const unhandled: unknown[] = []
const note = (reason: unknown): void => void unhandled.push(reason)
process.on('unhandledRejection', note)
after(() => {
  process.off('unhandledRejection', note)
  assert.deepEqual(unhandled, [], 'a rejection that nobody listened to reached the process')
})

interface Stage {
  readonly broker: FakeBroker
  readonly producer: Producer
  readonly budget: MemoryBudget
  readonly stored: BatchReport[]
  readonly failures: { readonly records: number; readonly error: MqError }[]
}

async function onStage(
  options: Partial<FakeBrokerOptions>,
  own: Partial<Omit<ProducerOptions, 'settings'>> & { readonly settings?: Partial<ProducerSettings> },
  body: (stage: Stage) => Promise<void>,
): Promise<void> {
  const broker = await FakeBroker.start({ topics: { t: 1, wide: 3 }, ...options })
  const cluster = produceCluster(broker.bootstrap)
  const budget = own.budget ?? new MemoryBudget(16 * 1_048_576)
  const stored: BatchReport[] = []
  const failures: { records: number; error: MqError }[] = []
  const producer = new Producer({
    cluster,
    sendDeadlineMs: 20_000,
    observer: {
      onBatch: (report) => stored.push(report),
      onFailure: (records, error) => failures.push({ records, error }),
    },
    ...own,
    budget,
    settings: { ...SETTINGS, ...own.settings },
  })
  try {
    await body({ broker, producer, budget, stored, failures })
  } finally {
    await producer.close(0).catch(() => {})
    await cluster.close()
    await broker.stop()
  }
}

const values = (broker: FakeBroker, partition = 0, topic = 't'): string[] =>
  broker.log(topic, partition).records.map(({ value }) => value?.toString() ?? 'null')
const numbered = (count: number, from = 0): string[] => Array.from({ length: count }, (_, n) => `m${from + n}`)
const code = (expected: string) => (error: unknown) => {
  assert.ok(error instanceof MqErrorClass, String(error))
  assert.equal(error.code, expected, error.message)
  return true
}

/** Faults of the first batches to arrive, in turn. */
function faults(...list: readonly (ProduceFault | undefined)[]): () => ProduceFault | undefined {
  let next = 0
  return () => list[next++]
}

test('records of one call each arrive once and in order, and those of a batch share a promise (R1, R2)', TIMEOUT, () =>
  onStage({}, {}, async ({ broker, producer, budget, stored }) => {
    const topic = producer.topic('t', 1)
    const sent = numbered(5_000)
    const promises = sent.map((value, n) => producer.send(topic, `k${n % 7}`, value))
    const receipts = await Promise.all(promises)
    assert.deepEqual(values(broker), sent)
    const batches = broker.log('t', 0).batches
    assert.equal(new Set(promises).size, batches.length)
    assert.equal(new Set(receipts.map(({ baseOffset }) => baseOffset)).size, batches.length)
    assert.ok(batches.every(({ bytes }) => bytes <= SETTINGS.batchBytes))
    assert.equal(
      stored.reduce((sum, { records }) => sum + records, 0),
      5_000,
    )
    assert.equal(budget.usedBytes, 0)
  }),
)

test('an id is asked for again while the coordinator loads, and only once while it is under way (I1)', TIMEOUT, () =>
  onStage({ onInitProducerId: (index) => (index < 3 ? 14 : 0) }, {}, async ({ broker, producer }) => {
    const topic = producer.topic('wide', 3)
    await Promise.all(numbered(300).map((value) => producer.send(topic, value, value)))
    assert.equal(broker.inits, 4)
  }),
)

test('a refused producer id fails the sends, and the next send asks again (I3)', TIMEOUT, () =>
  onStage({ onInitProducerId: (index) => (index === 0 ? 31 : 0) }, {}, async ({ broker, producer }) => {
    const topic = producer.topic('t', 1)
    await assert.rejects(producer.send(topic, null, 'a'), code('MQ_KAFKA_FORBIDDEN'))
    await producer.send(topic, null, 'b')
    assert.deepEqual(values(broker), ['b'])
  }),
)

for (let seed = 1; seed <= 6; seed++) {
  test(
    `retriable errors and lost connections in mid-stream lose, repeat and reorder nothing, seed ${seed}`,
    TIMEOUT,
    () => {
      let state = seed * 7_919
      const random = (): number => {
        state = (Math.imul(state, 1_103_515_245) + 12_345) & 0x7fffffff
        return state / 0x7fffffff
      }
      let left = 40
      const onProduce = (): ProduceFault | undefined => {
        if (left === 0 || random() > 0.35) return undefined
        left--
        const append = random() < 0.5
        const kinds: readonly ProduceFault[] = [
          { kind: 'answer', code: 6, append },
          { kind: 'answer', code: 7, append: true },
          { kind: 'answer', code: 19 },
          { kind: 'answer', code: 20, append: true },
          { kind: 'answer', code: 5 },
          { kind: 'answer', code: -1, append },
          { kind: 'answer', code: 46, append: true },
          { kind: 'cut', append },
          { kind: 'delay', delayMs: 20 },
        ]
        return kinds[Math.floor(random() * kinds.length)]
      }
      return onStage({ onProduce }, {}, async ({ broker, producer, failures }) => {
        const topic = producer.topic('wide', 3)
        const expected = new Map<number, string[]>()
        const sends: Promise<{ partition: number }>[] = []
        for (let n = 0; n < 3_000; n++) {
          const partition = n % 3
          const key = ['b', 'a', 'c'][partition]!
          const promise = producer.send(topic, key, `v${n}`)
          sends.push(promise)
          void promise.then((receipt) => {
            const own = expected.get(receipt.partition) ?? []
            own.push(`v${n}`)
            expected.set(receipt.partition, own)
          })
          if (n % 60 === 0) await new Promise((resolve) => setTimeout(resolve, 2))
        }
        await Promise.all(sends)
        assert.deepEqual(failures, [])
        let records = 0
        for (const [partition, own] of expected) {
          assert.deepEqual(values(broker, partition, 'wide'), own)
          records += own.length
        }
        assert.equal(records, 3_000)
      })
    },
  )
}

test('a broker that goes away and comes back has everything once and in order', TIMEOUT, () =>
  onStage({}, {}, async ({ broker, producer }) => {
    const topic = producer.topic('t', 1)
    const sent = numbered(4_000)
    const sends: Promise<unknown>[] = []
    for (const [n, value] of sent.entries()) {
      sends.push(producer.send(topic, 'k', value))
      if (n === 1_000) await broker.down()
      if (n % 100 === 0) await new Promise((resolve) => setTimeout(resolve, 2))
      if (n === 2_500) await broker.up()
    }
    await Promise.all(sends)
    assert.deepEqual(values(broker), sent)
  }),
)

test(
  'a broker that stops answering is noticed by the request timeout, and the batch is stored once (D2)',
  TIMEOUT,
  () =>
    onStage(
      { onProduce: faults(undefined, { kind: 'silence', append: true }, { kind: 'silence' }) },
      { settings: { requestTimeoutMs: 300 } },
      async ({ broker, producer }) => {
        const topic = producer.topic('t', 1)
        for (const value of numbered(5)) await producer.send(topic, null, value)
        assert.deepEqual(values(broker), numbered(5))
      },
    ),
)

test('lost acknowledged batches do not stop the partition: what follows is stored once, in order (P4)', TIMEOUT, () =>
  onStage({}, {}, async ({ broker, producer }) => {
    const topic = producer.topic('t', 1)
    for (const value of numbered(5)) await producer.send(topic, null, value)
    broker.log('t', 0).loseLast(2)
    for (const value of numbered(5, 5)) await producer.send(topic, null, value)
    assert.deepEqual(values(broker), [...numbered(3), ...numbered(5, 5)])
    assert.deepEqual(
      broker.log('t', 0).batches.map(({ producerEpoch }) => producerEpoch),
      [0, 0, 0, 1, 1, 1, 1, 1],
    )
  }),
)

test('OUT_OF_ORDER_SEQUENCE on a repeated send leads to one copy, in its place (P4)', TIMEOUT, () =>
  onStage(
    { onProduce: faults(undefined, { kind: 'cut' }, { kind: 'answer', code: 45 }) },
    {},
    async ({ broker, producer }) => {
      const topic = producer.topic('t', 1)
      const sends = numbered(300).map((value) => producer.send(topic, null, value))
      await Promise.all(sends)
      assert.deepEqual(values(broker), numbered(300))
    },
  ),
)

test('UNKNOWN_PRODUCER_ID and INVALID_PRODUCER_EPOCH on a first send are got over (P5)', TIMEOUT, () =>
  onStage(
    {
      onProduce: faults(undefined, { kind: 'answer', code: 59 }, undefined, { kind: 'answer', code: 47 }),
    },
    {},
    async ({ broker, producer }) => {
      const topic = producer.topic('t', 1)
      for (const value of numbered(5)) await producer.send(topic, null, value)
      assert.deepEqual(values(broker), numbered(5))
      const { batches } = broker.log('t', 0)
      assert.deepEqual(
        batches.map(({ producerEpoch }) => producerEpoch),
        [0, 1, 0, 0, 0],
      )
      assert.equal(new Set(batches.map(({ producerId }) => producerId)).size, 2)
    },
  ),
)

for (const [resolution, outcome] of [
  [{ kind: 'stored', baseOffset: 1n }, 'taken as stored'],
  [{ kind: 'absent' }, 'sent again'],
  [{ kind: 'unknown' }, 'reported'],
] as const satisfies readonly (readonly [Resolution, string])[]) {
  test(`an ambiguous batch of an unknown producer is looked up: ${resolution.kind} is ${outcome} (P5)`, TIMEOUT, () => {
    const append = resolution.kind === 'stored'
    const asked: unknown[] = []
    return onStage(
      { onProduce: faults(undefined, { kind: 'cut', append }, { kind: 'answer', code: 59 }) },
      {
        resolveAmbiguous: async (batch) => {
          asked.push(batch)
          return resolution
        },
      },
      async ({ broker, producer }) => {
        const topic = producer.topic('t', 1)
        await producer.send(topic, null, 'm0')
        const second = producer.send(topic, null, 'm1')
        if (resolution.kind === 'unknown') await assert.rejects(second, code('MQ_SEND_UNCERTAIN'))
        else assert.equal((await second).baseOffset, 1n)
        await producer.send(topic, null, 'm2')
        assert.deepEqual(values(broker), resolution.kind === 'unknown' ? ['m0', 'm2'] : numbered(3))
        assert.deepEqual(asked, [
          { topic: 't', partition: 0, records: 1, producerId: 1001n, producerEpoch: 0, baseSequence: 1 },
        ])
      },
    )
  })
}

test(
  'without a way to look it up, an ambiguous batch of an unknown producer is reported, never sent twice (P5)',
  TIMEOUT,
  () =>
    onStage(
      { onProduce: faults({ kind: 'cut', append: true }, { kind: 'answer', code: 59 }) },
      {},
      async ({ broker, producer }) => {
        const topic = producer.topic('t', 1)
        await assert.rejects(producer.send(topic, null, 'm0'), code('MQ_SEND_UNCERTAIN'))
        await producer.send(topic, null, 'm1')
        assert.deepEqual(values(broker), ['m0', 'm1'])
      },
    ),
)

test('records sent after an ambiguous deadline are not taken for a copy of those before (P6)', TIMEOUT, () =>
  onStage(
    { onProduce: faults(undefined, { kind: 'silence', append: true }) },
    { sendDeadlineMs: 300, settings: { requestTimeoutMs: 600 } },
    async ({ broker, producer, failures }) => {
      const topic = producer.topic('t', 1)
      await producer.send(topic, null, 'm0')
      const startedAt = performance.now()
      await assert.rejects(producer.send(topic, null, 'm1'), (error: MqError) => {
        assert.equal(error.details.maybeStored, true)
        return code('MQ_SEND_TIMEOUT')(error)
      })
      assert.ok(performance.now() - startedAt < 500, 'the deadline waited for the answer (P7)')
      await new Promise((resolve) => setTimeout(resolve, 400))
      assert.equal((await producer.send(topic, null, 'm2')).baseOffset, 2n)
      assert.deepEqual(values(broker), numbered(3))
      assert.deepEqual(
        broker.log('t', 0).batches.map(({ producerEpoch }) => producerEpoch),
        [0, 0, 1],
      )
      assert.equal(failures.length, 1)
    },
  ),
)

test('a late copy of a batch that was given up cannot land behind newer records (P6)', TIMEOUT, () => {
  let late: { readonly baseSequence: number; readonly producerEpoch: number } | undefined
  return onStage(
    {
      onProduce: ({ index, baseSequence, producerEpoch }) => {
        if (index !== 1) return undefined
        late = { baseSequence, producerEpoch }
        return { kind: 'cut' }
      },
    },
    { sendDeadlineMs: 10 },
    async ({ broker, producer }) => {
      const topic = producer.topic('t', 1)
      await producer.send(topic, null, 'm0')
      await assert.rejects(producer.send(topic, null, 'm1'), code('MQ_SEND_TIMEOUT'))
      const patient = producer.topic('t', 1)
      for (let tries = 0; broker.log('t', 0).batches.length < 2; tries++) {
        assert.ok(tries < 50)
        await producer.send(patient, null, 'm2').catch(() => {})
      }
      const log = broker.log('t', 0)
      const first = log.batches[0]!
      assert.ok(late !== undefined)
      assert.equal(log.append({ ...first, ...late }).code, 47)
    },
  )
})

test(
  'what was never sent keeps no sequence: after its deadline the next batch follows the last stored one',
  TIMEOUT,
  () =>
    onStage(
      { onProduce: faults(undefined, { kind: 'answer', code: 19 }) },
      { sendDeadlineMs: 30 },
      async ({ broker, producer }) => {
        const topic = producer.topic('t', 1)
        await producer.send(topic, null, 'm0')
        await assert.rejects(producer.send(topic, null, 'm1'), (error: MqError) => {
          assert.equal(error.details.maybeStored, false)
          return code('MQ_SEND_TIMEOUT')(error)
        })
        await producer.send(topic, null, 'm2')
        assert.deepEqual(
          broker.log('t', 0).batches.map(({ producerEpoch, baseSequence }) => [producerEpoch, baseSequence]),
          [
            [0, 0],
            [0, 1],
          ],
        )
      },
    ),
)

test('a final error rejects its batch alone, and names what the broker said', TIMEOUT, () =>
  onStage({ onProduce: faults(undefined, { kind: 'answer', code: 29 }) }, {}, async ({ broker, producer }) => {
    const topic = producer.topic('t', 1)
    await producer.send(topic, null, 'm0')
    await assert.rejects(producer.send(topic, null, 'm1'), (error: MqError) => {
      assert.match(error.message, /TOPIC_AUTHORIZATION_FAILED/)
      return code('MQ_KAFKA_FORBIDDEN')(error)
    })
    await producer.send(topic, null, 'm2')
    assert.deepEqual(values(broker), ['m0', 'm2'])
  }),
)

test(
  'a topic with a smaller limit than ours gets smaller batches, and only what is too large alone is refused (P8)',
  TIMEOUT,
  () =>
    onStage({}, {}, async ({ broker, producer, budget }) => {
      broker.limit('t', 200)
      const topic = producer.topic('t', 1)
      const sends = numbered(50).map((value, n) => producer.send(topic, null, n === 25 ? 'x'.repeat(300) : value))
      const results = await Promise.allSettled(sends)
      assert.equal(results[25]!.status, 'rejected')
      // The parts of a refused batch share its promise: those that stood with the large one hear of its fate.
      const kept = values(broker)
      assert.deepEqual(
        kept,
        numbered(50).filter((_, n) => n !== 25),
      )
      await new Promise(setImmediate)
      assert.equal(budget.usedBytes, 0)
    }),
)

test('a sealed topic halts the partition with everything in order, for the owner to take (P8)', TIMEOUT, () => {
  const sealed: string[] = []
  return onStage(
    {},
    { onSealed: (topic, partition) => sealed.push(`${topic}:${partition}`) },
    async ({ broker, producer, failures }) => {
      const topic = producer.topic('t', 1)
      await producer.send(topic, null, 'm0')
      broker.limit('t', 78)
      const sends = numbered(400, 1).map((value) => producer.send(topic, 'k', value))
      for (let tries = 0; sealed.length === 0 && tries < 200; tries++)
        await new Promise((resolve) => setTimeout(resolve, 5))
      assert.deepEqual(sealed, ['t:0'])
      const held = topic.senders[0]!.takeHeld()
      assert.ok(held.length > 1)
      assert.deepEqual(
        held.flatMap(recordsOf).map(({ value }) => value?.toString()),
        numbered(400, 1),
      )
      for (const batch of held) batch.resolve({ topic: 't2', partition: 0, baseOffset: 0n })
      const receipts = await Promise.all(sends)
      assert.ok(receipts.every((receipt) => receipt.topic === 't2'))
      assert.deepEqual(failures, [])
      assert.deepEqual(values(broker), ['m0'])
    },
  )
})

test('a partition whose seal turned out to be none goes on where it stopped', TIMEOUT, () => {
  const sealed: number[] = []
  return onStage({}, { onSealed: (_topic, partition) => sealed.push(partition) }, async ({ broker, producer }) => {
    const topic = producer.topic('t', 1)
    broker.limit('t', 78)
    const sends = numbered(100).map((value) => producer.send(topic, 'k', value))
    for (let tries = 0; sealed.length === 0 && tries < 200; tries++)
      await new Promise((resolve) => setTimeout(resolve, 5))
    broker.limit('t', 1_000_000)
    topic.senders[0]!.resume()
    await Promise.all(sends)
    assert.deepEqual(values(broker), numbered(100))
  })
})

test('one tiny record passes no seal: its batch is longer than 78 bytes (E4)', TIMEOUT, () =>
  onStage({}, { settings: { codec: 'zstd' } }, async ({ broker, producer }) => {
    await producer.send(producer.topic('t', 1), null, null)
    assert.equal(broker.log('t', 0).batches[0]?.bytes, 79)
  }),
)

test('a record over the limit, or of a wrong type, is refused alone', TIMEOUT, () =>
  onStage({}, { settings: { maxMessageBytes: 1_100 } }, async ({ broker, producer, failures, budget }) => {
    const topic = producer.topic('t', 1)
    const wrong = 5 as unknown as string
    const before = producer.send(topic, 'k', 'before')
    await assert.rejects(producer.send(topic, 'k', 'x'.repeat(1_200)), code('MQ_MESSAGE_TOO_LARGE'))
    await assert.rejects(producer.send(topic, 'k', 'é'.repeat(600)), code('MQ_MESSAGE_TOO_LARGE'))
    await assert.rejects(producer.send(topic, 'k', wrong), code('MQ_MESSAGE_INVALID'))
    await assert.rejects(producer.send(topic, wrong, 'v'), code('MQ_MESSAGE_INVALID'))
    await assert.rejects(producer.send(topic, 'k', undefined as unknown as string), code('MQ_MESSAGE_INVALID'))
    await assert.rejects(producer.send(topic, 'k', 'v', { h: wrong }), code('MQ_MESSAGE_INVALID'))
    await assert.rejects(producer.send(topic, 'k', 'v', 'h' as never), code('MQ_MESSAGE_INVALID'))
    await assert.rejects(producer.send(topic, 'k', 'v', {}, 1.5), code('MQ_MESSAGE_INVALID'))
    await assert.rejects(producer.send(topic, 'k', 'v', undefined, -1), code('MQ_MESSAGE_INVALID'))
    await producer.send(topic, 'k', 'y'.repeat(1_000))
    await before
    assert.deepEqual(values(broker), ['before', 'y'.repeat(1_000)])
    assert.equal(failures.length, 9)
    await producer.close()
    assert.equal(budget.usedBytes, 0)
    await assert.rejects(producer.send(topic, 'k', 'late'), code('MQ_CLOSED'))
  }),
)

test('when memory is spent sends wait in their order, and memory is given back to the last byte', TIMEOUT, () =>
  onStage(
    { onProduce: () => ({ kind: 'delay', delayMs: 1 }) },
    { budget: new MemoryBudget(20_000) },
    async ({ broker, producer, budget }) => {
      const topic = producer.topic('wide', 3)
      const order: number[] = []
      const sends = Array.from({ length: 3_000 }, async (_, n) => {
        await producer.send(topic, ['b', 'a', 'c'][n % 3]!, `${n}`)
        order.push(n)
        assert.ok(budget.usedBytes <= budget.limitBytes)
      })
      await Promise.all(sends)
      assert.equal(order.length, 3_000)
      for (let partition = 0; partition < 3; partition++) {
        const stored = values(broker, partition, 'wide').map(Number)
        assert.deepEqual(
          stored,
          stored.toSorted((a, b) => a - b),
        )
      }
      assert.equal(budget.usedBytes, 0)
    },
  ),
)

test('more than 100,000 waiting sends are refused, and the waiting ones meet their deadline (W2, W3)', TIMEOUT, () =>
  onStage(
    { onProduce: () => ({ kind: 'silence' }) },
    { budget: new MemoryBudget(4_200), sendDeadlineMs: 1_000 },
    async ({ producer }) => {
      const topic = producer.topic('t', 1)
      const sends = Array.from({ length: 101_000 }, () => producer.send(topic, null, 'x'.repeat(100)))
      const codes = new Map<string, number>()
      for (const result of await Promise.allSettled(sends)) {
        const reason = result.status === 'rejected' ? (result.reason as MqError).code : 'stored'
        codes.set(reason, (codes.get(reason) ?? 0) + 1)
      }
      assert.deepEqual([...codes.keys()].sort(), ['MQ_BUFFER_FULL', 'MQ_SEND_TIMEOUT'])
      const fits = 101_000 - 100_000 - codes.get('MQ_BUFFER_FULL')!
      assert.ok(fits > 0 && fits < 100, `${fits} fitted`)
    },
  ),
)

test('close() flushes what lingers, and counts what it could not', TIMEOUT, async () => {
  await onStage({}, { settings: { lingerMs: 60_000 } }, async ({ broker, producer }) => {
    const topic = producer.topic('t', 1)
    const sends = numbered(10).map((value) => producer.send(topic, null, value))
    await producer.close()
    await Promise.all(sends)
    assert.deepEqual(values(broker), numbered(10))
  })
  await onStage(
    { onProduce: () => ({ kind: 'silence' }) },
    { settings: { batchBytes: 1_024 } },
    async ({ producer, budget }) => {
      const topic = producer.topic('t', 1)
      const sends = numbered(100).map((value) => producer.send(topic, null, value))
      await assert.rejects(producer.close(100), (error: MqError) => {
        assert.equal(error.details.records, 100)
        return code('MQ_CLOSE_INCOMPLETE')(error)
      })
      for (const result of await Promise.allSettled(sends)) assert.equal(result.status, 'rejected')
      assert.ok(budget.usedBytes <= 4_160, 'only the batch on the wire is still held')
    },
  )
})

test('a lingering batch leaves when its time is up, when it is full, or when somebody flushes', TIMEOUT, () =>
  onStage({}, { settings: { lingerMs: 100 } }, async ({ broker, producer }) => {
    const topic = producer.topic('t', 1)
    const startedAt = performance.now()
    await Promise.all([producer.send(topic, null, 'a'), producer.send(topic, null, 'b')])
    assert.ok(performance.now() - startedAt >= 99)
    assert.equal(broker.log('t', 0).batches.length, 1)
    const lingering = producer.send(topic, null, 'c')
    const flushedAt = performance.now()
    await producer.flush()
    assert.ok(performance.now() - flushedAt < 90)
    await lingering
    const full = numbered(100).map((value) => producer.send(topic, null, value.repeat(20)))
    const fullAt = performance.now()
    await full[0]
    assert.ok(performance.now() - fullAt < 90)
    await Promise.all(full)
  }),
)

test('settings change between batches: codec, size and linger', TIMEOUT, () =>
  onStage({}, {}, async ({ broker, producer }) => {
    const topic = producer.topic('t', 1)
    const text = 'the same words again and again '.repeat(10)
    await producer.send(topic, null, text)
    producer.update({ ...SETTINGS, codec: 'zstd', codecLevel: 1, batchBytes: 4_096 })
    await Promise.all(numbered(30).map(() => producer.send(topic, null, text)))
    producer.update({ ...SETTINGS, codec: 'gzip' })
    await producer.send(topic, null, text)
    const codecs = broker.log('t', 0).batches.map(({ codec }) => codec)
    assert.equal(codecs[0], 'none')
    assert.equal(codecs[1], 'zstd')
    assert.equal(codecs.at(-1), 'gzip')
    assert.deepEqual(values(broker), new Array(32).fill(text))
  }),
)

test('records without a key stay together and then move on, so that no partition is left out (Y1)', TIMEOUT, () =>
  onStage({}, {}, async ({ broker, producer }) => {
    const topic = producer.topic('wide', 3)
    await Promise.all(numbered(3_000).map((value) => producer.send(topic, null, value)))
    const counts = [0, 1, 2].map((partition) => broker.log('wide', partition).records.length)
    assert.equal(
      counts.reduce((sum, count) => sum + count),
      3_000,
    )
    assert.ok(Math.min(...counts) > 300, counts.join(' '))
  }),
)

test('a topic has one number of partitions', TIMEOUT, () =>
  onStage({}, {}, async ({ producer }) => {
    assert.equal(producer.topic('wide', 3), producer.topic('wide', 3))
    assert.throws(() => producer.topic('wide', 4), code('MQ_INTERNAL'))
  }),
)
