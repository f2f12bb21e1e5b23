/**
 * Visitors look, fill carts and order, at a steady rate.
 *
 *   node --conditions=mq-source examples/shop/shoppers.ts --rate 2000 --seconds 10 --seed 7
 */
import { createHistogram } from 'node:perf_hooks'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { connect } from '@mq/client'
import { showProgress, stop, url, wholeNumber } from './app.ts'
import { shopEvents } from './workload.ts'

const { values: options } = parseArgs({
  options: {
    rate: { type: 'string', default: '2000' },
    seconds: { type: 'string', default: '10' },
    seed: { type: 'string', default: '7' },
  },
})
const rate = wholeNumber('rate', options.rate)
const count = rate * wholeNumber('seconds', options.seconds)

const mq = await connect({ url, app: 'shop-shoppers' })
const sent = { 'shop.views': 0, 'shop.carts': 0, 'orders.placed': 0 }
const sends: Promise<void>[] = []
const tookUs = createHistogram()
let recordBytes = 0
let revenueCents = 0

const startedAtMs = performance.now()
const hideProgress = showProgress(() => sends.length)
for (const { id, key, value } of shopEvents(count, wholeNumber('seed', options.seed), Date.now() * 1_000)) {
  while (!stop.aborted && sends.length >= ((performance.now() - startedAtMs) * rate) / 1_000) await sleep(10)
  if (stop.aborted) break
  const sentAtMs = performance.now()
  const acknowledged = mq.send(id, value, { key })
  sends.push(acknowledged.then(() => tookUs.record(Math.max(1, Math.round((performance.now() - sentAtMs) * 1_000)))))
  sent[id] += 1
  recordBytes += Buffer.byteLength(key) + Buffer.byteLength(JSON.stringify(value))
  if (id === 'orders.placed') revenueCents += value.totalCents
}
await Promise.all(sends)
const durationMs = Math.round(performance.now() - startedAtMs)
hideProgress()
await mq.close()

const ms = (us: number): number => us / 1_000
const sendMs =
  sends.length === 0
    ? { p50: 0, p99: 0, max: 0 }
    : { p50: ms(tookUs.percentile(50)), p99: ms(tookUs.percentile(99)), max: ms(tookUs.max) }
console.log(JSON.stringify({ role: 'shoppers', sent, recordBytes, revenueCents, durationMs, sendMs }))
