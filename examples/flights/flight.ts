/**
 * One departure, as the file holds it and as it travels.
 *
 * F1. `flight` is the row in the file, and rows of one airport are sent in file order by the one producer that owns the
 *     airport; so within an airport the numbers a consumer group sees only ever rise.
 */

/** The only name this example knows. */
export const FLIGHTS = 'flights.departed'

/** The event: what producers send and consumers get. */
export interface FlightDeparted {
  readonly flight: number
  readonly date: string
  readonly delay: number
  readonly distance: number
  readonly origin: string
  readonly destination: string
}

/** A share of the airports: producer `index` (from 0) of `count`. */
export interface Part {
  readonly index: number
  readonly count: number
}

/** `0/2` as a part; throws when it is not one. */
export function parsePart(text: string): Part {
  const match = /^(\d{1,4})\/([1-9]\d{0,3})$/.exec(text)
  const part = { index: Number(match?.[1]), count: Number(match?.[2]) }
  if (match === null || part.index >= part.count) {
    throw new Error(`'${text}' is not a part: write 0/2 for the first of two`)
  }
  return part
}

/** Whether a part owns an airport: each airport has exactly one owner (F1). */
export function owns(part: Part, origin: string): boolean {
  let sum = 0
  for (let at = 0; at < origin.length; at++) sum += origin.charCodeAt(at)
  return sum % part.count === part.index
}

const EMPTY_EVENT_BYTES = JSON.stringify({
  flight: 0,
  date: '',
  delay: 0,
  distance: 0,
  origin: '',
  destination: '',
}).length

/** Bytes of key and JSON value together, without writing the JSON a second time: all the text is ASCII. */
export function recordBytes(event: FlightDeparted): number {
  const numbers = textLength(event.flight) + textLength(event.delay) + textLength(event.distance) - 3
  return EMPTY_EVENT_BYTES + numbers + event.date.length + event.origin.length * 2 + event.destination.length
}

function textLength(whole: number): number {
  let length = whole < 0 ? 2 : 1
  for (let rest = Math.abs(whole); rest >= 10; rest /= 10) length += 1
  return length
}

export type Verdict = 'new' | 'duplicate' | 'overtaken'

/** Judges every event one consumer group gets, by F1. */
export class OrderCheck {
  readonly #seen: Uint8Array
  readonly #last = new Map<string, number>()
  duplicates = 0
  orderViolations = 0

  constructor(maxFlights: number) {
    this.#seen = new Uint8Array(maxFlights)
  }

  judge(event: FlightDeparted): Verdict {
    if (this.#seen[event.flight] !== 0) {
      this.duplicates += 1
      return 'duplicate'
    }
    this.#seen[event.flight] = 1
    if (event.flight <= (this.#last.get(event.origin) ?? -1)) {
      this.orderViolations += 1
      return 'overtaken'
    }
    this.#last.set(event.origin, event.flight)
    return 'new'
  }
}
