/**
 * Which dead letters are still kept, from everything that was ever written about them.
 *
 * DF1. A letter counts once, however often it was written: a process may have died before it could confirm its message.
 * DF2. One that was handed out again or discarded is settled, in whatever order that is read: several partitions and epochs may hold it.
 *      What failed after that, as positions of the group were moved back, is kept.
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
import type { MessageRecord } from '../formats/message.ts'
import { factsIn, parseFacts } from './letter.ts'

export class DeadLetterFold {
  readonly #letters = new Map<string, DeadLetterFacts>()
  /** With the last failure that is settled. */
  readonly #settled = new Map<string, number>()
  /** Records that are neither letter nor marker. */
  foreign = 0

  /** A record of the mQ ID that holds the letters. */
  take({ headers }: Pick<MessageRecord, 'headers'>): void {
    const letter = factsIn(headers, DEAD_LETTER_HEADER, parseFacts)?.facts
    if (letter !== undefined) {
      const name = letterOf(letter)
      const known = this.#letters.get(name)
      if (known === undefined || known.lastFailedAtMs < letter.lastFailedAtMs) this.#letters.set(name, letter)
      return
    }
    const marker = factsIn(headers, SETTLED_HEADER, (value) => SettledMarker.safeParse(value).data)?.facts
    if (marker === undefined) this.foreign++
    else this.#settle(marker.letter, marker.lastFailedAtMs)
  }

  /** A record of the way back: its letter was handed out again, also where nobody could write a marker any more. */
  takeRedriven({ headers }: Pick<MessageRecord, 'headers'>): void {
    const facts = factsIn(headers, REDRIVEN_HEADER, parseFacts)?.facts
    if (facts !== undefined) this.#settle(letterOf({ ...facts, redrives: facts.redrives - 1 }), facts.lastFailedAtMs)
  }

  #settle(letter: string, lastFailedAtMs: number): void {
    this.#settled.set(letter, Math.max(lastFailedAtMs, this.#settled.get(letter) ?? lastFailedAtMs))
  }

  /** Letters that nobody settled, in the order they were written. */
  kept(): DeadLetterFacts[] {
    const isSettled = (name: string, at: number): boolean => at <= (this.#settled.get(name) ?? Number.NEGATIVE_INFINITY)
    return [...this.#letters].flatMap(([name, facts]) => (isSettled(name, facts.lastFailedAtMs) ? [] : [facts]))
  }
}
