/**
 * Group `warehouse`: takes what was ordered off the shelves and tells the new stock levels.
 *
 *   node --conditions=mq-source examples/shop/warehouse.ts --expect 2000
 */
import { parseArgs } from 'node:util'
import { connect } from '@mq/client'
import { Arrivals, url, wholeNumber } from './app.ts'
import { OrderCheck, type OrderEvent, type StockEvent } from './events.ts'

const FULL_SHELF = 10_000

const { values: options } = parseArgs({
  options: { expect: { type: 'string', default: '2000' }, 'idle-ms': { type: 'string', default: '20000' } },
})
const arrivals = new Arrivals(wholeNumber('expect', options.expect))
const order = new OrderCheck()
const levels = new Map<string, number>()
let units = 0
let stockSent = 0
let n = Date.now() * 1_000

const mq = await connect({ url, app: 'shop-warehouse' })
const orders = mq.queue<OrderEvent>('orders.placed')
const stock = mq.queue<StockEvent>('stock.levels')

// Sixteen orders at a time; mQ keeps those of one customer in order.
const subscription = await orders.consume(
  'warehouse',
  async ({ value, key, timestampMs }) => {
    if (!order.isNew('orders.placed', key, value.n)) return
    // A level that cannot be told ends the program: its orders are not committed, so the next one gets them again.
    await Promise.all(
      value.lines.map((line) => {
        const level = (levels.get(line.product) ?? FULL_SHELF) - line.units
        levels.set(line.product, level)
        units += line.units
        stockSent += 1
        n += 1
        return stock.send({ product: line.product, level, n }, { key: line.product })
      }),
    ).catch((error: unknown) => {
      console.error(error)
      process.exit(1)
    })
    arrivals.add(timestampMs)
  },
  { concurrency: 16, from: 'earliest' },
)
await arrivals.wait(wholeNumber('idle-ms', options['idle-ms']))
await subscription.close()
await mq.close()

console.log(
  JSON.stringify({
    role: 'warehouse',
    group: 'warehouse',
    received: arrivals.count,
    duplicates: order.duplicates,
    orderViolations: order.orderViolations,
    sent: { 'stock.levels': stockSent },
    units,
    ...arrivals.timing(),
  }),
)
