/**
 * The same sums straight from the file, without mQ: what both consumer groups must arrive at.
 *
 *   node --conditions=mq-source examples/flights/expected.ts [--limit 100000]
 */
import { parseArgs } from 'node:util'
import { FlightsFile } from './flights-file.ts'
import { type Sum, Sums } from './sums.ts'

export interface Expected {
  readonly rows: number
  readonly delays: Record<string, Sum>
  readonly routes: Record<string, Sum>
}

export async function expectedSums(limit?: number): Promise<Expected> {
  const file = await FlightsFile.open()
  const rows = Math.min(file.rows, limit ?? file.rows)
  const delays = new Sums()
  const routes = new Sums()
  for await (const chunk of file.read(0, rows)) {
    for (let n = 0; n < chunk.rows; n++) {
      const hour = new Date(chunk.date[n]!).getUTCHours().toString().padStart(2, '0')
      delays.add(`${chunk.origin[n]} ${hour}`, chunk.delay[n]!)
      routes.add(`${chunk.origin[n]}-${chunk.destination[n]}`, chunk.distance[n]!)
    }
  }
  return { rows, delays: delays.toJSON(), routes: routes.toJSON() }
}

if (import.meta.main) {
  const { values } = parseArgs({ options: { limit: { type: 'string' } } })
  const expected = await expectedSums(values.limit === undefined ? undefined : Number(values.limit))
  console.log(JSON.stringify({ role: 'expected', ...expected }))
}
