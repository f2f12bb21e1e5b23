/**
 * Which dead letters are still kept, from everything that was ever written about them.
 *
 * DF1. A letter counts once, however often it was written: a process may have died before it could confirm its message.
 * DF2. One that was handed out again or discarded is settled, in whatever order that is read: several partitions and epochs may hold it.
 *      What failed after that, as positions of the group were moved back, is kept.
 * DF3. Of a letter only what `keep` returns is remembered, and never its value: memory grows with letters, not with their sizes.
 * DF4. What retention removed is no longer kept, where the places of records are told.
 */
import {
  DEAD_LETTER_HEADER,
  DeadLetterFacts,
  letterOf,
  REDRIVEN_HEADER,
  SETTLED_HEADER,
  SettledMarker,
} from './dead-letters.ts'

export interface HeaderLike {
  readonly key: string
  readonly value: Uint8Array | null
}

/** Where a record stands: a log, such as `topic/partition`, and its offset in it. */
export interface LetterPlace {
  readonly log: string
  readonly offset: bigint
}

interface Letter<T> {
  readonly lastFailedAtMs: number
  readonly kept: T
  readonly place: LetterPlace | undefined
}

/** The facts in the last header of this name, and the headers before it; undefined when there are none that can be read. */
export function factsIn<T, Header extends HeaderLike>(
  headers: readonly Header[],
  name: string,
  parse: (value: unknown) => T | undefined,
): { readonly facts: T; readonly headers: readonly Header[] } | undefined {
  const last = headers.at(-1)
  if (last?.key !== name || last.value === null) return undefined
  try {
    const facts = parse(JSON.parse(new TextDecoder().decode(last.value)))
    return facts === undefined ? undefined : { facts, headers: headers.slice(0, -1) }
  } catch {
    return undefined
  }
}

export const parseDeadLetterFacts = (value: unknown): DeadLetterFacts | undefined =>
  DeadLetterFacts.safeParse(value).data

export class DeadLetterFold<T> {
  readonly #keep: (facts: DeadLetterFacts) => T
  readonly #letters = new Map<string, Letter<T>>()
  /** The last failure that is settled, by letter. */
  readonly #settled = new Map<string, number>()
  /** Records that are neither letter nor marker. */
  foreign = 0

  constructor(keep: (facts: DeadLetterFacts) => T) {
    this.#keep = keep
  }

  /** Letters that are remembered, kept or not. */
  get size(): number {
    return this.#letters.size
  }

  /** A record of the mQ ID that holds the letters. */
  take({ headers }: { readonly headers: readonly HeaderLike[] }, place?: LetterPlace): void {
    const letter = factsIn(headers, DEAD_LETTER_HEADER, parseDeadLetterFacts)?.facts
    if (letter !== undefined) {
      const name = letterOf(letter)
      const known = this.#letters.get(name)
      const { lastFailedAtMs } = letter
      if (known !== undefined && known.lastFailedAtMs > lastFailedAtMs) return
      const kept = known?.lastFailedAtMs === lastFailedAtMs ? known.kept : this.#keep(letter)
      this.#letters.set(name, { lastFailedAtMs, kept, place })
      return
    }
    const marker = factsIn(headers, SETTLED_HEADER, (value) => SettledMarker.safeParse(value).data)?.facts
    if (marker === undefined) this.foreign++
    else this.#settle(marker.letter, marker.lastFailedAtMs)
  }

  /** A record of the way back: its letter was handed out again, also where nobody could write a marker any more. */
  takeRedriven({ headers }: { readonly headers: readonly HeaderLike[] }): void {
    const facts = factsIn(headers, REDRIVEN_HEADER, parseDeadLetterFacts)?.facts
    if (facts !== undefined) this.#settle(letterOf({ ...facts, redrives: facts.redrives - 1 }), facts.lastFailedAtMs)
  }

  /** DF4 */
  forgetBefore(log: string, offset: bigint): void {
    for (const [name, { place }] of this.#letters) {
      if (place?.log !== log || place.offset >= offset) continue
      this.#letters.delete(name)
      this.#settled.delete(name)
    }
  }

  /** Letters that nobody settled, in the order they were written. */
  kept(): T[] {
    return [...this.#letters].flatMap(([name, { lastFailedAtMs, kept }]) =>
      lastFailedAtMs <= (this.#settled.get(name) ?? Number.NEGATIVE_INFINITY) ? [] : [kept],
    )
  }

  #settle(letter: string, lastFailedAtMs: number): void {
    this.#settled.set(letter, Math.max(lastFailedAtMs, this.#settled.get(letter) ?? lastFailedAtMs))
  }
}
