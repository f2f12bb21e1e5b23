/** Deadlines and signals of single sends (R3, partition-sender P7, send-promise S2, produce-dispatcher D6). */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import type { MqError } from '@mq/contract'
import { FakeCluster, within } from '@mq/testkit'
import { MemoryBudget } from '../src/produce/memory-budget.ts'
import { Producer } from '../src/produce/producer.ts'
import { produceCluster } from './produce-cluster.ts'
import { code, faults, numbered, onStage, SETTINGS, TIMEOUT, values } from './produce-stage.ts'

interface Fate {
  readonly error: MqError | undefined
  readonly ageMs: number
}

/** The clock starts before the send does: its deadline counts from there. */
const fateOf = (send: () => Promise<unknown>): Promise<Fate> => {
  const atMs = performance.now()
  const fate = (error?: MqError): Fate => ({ error, ageMs: performance.now() - atMs })
  return send().then(
    () => fate(),
    (error: MqError) => fate(error),
  )
}

test(
  'every send has its own deadline, and what was never on the wire is certainly not stored, then and later (R3, P7)',
  TIMEOUT,
  () =>
    onStage(
      { onProduce: faults(undefined, { kind: 'silence', append: true }) },
      { sendDeadlineMs: 700, label: 'orders.placed', settings: { requestTimeoutMs: 1_500 } },
      async ({ broker, producer, budget }) => {
        const topic = producer.topic('t', 1)
        await producer.send(topic, 'k', 'm0')
        const fates: Promise<Fate>[] = []
        for (const value of numbered(6, 1)) {
          fates.push(fateOf(() => producer.send(topic, 'k', value)))
          await pause(150)
        }
        const [onWire, ...waiting] = await Promise.all(fates)
        assert.ok(code('MQ_SEND_UNCERTAIN')(onWire!.error))
        assert.match(onWire!.error!.message, /^1 message for orders\.placed may or may not be stored: sent once/)
        for (const { error, ageMs } of waiting) {
          assert.ok(code('MQ_SEND_TIMEOUT')(error))
          assert.match(error!.message, /^1 message for orders\.placed not stored: it could not be sent /)
          assert.equal(error!.details.maybeStored, false)
          assert.ok(ageMs >= 695, `given up after ${ageMs} ms`)
        }
        await producer.send(topic, 'k', 'last', undefined, undefined, { deadlineMs: performance.now() + 10_000 })
        assert.deepEqual(values(broker), ['m0', 'm1', 'last'])
        assert.equal(budget.usedBytes, 0)
      },
    ),
)

test(
  'a send may have a shorter and a longer deadline than the rest of its batch, which is sent without it',
  TIMEOUT,
  () =>
    onStage(
      { onProduce: faults(undefined, ...Array.from({ length: 4 }, () => ({ kind: 'answer', code: 19 }) as const)) },
      { sendDeadlineMs: 20_000, settings: { lingerMs: 20 } },
      async ({ broker, producer }) => {
        const topic = producer.topic('t', 1)
        await producer.send(topic, 'k', 'm0')
        const limits = { deadlineMs: performance.now() + 60 }
        const sends = numbered(5, 1).map((value, n) =>
          producer.send(topic, 'k', value, undefined, undefined, n === 2 ? limits : undefined),
        )
        await assert.rejects(sends[2]!, code('MQ_SEND_TIMEOUT'))
        await Promise.all(sends.filter((_, n) => n !== 2))
        assert.deepEqual(values(broker), ['m0', 'm1', 'm2', 'm4', 'm5'])
        assert.ok(broker.log('t', 0).batches.every(({ producerEpoch }) => producerEpoch === 0))
      },
    ),
)

test('a signal gives up a send: certainly not stored before it left, uncertain afterwards', TIMEOUT, () =>
  onStage(
    { onProduce: faults(undefined, { kind: 'delay', delayMs: 300 }) },
    { settings: { lingerMs: 0 } },
    async ({ broker, producer }) => {
      const topic = producer.topic('t', 1)
      await producer.send(topic, 'k', 'm0')
      const [first, second] = [new AbortController(), new AbortController()]
      const onWire = producer.send(topic, 'k', 'm1', undefined, undefined, { signal: first.signal })
      await pause(50)
      const reason = new Error('the request is over')
      const waiting = producer.send(topic, 'k', 'm2', undefined, undefined, { signal: second.signal })
      const beside = producer.send(topic, 'k', 'm3')
      second.abort(reason)
      first.abort(reason)
      await assert.rejects(waiting, (error: MqError) => {
        assert.equal(error.cause, reason)
        assert.equal(error.details.maybeStored, false)
        return code('MQ_SEND_CANCELLED')(error)
      })
      await assert.rejects(onWire, code('MQ_SEND_UNCERTAIN'))
      await beside
      assert.deepEqual(values(broker), ['m0', 'm1', 'm3'])
    },
  ),
)

test('what waits for memory keeps its own deadline and signal, and leaves the line without the others', TIMEOUT, () =>
  onStage(
    { onProduce: faults(undefined, { kind: 'delay', delayMs: 400 }) },
    { budget: new MemoryBudget(4_200), sendDeadlineMs: 20_000 },
    async ({ broker, producer, budget }) => {
      const topic = producer.topic('t', 1)
      await producer.send(topic, 'k', 'first')
      const controller = new AbortController()
      const big = (letter: string): string => letter.repeat(3_000)
      const sends = [
        producer.send(topic, 'k', big('a')),
        producer.send(topic, 'k', big('b')),
        producer.send(topic, 'k', big('c'), undefined, undefined, { deadlineMs: performance.now() + 50 }),
        producer.send(topic, 'k', big('d'), undefined, undefined, { signal: controller.signal }),
        producer.send(topic, 'k', big('e')),
      ]
      controller.abort()
      await assert.rejects(sends[3]!, code('MQ_SEND_CANCELLED'))
      await assert.rejects(sends[2]!, code('MQ_SEND_TIMEOUT'))
      await Promise.all([sends[0], sends[1], sends[4]])
      assert.deepEqual(
        values(broker).map((value) => value[0]),
        ['f', 'a', 'b', 'e'],
      )
      assert.equal(budget.usedBytes, 0)
    },
  ),
)

test('what waits for a connection that never comes is certainly not stored (D6)', TIMEOUT, () =>
  onStage({}, { sendDeadlineMs: 300, settings: { lingerMs: 0 } }, async ({ broker, producer, budget }) => {
    const topic = producer.topic('t', 1)
    await producer.send(topic, 'k', 'm0', undefined, undefined, { deadlineMs: performance.now() + 10_000 })
    await broker.down()
    const fates = await Promise.all(numbered(3, 1).map((value) => fateOf(() => producer.send(topic, 'k', value))))
    await broker.up()
    await producer.send(topic, 'k', 'last', undefined, undefined, { deadlineMs: performance.now() + 10_000 })
    // The first may have been written to the connection that broke; what it says is what happened.
    for (const { error } of fates) {
      assert.ok(error !== undefined)
      if (error.details.maybeStored === false) assert.equal(error.code, 'MQ_SEND_TIMEOUT')
      else assert.equal(error.code, 'MQ_SEND_UNCERTAIN')
    }
    assert.deepEqual(values(broker), ['m0', 'last'])
    assert.equal(budget.usedBytes, 0)
  }),
)

test(
  'a deadline holds while a connection is being opened for a batch that was tried before (P7)',
  TIMEOUT,
  async () => {
    const broker = await FakeCluster.start({ topics: { t: 1 } })
    const real = produceCluster(broker.bootstrap)
    let opened = 0
    // The second connection fails, and the third never comes.
    const connection: typeof real.connection = (nodeId, purpose) => {
      opened++
      if (opened === 1) return real.connection(nodeId, purpose)
      return opened === 2 ? Promise.reject(new Error('no')) : new Promise(() => {})
    }
    const cluster = { ...real, connection }
    const budget = new MemoryBudget(1_048_576)
    const producer = new Producer({ cluster, settings: SETTINGS, budget, sendDeadlineMs: 500 })
    try {
      const topic = producer.topic('t', 1)
      await producer.send(topic, 'k', 'm0')
      ;(await real.connection(1, 'produce')).socket?.destroy()
      await pause(20)
      const isLate = (error: MqError): boolean => error.details.maybeStored === false && code('MQ_SEND_TIMEOUT')(error)
      // The deadline does not wait for the connection.
      await within(10_000, () => assert.rejects(producer.send(topic, 'k', 'm1'), isLate))
      assert.ok(opened >= 3, `${opened} connections`)
    } finally {
      await producer.close(0).catch(() => {})
      await real.close()
      await broker.stop()
    }
  },
)
