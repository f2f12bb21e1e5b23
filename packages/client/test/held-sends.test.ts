import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { MqError } from '@mq/contract'
import { MemoryBudget, type Receipt } from '@mq/kafka'
import { HeldSends, type UnsentRecord } from '../src/epochs/held-sends.ts'
import type { Encoded } from '../src/formats/codecs.ts'
import { unsent } from '../src/send/unsent.ts'
import { bindingOf } from './support/bindings.ts'
import { FakeTime, turn } from './support/time.ts'

const RECEIPT: Receipt = { topic: 't', partition: 0, baseOffset: 0n }

function heldOf(time: FakeTime, limitBytes = 1_000_000): { held: HeldSends; budget: MemoryBudget } {
  const budget = new MemoryBudget(limitBytes)
  const held = new HeldSends({
    mqId: 'orders.placed',
    budget,
    deps: time.deps,
    deadlineMs: 1_000,
    mostOverflow: 2,
    reason: () => new MqError('MQ_CONTROL_PLANE_AWAY', 'no binding yet'),
  })
  return { held, budget }
}

function outgoing(value: unknown, key: string | Uint8Array | null = null): UnsentRecord {
  return unsent('orders.placed', value, { key, headers: undefined, timestampMs: undefined, limits: undefined })
}

function code(promise: Promise<unknown>): Promise<string> {
  return promise.then(
    () => 'ok',
    (error: unknown) => (error instanceof MqError ? error.code : String(error)),
  )
}

describe('HeldSends', () => {
  it('keeps a snapshot and lets go in order (D1, D2)', async () => {
    const { held, budget } = heldOf(new FakeTime())
    const order = { id: 1 }
    const bytes = new Uint8Array([1])
    const sends = [held.hold(outgoing(order)), held.hold(outgoing('text', bytes)), held.hold(outgoing(null))]
    order.id = 2
    bytes[0] = 9
    assert.ok(budget.usedBytes > 0)
    const left: [unknown, Encoded][] = []
    held.drain(bindingOf({ format: 'json' }), (record, encoded) => {
      left.push([record.key, encoded])
      return Promise.resolve(RECEIPT)
    })
    assert.deepEqual(left, [
      [null, '{"id":1}'],
      [new Uint8Array([1]), '"text"'],
      [null, null],
    ])
    assert.deepEqual(await Promise.all(sends), [RECEIPT, RECEIPT, RECEIPT])
    assert.equal(budget.usedBytes, 0)
    assert.equal(held.size, 0)
  })

  it('refuses what the format, known only later, cannot say', async () => {
    const { held } = heldOf(new FakeTime())
    const sends = [held.hold(outgoing({ a: 1 })), held.hold(outgoing('text')), held.hold(outgoing(new Uint8Array(1)))]
    held.drain(bindingOf({ format: 'text' }), () => Promise.resolve(RECEIPT))
    assert.deepEqual(await Promise.all(sends.map(code)), ['MQ_MESSAGE_INVALID', 'ok', 'MQ_MESSAGE_INVALID'])
    assert.throws(() => outgoing(10n), { code: 'MQ_MESSAGE_INVALID' })
  })

  it('rejects at the deadline with the reason it waited, and sends nothing of it later (D3)', async () => {
    const time = new FakeTime()
    const { held, budget } = heldOf(time)
    const early = code(held.hold(outgoing('a')))
    await time.advance(600)
    const late = code(held.hold(outgoing('b')))
    await time.advance(400)
    assert.equal(await early, 'MQ_CONTROL_PLANE_AWAY')
    assert.equal(held.size, 1)
    const left: Encoded[] = []
    held.drain(bindingOf({ format: 'text' }), (_, encoded) => {
      left.push(encoded)
      return Promise.resolve(RECEIPT)
    })
    assert.deepEqual(left, ['b'])
    assert.equal(await late, 'ok')
    await turn()
    assert.equal(budget.usedBytes, 0)
    assert.equal(time.timers, 0)
  })

  it('takes the deadline along when a send leaves for the producer, which settles it (D3)', async () => {
    const time = new FakeTime()
    const { held } = heldOf(time)
    const heldAtMs = time.deps.clock.monotonicMs()
    const send = code(held.hold(outgoing('a')))
    await time.advance(300)
    let limits: UnsentRecord['limits']
    held.drain(bindingOf({ format: 'text' }), (left) => {
      limits = left.limits
      return Promise.reject(new MqError('MQ_SEND_UNCERTAIN', 'from the producer'))
    })
    assert.equal(limits?.deadlineMs, heldAtMs + 1_000)
    assert.equal(await send, 'MQ_SEND_UNCERTAIN')
    await held.idle()
    assert.equal(time.timers, 0)
  })

  it('gives up at a deadline of its own and at a signal, and keeps the others (D3)', async () => {
    const time = new FakeTime()
    const { held, budget } = heldOf(time)
    const controller = new AbortController()
    const nowMs = time.deps.clock.monotonicMs()
    const long = code(held.hold({ ...outgoing('long'), limits: { deadlineMs: nowMs + 5_000 } }))
    const usual = code(held.hold(outgoing('usual')))
    const short = code(held.hold({ ...outgoing('short'), limits: { deadlineMs: nowMs + 100 } }))
    const given = code(held.hold({ ...outgoing('given'), limits: { signal: controller.signal } }))
    controller.abort()
    assert.equal(await given, 'MQ_SEND_CANCELLED')
    await time.advance(100)
    assert.equal(await short, 'MQ_CONTROL_PLANE_AWAY')
    await time.advance(900)
    assert.equal(await usual, 'MQ_CONTROL_PLANE_AWAY')
    const left: Encoded[] = []
    held.drain(bindingOf({ format: 'text' }), async (_, encoded) => {
      left.push(encoded)
      return RECEIPT
    })
    assert.deepEqual([left, await long], [['long'], 'ok'])
    assert.equal(budget.usedBytes, 0)
    assert.equal(time.timers, 0)
  })

  it('lets some wait that do not fit into the buffer, in order, and refuses the rest (D4)', async () => {
    const { held, budget } = heldOf(new FakeTime(), 2_600)
    for (const value of ['1', '2', '3']) void held.hold(outgoing(value.repeat(1_000)))
    assert.equal(budget.usedBytes, 2_512)
    void held.hold(outgoing('4'.repeat(1_000)))
    assert.equal(await code(held.hold(outgoing('5'.repeat(1_000)))), 'MQ_BUFFER_FULL')
    assert.equal(held.size, 4)
    const left: string[] = []
    held.drain(bindingOf({ format: 'text' }), async (_, encoded) => {
      left.push(String(encoded).slice(0, 1))
      return { topic: 't', partition: 0, baseOffset: 0n }
    })
    await held.idle()
    assert.deepEqual(left, ['1', '2', '3', '4'])
    assert.equal(budget.usedBytes, 0)
    const last = [1, 2, 3].map(() => code(held.hold(outgoing('x'.repeat(1_000)))))
    held.refuse(new MqError('MQ_CLOSED', 'closed'))
    assert.deepEqual(await Promise.all(last), ['MQ_CLOSED', 'MQ_CLOSED', 'MQ_CLOSED'])
    assert.equal(budget.usedBytes, 0)
  })
})
