import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { MqError } from '@mq/contract'
import { systemDeps } from '@mq/contract/timing'
import type { ProduceFault } from '@mq/testkit'
import { within } from '@mq/testkit'
import type { Resolution } from '../src/produce/ambiguous-batch.ts'

import { code, faults, numbered, onStage, SETTINGS, TIMEOUT, values } from './produce-stage.ts'

test(
  'records of one call each arrive once and in order, and those of a batch share a promise, save the first few (R1, R2)',
  TIMEOUT,
  () =>
    onStage({}, {}, async ({ broker, producer, budget, stored }) => {
      const topic = producer.topic('t', 1)
      const sent = numbered(5_000)
      const promises = sent.map((value, n) => producer.send(topic, `k${n % 7}`, value))
      const receipts = await Promise.all(promises)
      assert.deepEqual(values(broker), sent)
      const batches = broker.log('t', 0).batches
      assert.equal(new Set(promises).size, batches.length * 9)
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
  onStage({}, {}, async ({ broker, producer }) => {
    broker.control('InitProducerId', (_, { index }) => (index < 3 ? { kind: 'error', code: 14 } : 'pass'))
    const topic = producer.topic('wide', 3)
    await Promise.all(numbered(300).map((value) => producer.send(topic, value, value)))
    assert.equal(broker.inits, 4)
  }),
)

test('a refused producer id fails the sends, and the next send asks again (I3)', TIMEOUT, () =>
  onStage({}, {}, async ({ broker, producer }) => {
    broker.control('InitProducerId', (_, { index }) => (index === 0 ? { kind: 'error', code: 31 } : 'pass'))
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
    { settings: { requestTimeoutMs: 2_000 } },
    async ({ broker, producer, failures }) => {
      const topic = producer.topic('t', 1)
      await producer.send(topic, null, 'm0')
      const isUncertain = (error: MqError): boolean =>
        error.details.maybeStored === true && code('MQ_SEND_UNCERTAIN')(error)
      // The deadline does not wait for the answer (P7).
      await within(2_000, () => {
        const limits = { deadlineMs: performance.now() + 300 }
        return assert.rejects(producer.send(topic, null, 'm1', undefined, undefined, limits), isUncertain)
      })
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
  const given = new AbortController()
  return onStage(
    {
      onProduce: ({ index, baseSequence, producerEpoch }) => {
        if (index !== 1) return undefined
        late = { baseSequence, producerEpoch }
        given.abort()
        return { kind: 'cut' }
      },
    },
    { sendDeadlineMs: 700 },
    async ({ broker, producer }) => {
      const topic = producer.topic('t', 1)
      await producer.send(topic, null, 'm0', undefined, undefined, { deadlineMs: performance.now() + 20_000 })
      const limits = { signal: given.signal }
      await assert.rejects(producer.send(topic, null, 'm1', undefined, undefined, limits), code('MQ_SEND_UNCERTAIN'))
      const patient = producer.topic('t', 1)
      for (let tries = 0; broker.log('t', 0).batches.length < 2; tries++) {
        assert.ok(tries < 50)
        await producer.send(patient, null, 'm2').catch(() => {})
      }
      const log = broker.log('t', 0)
      const first = log.batches[0]!
      assert.ok(late !== undefined)
      assert.equal(log.append({ ...first, ...late }, first.stored).code, 47)
    },
  )
})

test(
  'what was never sent keeps no sequence: after its deadline the next batch follows the last stored one',
  TIMEOUT,
  () => {
    let isShort = false
    const onProduce = () => (isShort ? ({ kind: 'answer', code: 19 } as const) : undefined)
    return onStage({ onProduce }, {}, async ({ broker, producer }) => {
      const topic = producer.topic('t', 1)
      await producer.send(topic, null, 'm0')
      isShort = true
      // Long enough for refusals to come back on a busy machine: one still under way at the deadline would leave it open.
      const deadlineMs = systemDeps.clock.monotonicMs() + 2_000
      await assert.rejects(producer.send(topic, null, 'm1', undefined, undefined, { deadlineMs }), (error: MqError) => {
        assert.equal(error.details.maybeStored, false)
        return code('MQ_SEND_TIMEOUT')(error)
      })
      isShort = false
      await producer.send(topic, null, 'm2')
      assert.deepEqual(
        broker.log('t', 0).batches.map(({ producerEpoch, baseSequence }) => [producerEpoch, baseSequence]),
        [
          [0, 0],
          [0, 1],
        ],
      )
    })
  },
)
