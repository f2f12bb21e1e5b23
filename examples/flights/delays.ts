/**
 * Group `delays`: minutes of delay for each airport and hour of the day.
 *
 *   node --conditions=mq-source examples/flights/delays.ts [--expect 3000000] [--idle-ms 20000]
 */
import { followFlights } from './follow.ts'
import { Sums } from './sums.ts'

const sums = new Sums()
const followed = await followFlights('delays', ({ origin, date, delay }) => {
  sums.add(`${origin} ${date.slice(11, 13)}`, delay)
})
console.log(JSON.stringify({ role: 'delays', ...followed, sums }))
