/** An application tests its own code with objects of its own: no cast, nothing of mQ that runs (I1, I2). The types are the test. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { Message, Mq, Queue, Receipt, ReceivedMessage, Subscription } from '../src/index.ts'

interface Order {
  readonly id: string
  readonly total: number
}

/** The service under test. */
class Checkout {
  readonly #orders: Queue<Order>
  billed = 0

  constructor(mq: Mq) {
    this.#orders = mq.queue<Order>('orders.placed')
  }

  async place(order: Order): Promise<number> {
    return (await this.#orders.send(order, { key: order.id })).partition
  }

  start(): Promise<Subscription> {
    return this.#orders.consume('billing', this.bill, { onPoison: this.keep })
  }

  readonly bill = (message: Message<Order>): void => {
    this.billed += message.value.total
  }

  readonly keep = (message: ReceivedMessage<Order>): number => message.valueBytes?.length ?? 0
}

const receipt: Receipt = { topic: 't', partition: 3, baseOffset: 0n }

const subscription: Subscription = {
  id: 'orders.placed',
  group: 'billing',
  done: Promise.resolve(),
  lag: () => 0,
  unfinished: () => 0,
  close: async () => {},
  [Symbol.asyncDispose]: async () => {},
}

const queue: Queue<Order, Order> = {
  id: 'orders.placed',
  send: async () => receipt,
  sendMany: async () => [receipt],
  consume: async () => subscription,
}

const mq: Mq = {
  send: async () => receipt,
  sendMany: async () => [receipt],
  consume: async () => subscription,
  queue: () => queue,
  flush: async () => {},
  close: async () => {},
  [Symbol.asyncDispose]: async () => {},
}

const message: Message<Order> = {
  id: 'orders.placed',
  key: 'k',
  value: { id: 'o-1', total: 12 },
  headers: {},
  rawHeaders: [],
  keyBytes: null,
  timestampMs: 1,
  partition: 0,
  epoch: 1,
  offset: '0',
  attempt: 1,
  toJSON: () => ({}),
}

describe('fakes of an application', () => {
  it('stand for a connection, a queue, a subscription and a message', async () => {
    const checkout = new Checkout(mq)
    assert.equal(await checkout.place({ id: 'o-1', total: 12 }), 3)
    const started = await checkout.start()
    assert.equal(started.group, 'billing')
    checkout.bill(message)
    assert.equal(checkout.billed, 12)
  })
})
