/**
 * Tells of the departures of one share of the airports at a steady rate, until it is asked to end.
 *
 *   node --conditions=mq-source examples/flights/track.ts --part 0/3 [--rate 500]
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { connect } from '@mq/client'
import { showProgress, stop, url, wholeNumber } from './app.ts'
import { type FlightDeparted, owns, parsePart } from './flight.ts'
import { FlightsFile } from './flights-file.ts'
import { TRACKED } from './tracked.ts'

const { values: options } = parseArgs({
  options: { part: { type: 'string', default: '0/1' }, rate: { type: 'string', default: '500' } },
})
const part = parsePart(options.part)
const rate = wholeNumber('rate', options.rate)
const file = await FlightsFile.open()

/** Between two looks at the clock; the messages due by then go out one after the other. */
const BEAT_MS = 5
/** A Kafka that stands still must not fill the memory. */
const MOST_WAITING = 20_000

const mq = await connect({ url, app: 'flights-tracker' })
const tracked = mq.queue<FlightDeparted>(TRACKED)

const waiting = new Set<Promise<unknown>>()
let sent = 0
let failure: unknown
let startedMs: number | undefined
const hideProgress = showProgress(() => sent)
for await (const chunk of file.read(0, file.rows)) {
  // Not before the first flights are read: nothing was due until then.
  startedMs ??= performance.now()
  const begunMs = startedMs
  for (let n = 0; n < chunk.rows && !stop.aborted && failure === undefined; n++) {
    const origin = chunk.origin[n]!
    if (!owns(part, origin)) continue
    while (!stop.aborted && (sent >= ((performance.now() - begunMs) * rate) / 1_000 || waiting.size >= MOST_WAITING)) {
      await sleep(BEAT_MS)
    }
    if (stop.aborted) break
    const event: FlightDeparted = {
      flight: chunk.firstRow + n,
      date: chunk.date[n]!,
      delay: chunk.delay[n]!,
      distance: chunk.distance[n]!,
      origin,
      destination: chunk.destination[n]!,
    }
    const confirmed = tracked.send(event, { key: origin }).catch((error: unknown) => {
      failure ??= error
    })
    waiting.add(confirmed)
    void confirmed.then(() => waiting.delete(confirmed))
    sent += 1
  }
  if (stop.aborted || failure !== undefined) break
}
await Promise.all(waiting)
const durationMs = Math.round(performance.now() - (startedMs ?? performance.now()))
hideProgress()
await mq.close()
if (failure !== undefined) throw failure
console.log(JSON.stringify({ role: 'tracker', part: options.part, sent, durationMs }))
