/**
 * Runs one consumer group over the departures until it has as many as it expects.
 *
 * G1. Each flight reaches `onFlight` once, whatever is delivered twice.
 */
import { parseArgs } from 'node:util'
import { connect } from '@mq/client'
import { Arrivals, url, wholeNumber } from './app.ts'
import { FLIGHTS, type FlightDeparted, OrderCheck } from './flight.ts'

const MAX_FLIGHTS = 3_000_000

export async function followFlights(group: string, onFlight: (flight: FlightDeparted) => void) {
  const { values: options } = parseArgs({
    options: {
      expect: { type: 'string', default: String(MAX_FLIGHTS) },
      'idle-ms': { type: 'string', default: '20000' },
    },
  })
  const arrivals = new Arrivals(wholeNumber('expect', options.expect))
  const order = new OrderCheck(MAX_FLIGHTS)

  const mq = await connect({ url, app: `flights-${group}` })
  const subscription = await mq.queue<FlightDeparted>(FLIGHTS).consume(
    group,
    (message) => {
      if (order.judge(message.value) === 'duplicate') return
      onFlight(message.value)
      arrivals.add(message.timestampMs)
    },
    { from: 'earliest' },
  )
  await arrivals.wait(wholeNumber('idle-ms', options['idle-ms']))
  await subscription.close()
  await mq.close()
  return {
    group,
    received: arrivals.count,
    duplicates: order.duplicates,
    orderViolations: order.orderViolations,
    ...arrivals.timing(),
  }
}
