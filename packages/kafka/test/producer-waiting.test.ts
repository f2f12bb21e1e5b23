/** Sends that wait for memory: what they keep, how long, and how much of it. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { within } from '@mq/testkit'
import { MemoryBudget } from '../src/produce/memory-budget.ts'
import type { PartitionSender } from '../src/produce/partition-sender.ts'
import { SendQueue } from '../src/produce/send-queue.ts'
import { encodeHeaders } from '../src/records/record-headers.ts'
import { code, onStage, TIMEOUT, values } from './produce-stage.ts'

const sender = {} as PartitionSender

test('a send that waits is what it was when it was sent, whatever becomes of its buffers (W4)', TIMEOUT, () =>
  onStage(
    { onProduce: () => ({ kind: 'delay', delayMs: 20 }) },
    { budget: new MemoryBudget(4_200) },
    async ({ broker, producer }) => {
      const topic = producer.topic('t', 1)
      const value = Buffer.alloc(3_000)
      const key = Buffer.from('key')
      const headers: Record<string, Buffer | string> = { h: Buffer.from('old') }
      const sends: Promise<unknown>[] = []
      for (const letter of ['a', 'b', 'c']) {
        value.fill(letter)
        key.write(letter)
        headers.h = Buffer.from(letter)
        sends.push(producer.send(topic, key, value, headers))
      }
      value.fill('z')
      key.fill('z')
      ;(headers.h as Buffer).fill('z')
      headers.more = 'z'
      await Promise.all(sends)
      assert.deepEqual(
        values(broker).map((text) => text[0]),
        ['a', 'b', 'c'],
      )
      const kept = broker.log('t', 0).records.map((record) => record.key?.toString())
      assert.deepEqual(kept, ['aey', 'bey', 'cey'])
    },
  ),
)

test('a send that left the queue is kept by nothing in it', TIMEOUT, async () => {
  setFlagsFromString('--expose-gc')
  const gc = runInNewContext('gc') as () => void
  const queue = new SendQueue(1_000, 1_000_000)
  const values = (() => {
    const made: WeakRef<object>[] = []
    for (let n = 0; n < 100; n++)
      void queue.add(sender, null, Buffer.alloc(1_000, n), undefined, 0, 0, 0, undefined).catch(() => {})
    for (let n = 0; n < 99; n++) {
      const { value } = queue.shift()!
      made.push(new WeakRef(value as Buffer))
    }
    return made
  })()
  await new Promise((resolve) => setTimeout(resolve, 10))
  gc()
  assert.equal(queue.size, 1)
  assert.equal(values.filter((value) => value.deref() !== undefined).length, 0)
})

test('what waits is bounded in bytes as well as in number (W2)', () => {
  const queue = new SendQueue(1_000, 10_000)
  for (let n = 0; n < 3; n++) void queue.add(sender, null, 'x'.repeat(3_000), undefined, 0, 0, 0, undefined)
  const more = (): unknown =>
    queue.add(sender, 'k', 'x'.repeat(3_000), encodeHeaders({ name: 'value' }), 0, 0, 0, undefined)
  assert.throws(more, code('MQ_BUFFER_FULL'))
  queue.shift()
  more()
  for (let left = queue.size; left > 0; left--) queue.shift()
  // One that is larger than the bound waits alone.
  void queue.add(sender, null, 'x'.repeat(20_000), undefined, 0, 0, 0, undefined)
  assert.throws(more, code('MQ_BUFFER_FULL'))
})

test('the time a send waited for memory counts towards its deadline (R3)', TIMEOUT, () => {
  let arrived = 0
  return onStage(
    { onProduce: () => (arrived++ === 0 ? { kind: 'delay', delayMs: 1_000 } : { kind: 'silence' }) },
    { budget: new MemoryBudget(4_200), sendDeadlineMs: 3_000 },
    async ({ producer }) => {
      const topic = producer.topic('t', 1)
      const patient = { deadlineMs: performance.now() + 20_000 }
      const first = producer.send(topic, null, 'x'.repeat(3_000), undefined, undefined, patient)
      const sentMs = performance.now()
      // A deadline that began with the memory would pass at 4,000 ms.
      await within(3_700, async () => {
        const second = producer.send(topic, null, 'y'.repeat(3_000))
        await first
        await assert.rejects(second, code('MQ_SEND_UNCERTAIN'))
      })
      assert.ok(performance.now() - sentMs > 2_950)
    },
  )
})
