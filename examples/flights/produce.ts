/**
 * Plays the flights of one share of the airports as events, as fast as they are taken.
 *
 *   node --conditions=mq-source examples/flights/produce.ts --part 0/2 [--limit 100000]
 */
import { parseArgs } from 'node:util'
import { connect } from '@mq/client'
import { showProgress, stop, url, wholeNumber } from './app.ts'
import { FLIGHTS, type FlightDeparted, owns, parsePart, recordBytes } from './flight.ts'
import { FlightsFile } from './flights-file.ts'

const { values: options } = parseArgs({
  options: { part: { type: 'string', default: '0/1' }, limit: { type: 'string', default: '3000000' } },
})
const part = parsePart(options.part)
const file = await FlightsFile.open()
const rows = Math.min(file.rows, wholeNumber('limit', options.limit))

const mq = await connect({ url, app: 'flights-producer' })
const departures = mq.queue<FlightDeparted>(FLIGHTS)

// Confirmations are awaited one window behind the sends, so that the pipeline never runs dry.
const WINDOW = 5_000
let window: Promise<unknown>[] = []
let windowBefore: Promise<unknown> = Promise.resolve()

let sent = 0
let bytes = 0
let sendingMs = 0
let longestWaitMs = 0
const confirmed = async (what: Promise<unknown>): Promise<void> => {
  const fromMs = performance.now()
  await what
  longestWaitMs = Math.max(longestWaitMs, performance.now() - fromMs)
}
const hideProgress = showProgress(() => sent)
for await (const chunk of file.read(0, rows)) {
  const startedMs = performance.now()
  for (let n = 0; n < chunk.rows && !stop.aborted; n++) {
    const origin = chunk.origin[n]!
    if (!owns(part, origin)) continue
    const event: FlightDeparted = {
      flight: chunk.firstRow + n,
      date: chunk.date[n]!,
      delay: chunk.delay[n]!,
      distance: chunk.distance[n]!,
      origin,
      destination: chunk.destination[n]!,
    }
    window.push(departures.send(event, { key: origin }))
    sent += 1
    bytes += recordBytes(event)
    if (window.length === WINDOW) {
      await confirmed(windowBefore)
      windowBefore = Promise.all(window)
      window = []
    }
  }
  sendingMs += performance.now() - startedMs
}
const lastMs = performance.now()
await confirmed(Promise.all([windowBefore, ...window]))
sendingMs += performance.now() - lastMs
hideProgress()
await mq.close()
console.log(
  JSON.stringify({
    role: 'producer',
    part: options.part,
    sent,
    recordBytes: bytes,
    durationMs: Math.round(sendingMs),
    longestWaitMs: Math.round(longestWaitMs),
  }),
)
