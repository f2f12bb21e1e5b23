/** Unit tests of the shop example: the workload (W1, W2), what must come out of it, and the order check (E1). */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { OrderCheck } from '../events.ts'
import { expectedOutcome } from '../expected.ts'
import { shopEvents } from '../workload.ts'

test('the same seed gives the same shop, another seed another one (W1)', () => {
  const events = [...shopEvents(2_000, 7)]
  assert.equal(events.length, 2_000)
  assert.deepEqual([...shopEvents(2_000, 7)], events)
  assert.notDeepEqual([...shopEvents(2_000, 8)], events)
})

test('only n depends on where a run starts, so the expected outcome holds for any start (W2)', () => {
  const strip = (events: Iterable<object>) => JSON.stringify([...events]).replaceAll(/"n":\d+|"order-\d+"/g, '')
  assert.equal(strip(shopEvents(500, 7, 1_000_000)), strip(shopEvents(500, 7)))
})

test('about 70 % are views, 20 % carts and 10 % orders, and orders add up', () => {
  const { sent, revenueCents, units } = expectedOutcome(20_000, 7)
  assert.equal(sent['shop.views'] + sent['shop.carts'] + sent['orders.placed'], 20_000)
  assert.ok(Math.abs(sent['shop.views'] - 14_000) < 400, `${sent['shop.views']} views`)
  assert.ok(Math.abs(sent['orders.placed'] - 2_000) < 200, `${sent['orders.placed']} orders`)
  let cents = 0
  let lines = 0
  let pieces = 0
  for (const event of shopEvents(20_000, 7)) {
    if (event.id !== 'orders.placed') continue
    for (const line of event.value.lines) {
      cents += line.cents * line.units
      pieces += line.units
      lines += 1
    }
  }
  assert.deepEqual([revenueCents, units, sent['stock.levels']], [cents, pieces, lines])
})

test('n rises for each key of each mQ ID (E1)', () => {
  const order = new OrderCheck()
  for (const { id, key, value } of shopEvents(5_000, 3)) assert.ok(order.isNew(id, key, value.n))
  assert.deepEqual([order.orderViolations, order.duplicates], [0, 0])
})

test('an overtaken and a repeated event are told apart, per key and mQ ID (E1)', () => {
  const order = new OrderCheck()
  assert.ok(order.isNew('orders.placed', 'a', 5))
  assert.ok(order.isNew('orders.placed', 'b', 4))
  assert.ok(order.isNew('shop.carts', 'a', 1))
  assert.equal(order.orderViolations, 0)
  assert.ok(order.isNew('orders.placed', 'a', 3))
  assert.deepEqual([order.orderViolations, order.duplicates], [1, 0])
  assert.ok(!order.isNew('orders.placed', 'a', 5))
  assert.deepEqual([order.orderViolations, order.duplicates], [1, 1])
})
