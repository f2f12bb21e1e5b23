/**
 * Group `routes`: flights and miles of each route.
 *
 *   node --conditions=mq-source examples/flights/routes.ts [--expect 3000000] [--idle-ms 20000]
 */
import { followFlights } from './follow.ts'
import { Sums } from './sums.ts'

const sums = new Sums()
const followed = await followFlights('routes', ({ origin, destination, distance }) => {
  sums.add(`${origin}-${destination}`, distance)
})
console.log(JSON.stringify({ role: 'routes', ...followed, sums }))
