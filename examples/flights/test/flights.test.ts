/** Unit tests of the flights example: the reader (R1), the order proof (F1) and the sums. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { expectedSums } from '../expected.ts'
import { type FlightDeparted, OrderCheck, owns, parsePart, recordBytes } from '../flight.ts'
import { FlightsFile } from '../flights-file.ts'
import { Sums } from '../sums.ts'

async function readAll(file: FlightsFile, from: number, to: number): Promise<FlightDeparted[]> {
  const flights: FlightDeparted[] = []
  for await (const chunk of file.read(from, to)) {
    for (let n = 0; n < chunk.rows; n++) {
      flights.push({
        flight: chunk.firstRow + n,
        date: chunk.date[n]!,
        delay: chunk.delay[n]!,
        distance: chunk.distance[n]!,
        origin: chunk.origin[n]!,
        destination: chunk.destination[n]!,
      })
    }
  }
  return flights
}

test('the file holds three million flights and the first one is known', async () => {
  const file = await FlightsFile.open()
  assert.equal(file.rows, 3_000_000)
  assert.deepEqual(await readAll(file, 0, 1), [
    { flight: 0, date: '2001-01-01T00:01:00.000Z', delay: 33, distance: 2176, origin: 'LAS', destination: 'PHL' },
  ])
})

test('a stretch over the edge of a row group is its two halves put together (R1)', async () => {
  const file = await FlightsFile.open()
  const whole = await readAll(file, 272_700, 272_760)
  assert.equal(whole.length, 60)
  assert.deepEqual([...(await readAll(file, 272_700, 272_727)), ...(await readAll(file, 272_727, 272_760))], whole)
})

test('every airport has exactly one owner among the parts (F1)', () => {
  fc.assert(
    fc.property(fc.string({ minLength: 3, maxLength: 3 }), fc.integer({ min: 1, max: 9 }), (origin, count) => {
      const owners = Array.from({ length: count }, (_, index) => owns({ index, count }, origin))
      assert.equal(owners.filter(Boolean).length, 1)
    }),
  )
})

test('a part is written 0/2 and nothing else', () => {
  assert.deepEqual(parsePart('1/4'), { index: 1, count: 4 })
  for (const wrong of ['2/2', '1', '1/0', 'a/b', '1/2/3', '-1/2', '']) {
    assert.throws(() => parsePart(wrong), /is not a part/, wrong)
  }
})

test('the counted bytes of an event are the bytes of its key and its JSON', () => {
  fc.assert(
    fc.property(
      fc.nat(3_000_000),
      fc.integer({ min: -2_000, max: 2_000 }),
      fc.nat(9_999),
      (flight, delay, distance) => {
        const event = { flight, date: '2001-01-01T00:01:00.000Z', delay, distance, origin: 'LAS', destination: 'PHL' }
        assert.equal(recordBytes(event), Buffer.byteLength(JSON.stringify(event)) + 3)
      },
    ),
  )
})

test('events played back by two owners give the same sums as the file itself', async () => {
  const limit = 30_000
  const flights = await readAll(await FlightsFile.open(), 0, limit)
  const order = new OrderCheck(limit)
  const delays = new Sums()
  const routes = new Sums()
  for (const index of [1, 0]) {
    for (const flight of flights.filter(({ origin }) => owns({ index, count: 2 }, origin))) {
      const event = JSON.parse(JSON.stringify(flight)) as FlightDeparted
      assert.equal(order.judge(event), 'new')
      delays.add(`${event.origin} ${event.date.slice(11, 13)}`, event.delay)
      routes.add(`${event.origin}-${event.destination}`, event.distance)
    }
  }
  assert.deepEqual(await expectedSums(limit), { rows: limit, delays: delays.toJSON(), routes: routes.toJSON() })
})

test('an overtaken and a repeated event are told apart, also when the repeat is an old one (F1)', () => {
  const event = (flight: number, origin = 'ATL'): FlightDeparted => {
    return { flight, date: '2001-01-01T00:01:00.000Z', delay: 0, distance: 215, origin, destination: 'SAV' }
  }
  const order = new OrderCheck(10)
  const verdicts = [event(1), event(5), event(3), event(1), event(5), event(4, 'LAX'), event(6)].map((e) =>
    order.judge(e),
  )
  assert.deepEqual(verdicts, ['new', 'new', 'overtaken', 'duplicate', 'duplicate', 'new', 'new'])
  assert.deepEqual([order.duplicates, order.orderViolations], [2, 1])
})
