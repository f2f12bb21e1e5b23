/**
 * What must come out of a run, computed without mQ.
 *
 *   node --conditions=mq-source examples/shop/expected.ts --rate 2000 --seconds 10 --seed 7
 */
import { parseArgs } from 'node:util'
import { wholeNumber } from './app.ts'
import { shopEvents } from './workload.ts'

export function expectedOutcome(count: number, seed: number) {
  const sent = { 'shop.views': 0, 'shop.carts': 0, 'orders.placed': 0, 'stock.levels': 0 }
  let revenueCents = 0
  let units = 0
  for (const event of shopEvents(count, seed)) {
    sent[event.id] += 1
    if (event.id !== 'orders.placed') continue
    sent['stock.levels'] += event.value.lines.length
    revenueCents += event.value.totalCents
    for (const line of event.value.lines) units += line.units
  }
  return { sent, revenueCents, units }
}

if (import.meta.main) {
  const { values } = parseArgs({
    options: {
      rate: { type: 'string', default: '2000' },
      seconds: { type: 'string', default: '10' },
      seed: { type: 'string', default: '7' },
    },
  })
  const count = wholeNumber('rate', values.rate) * wholeNumber('seconds', values.seconds)
  const outcome = expectedOutcome(count, wholeNumber('seed', values.seed))
  console.log(JSON.stringify({ role: 'expected', ...outcome }))
}
