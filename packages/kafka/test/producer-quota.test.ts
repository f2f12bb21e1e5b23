/** A producer before a broker that slows it down for a quota: what it sends, and when (D4 of the dispatcher). */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { numbered, onStage, TIMEOUT, values } from './produce-stage.ts'

const REQUEST_TIMEOUT_MS = 1_000
/** Longer than a request may take: whoever does not wait for it runs into its time limit. */
const THROTTLE_MS = 1_500

test('a broker over its quota is sent nothing before its time has passed, and nothing is sent twice', TIMEOUT, () => {
  const throttled: number[] = []
  return onStage(
    { onThrottle: (index) => (index < 2 ? THROTTLE_MS : 0) },
    { settings: { requestTimeoutMs: REQUEST_TIMEOUT_MS }, observer: { onRequest: (ms) => throttled.push(ms) } },
    async ({ broker, producer }) => {
      const topic = producer.topic('t', 1)
      await producer.send(topic, null, 'm0')
      const rest = numbered(200, 1).map((value) => producer.send(topic, null, value))
      await producer.flush()
      await Promise.all(rest)
      assert.deepEqual(values(broker), numbered(201))
      assert.deepEqual(throttled.slice(0, 2), [THROTTLE_MS, THROTTLE_MS])
      assert.equal(broker.earlyRequests, 0)
    },
  )
})

test('a request that was on its way when a broker asked for a pause has that much more time', TIMEOUT, () => {
  const retries: number[] = []
  return onStage(
    {
      onThrottle: (index) => (index === 0 ? THROTTLE_MS : 0),
      onProduce: ({ partition, index }) =>
        partition === 0 && index === 0 ? { kind: 'delay', delayMs: 200 } : undefined,
    },
    {
      settings: { requestTimeoutMs: REQUEST_TIMEOUT_MS },
      observer: { onBatch: (report) => retries.push(report.retries) },
    },
    async ({ broker, producer }) => {
      const topic = producer.topic('wide', 3)
      await producer.warm(topic)
      const first = producer.send(topic, 'k0', 'a')
      // The other partition's request leaves while the broker still works on the first one.
      await new Promise((resolve) => setTimeout(resolve, 50))
      const second = Array.from({ length: 20 }, (_, n) => producer.send(topic, `other${n}`, 'b'))
      await Promise.all([first, ...second])
      assert.deepEqual([...new Set(retries)], [0])
      const stored = [0, 1, 2].reduce((sum, partition) => sum + broker.log('wide', partition).records.length, 0)
      assert.equal(stored, 21)
    },
  )
})
