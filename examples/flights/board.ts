/**
 * Group `board`: shows the latest departure of every airport, until it is asked to end.
 *
 *   node --conditions=mq-source examples/flights/board.ts
 */
import { connect } from '@mq/client'
import { Arrivals, showProgress, stop, url } from './app.ts'
import { type FlightDeparted, OrderCheck } from './flight.ts'
import { TRACKED } from './tracked.ts'

const MAX_FLIGHTS = 3_000_000

const arrivals = new Arrivals(MAX_FLIGHTS)
const order = new OrderCheck(MAX_FLIGHTS)
const board = new Map<string, FlightDeparted>()

const mq = await connect({ url, app: 'flights-board' })
const subscription = await mq.queue<FlightDeparted>(TRACKED).consume(
  'board',
  ({ value, timestampMs }) => {
    if (order.judge(value) === 'duplicate') return
    board.set(value.origin, value)
    arrivals.add(timestampMs)
  },
  { from: 'earliest' },
)
const hideProgress = showProgress(() => arrivals.count)
if (!stop.aborted) await new Promise<void>((resolve) => stop.addEventListener('abort', () => resolve(), { once: true }))
hideProgress()
await subscription.close()
await mq.close()
console.log(
  JSON.stringify({
    role: 'board',
    group: 'board',
    airports: board.size,
    received: arrivals.count,
    duplicates: order.duplicates,
    orderViolations: order.orderViolations,
    ...arrivals.timing(),
  }),
)
