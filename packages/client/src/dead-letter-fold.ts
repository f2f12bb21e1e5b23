/**
 * Which dead letters are still kept, from everything that was ever written about them.
 *
 * DF1. A letter counts once, however often it was written: a process may have died before it could confirm its message.
 * DF2. One that was handed out again or discarded is settled, in whatever order that is read: several partitions and epochs may hold it.
 * DF3. What is kept is facts, not values: memory grows with letters, not with their sizes.
 */
import {
  DEAD_LETTER_HEADER,
  type DeadLetterFacts,
  letterOf,
  REDRIVEN_HEADER,
  SETTLED_HEADER,
  SettledMarker,
} from '@mq/contract'
import { factsIn, parseFacts } from './dead-letter.ts'
import type { MessageRecord } from './message.ts'

export class DeadLetterFold {
  readonly #letters = new Map<string, DeadLetterFacts>()
  readonly #settled = new Set<string>()
  /** Records that are neither letter nor marker. */
  foreign = 0

  /** A record of the mQ ID that holds the letters. */
  take({ headers }: Pick<MessageRecord, 'headers'>): void {
    const letter = factsIn(headers, DEAD_LETTER_HEADER, parseFacts)?.facts
    if (letter !== undefined) {
      const name = letterOf(letter)
      if (!this.#letters.has(name)) this.#letters.set(name, letter)
      return
    }
    const marker = factsIn(headers, SETTLED_HEADER, (value) => SettledMarker.safeParse(value).data)?.facts
    if (marker === undefined) this.foreign++
    else this.#settled.add(marker.letter)
  }

  /** A record of the way back: its letter was handed out again, also where nobody could write a marker any more. */
  takeRedriven({ headers }: Pick<MessageRecord, 'headers'>): void {
    const facts = factsIn(headers, REDRIVEN_HEADER, parseFacts)?.facts
    if (facts !== undefined) this.#settled.add(letterOf({ ...facts, redrives: facts.redrives - 1 }))
  }

  /** Letters that nobody settled, in the order they were written. */
  kept(): DeadLetterFacts[] {
    return [...this.#letters].flatMap(([name, facts]) => (this.#settled.has(name) ? [] : [facts]))
  }
}
