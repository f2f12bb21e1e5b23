/**
 * Group `insights`: watches everything that happens in the shop.
 *
 *   node --conditions=mq-source examples/shop/insights.ts --expect 24000
 */
import { parseArgs } from 'node:util'
import { connect } from '@mq/client'
import { Arrivals, url, wholeNumber } from './app.ts'
import { OrderCheck, type OrderEvent } from './events.ts'

const { values: options } = parseArgs({
  options: { expect: { type: 'string', default: '24000' }, 'idle-ms': { type: 'string', default: '20000' } },
})
const arrivals = new Arrivals(wholeNumber('expect', options.expect))
const order = new OrderCheck()
const received = { 'shop.views': 0, 'shop.carts': 0, 'orders.placed': 0, 'stock.levels': 0 }
let revenueCents = 0

const mq = await connect({ url, app: 'shop-insights' })
const follow = <T extends { readonly n: number }>(id: keyof typeof received, onEvent: (event: T) => void = () => {}) =>
  mq.queue<T>(id).consume(
    'insights',
    ({ value, key, timestampMs }) => {
      if (!order.isNew(id, key, value.n)) return
      received[id] += 1
      onEvent(value)
      arrivals.add(timestampMs)
    },
    { from: 'earliest' },
  )
const subscriptions = await Promise.all([
  follow('shop.views'),
  follow('shop.carts'),
  follow<OrderEvent>('orders.placed', ({ totalCents }) => {
    revenueCents += totalCents
  }),
  follow('stock.levels'),
])
await arrivals.wait(wholeNumber('idle-ms', options['idle-ms']))
await Promise.all(subscriptions.map((subscription) => subscription.close()))
await mq.close()

console.log(
  JSON.stringify({
    role: 'insights',
    group: 'insights',
    received,
    duplicates: order.duplicates,
    orderViolations: order.orderViolations,
    revenueCents,
    ...arrivals.timing(),
  }),
)
