import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { test } from 'node:test'
import { BATCH_OVERHEAD_BYTES, type MqError } from '@mq/contract'
import type { ProduceFault } from '@mq/testkit'
import { MemoryBudget } from '../src/produce/memory-budget.ts'
import { partitionOf } from '../src/produce/partitioner.ts'
import { recordsOf } from '../src/records/batch-parts.ts'
import { MAX_HEADERS_BYTES } from '../src/records/record-headers.ts'

import { code, faults, numbered, onStage, SETTINGS, TIMEOUT, values } from './produce-stage.ts'

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

test(
  'a batch under way when its size limit is lowered meets a seal, and is no message that is too large (P8)',
  TIMEOUT,
  () => {
    const sealed: string[] = []
    let lower = (): void => {}
    const onProduce = (): ProduceFault => {
      lower()
      return { kind: 'answer', code: 10 }
    }
    return onStage({ onProduce }, { onSealed: (topic) => sealed.push(topic) }, async ({ producer, failures }) => {
      lower = () => producer.update({ ...SETTINGS, maxMessageBytes: 1_024 })
      const topic = producer.topic('t', 1)
      const sent = [...'ab'].map((each) => producer.send(topic, null, each.repeat(1_500)))
      for (const one of sent) one.catch(() => {})
      for (let tries = 0; sealed.length === 0 && failures.length === 0 && tries < 200; tries++) {
        await new Promise((resolve) => setTimeout(resolve, 10))
      }
      assert.deepEqual({ sealed, failures }, { sealed: ['t'], failures: [] })
      producer.hold(topic)
      assert.deepEqual(
        producer.takeOver(topic).flatMap((batch) => batch.records().map(({ value }) => value?.length)),
        [1_500, 1_500],
      )
    })
  },
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

for (const codec of ['none', 'zstd'] as const) {
  test(
    `exactly maxMessageBytes of key and value are taken with the most headers, one more byte is not (${codec}) (A3)`,
    TIMEOUT,
    () =>
      onStage({}, { settings: { maxMessageBytes: 3_000, codec } }, async ({ broker, producer }) => {
        // What every topic takes beyond its largest message.
        broker.limit('t', 3_000 + BATCH_OVERHEAD_BYTES)
        const topic = producer.topic('t', 1)
        const headers = { h: randomBytes(MAX_HEADERS_BYTES - 6) }
        await producer.send(topic, null, randomBytes(3_000), headers)
        await producer.send(topic, 'k'.repeat(10), randomBytes(2_990), headers)
        await producer.send(topic, 'é', 'é'.repeat(1_499), headers)
        for (const [key, value] of [
          [null, 'x'.repeat(3_001)],
          ['k', 'x'.repeat(3_000)],
          ['é', 'é'.repeat(1_500)],
        ] as const) {
          await assert.rejects(producer.send(topic, key, value), (error: MqError) => {
            assert.match(error.message, /maxMessageBytes is 3000/)
            return code('MQ_MESSAGE_TOO_LARGE')(error)
          })
        }
        assert.equal(broker.log('t', 0).records.length, 3)
      }),
  )
}

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

for (const code of [6, 7, 20, -1, 999]) {
  test(
    `an answer ${code} after the append leaves the batch ambiguous: given up, it cannot swallow what follows (P6)`,
    TIMEOUT,
    () => {
      let isOver = false
      return onStage(
        {
          onProduce: ({ index }) => (index === 0 || isOver ? undefined : { kind: 'answer', code, append: index === 1 }),
        },
        { sendDeadlineMs: 700 },
        async ({ broker, producer }) => {
          const topic = producer.topic('t', 1)
          await producer.send(topic, null, 'm0')
          await assert.rejects(producer.send(topic, null, 'm1'))
          isOver = true
          await producer.send(topic, null, 'm2')
          assert.deepEqual(values(broker), numbered(3))
        },
      )
    },
  )
}

test('a small record does not overtake a large one that waits for memory (W1)', TIMEOUT, () =>
  onStage(
    { onProduce: ({ index }) => (index === 0 ? { kind: 'delay', delayMs: 30 } : undefined) },
    { budget: new MemoryBudget(25_000), settings: { batchBytes: 20_000 } },
    async ({ broker, producer }) => {
      const topic = producer.topic('wide', 3)
      const keyOf = (partition: number): string => numbered(100).find((key) => partitionOf(key, 3) === partition)!
      const [first, large, small] = ['a'.repeat(6_000), 'b'.repeat(10_000), 'c']
      let last: Promise<unknown> | undefined
      // Two batches come back with one answer: memory is there for the large record and for one more, and the large one
      // has not been told yet when the small one comes.
      const sent = producer.send(topic, keyOf(0), first).then(() => {
        last = producer.send(topic, keyOf(0), small)
      })
      const beside = producer.send(topic, keyOf(1), first)
      await new Promise((resolve) => setTimeout(resolve, 10))
      await Promise.all([producer.send(topic, keyOf(0), large), sent, beside])
      await last
      assert.deepEqual(values(broker, 0, 'wide'), [first, large, small])
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
      // Of what had room, what left before the deadline may be stored.
      const uncertain = codes.get('MQ_SEND_UNCERTAIN') ?? 0
      codes.delete('MQ_SEND_UNCERTAIN')
      assert.deepEqual([...codes.keys()].sort(), ['MQ_BUFFER_FULL', 'MQ_SEND_TIMEOUT'])
      const fits = 101_000 - 100_000 - codes.get('MQ_BUFFER_FULL')!
      assert.ok(fits > 0 && fits < 100, `${fits} fitted`)
      assert.ok(uncertain <= fits, `${uncertain} uncertain of ${fits} that had room`)
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
    // Longer than the test may take: nothing leaves because its time is up.
    producer.update({ ...SETTINGS, lingerMs: 600_000 })
    const lingering = producer.send(topic, null, 'c')
    await producer.flush()
    await lingering
    const full = numbered(100).map((value) => producer.send(topic, null, value.repeat(20)))
    await full[0]
    await producer.flush()
    await Promise.all(full)
  }),
)

test(
  'what nothing can join does not linger: a record larger than a batch, and records without a key as many as fit',
  TIMEOUT,
  () =>
    onStage({}, { settings: { lingerMs: 600_000, batchBytes: 1_024 } }, async ({ broker, producer }) => {
      const topic = producer.topic('t', 1)
      await producer.send(topic, null, Buffer.alloc(2_000))
      await producer.send(topic, 'k', Buffer.alloc(2_000))
      await producer.send(topic, null, Buffer.alloc(600))
      await Promise.all(numbered(2).map(() => producer.send(topic, null, Buffer.alloc(400))))
      assert.deepEqual(
        broker.log('t', 0).batches.map(({ records }) => records.length),
        [1, 1, 1, 2],
      )
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
