/**
 * What became of every message that was sent, in two or three numbers each.
 *
 * F1. A message that was never sent has no fate; what was told of it last stands.
 * F2. A reference is one number for (producer, n), and never 0.
 */
import type { HistoryEvent } from './history.ts'
import { type Paged, pagedBytes, pagedNumbers } from './paged.ts'

export type Fate = 'none' | 'unknown' | 'acked' | 'ambiguous' | 'failed'
const FATES: readonly Fate[] = ['none', 'unknown', 'acked', 'ambiguous', 'failed']
const CODES = { unknown: 1, acked: 2, ambiguous: 3, failed: 4 } as const
const MOST = 2 ** 32
const MOST_PRODUCERS = 2 ** 20
const MOST_OFFSET = 2 ** 36

type Place = Pick<Extract<HistoryEvent, { type: 'log' }>, 'epoch' | 'partition' | 'offset'>

interface Sends {
  readonly id: number
  readonly name: string
  readonly fates: Paged<Uint8Array>
  /** Where each stands in a log: the number of its partition, and the offset. */
  readonly stored: Paged<Float64Array>
}

export class Messages {
  readonly #byName = new Map<string, Sends>()
  readonly #all: Sends[] = []
  readonly #partitions: string[] = []
  readonly #partitionNumbers = new Map<string, number>()

  of(producer: string): Sends {
    let sends = this.#byName.get(producer)
    if (sends === undefined) {
      if (this.#all.length === MOST_PRODUCERS) throw new RangeError(`more than ${MOST_PRODUCERS} producers`)
      sends = { id: this.#all.length, name: producer, fates: pagedBytes(), stored: pagedNumbers() }
      this.#byName.set(producer, sends)
      this.#all.push(sends)
    }
    return sends
  }

  sent(producer: string, n: number): void {
    const { fates } = this.of(producer)
    if (fates.get(checked(n)) === 0) fates.set(n, CODES.unknown)
  }

  settled(producer: string, n: number, fate: 'acked' | 'ambiguous' | 'failed'): void {
    this.of(producer).fates.set(checked(n), CODES[fate])
  }

  /** F2 */
  reference(producer: string, n: number): number {
    return this.of(producer).id * MOST + checked(n) + 1
  }

  nameOf(reference: number): string {
    const n = (reference - 1) % MOST
    return `${this.#all[(reference - 1 - n) / MOST]!.name}#${n}`
  }

  /** Remembers a place in a log. @returns another one where the message stands too */
  stored(event: Place & { readonly producer: string; readonly n: number }): string | undefined {
    const { stored } = this.of(event.producer)
    const place = this.#partition(event) * MOST_OFFSET + offsetOf(event) + 1
    const before = stored.get(event.n)
    stored.set(event.n, place)
    if (before === 0 || before === place) return undefined
    const offset = (before - 1) % MOST_OFFSET
    return `epoch/partition ${this.#partitions[(before - 1 - offset) / MOST_OFFSET]} offset ${offset}`
  }

  /** Acknowledged, and in no log. */
  *notStored(): Generator<string> {
    for (const { name, fates, stored } of this.#all) {
      for (const [n, fate] of fates.entries()) if (fate === CODES.acked && stored.get(n) === 0) yield `${name}#${n}`
    }
  }

  *storedGhosts(): Generator<{ name: string; how: string }> {
    for (const sends of this.#all) {
      for (const [n] of sends.stored.entries()) {
        const how = ghostly(sends, n)
        if (how !== undefined) yield { name: `${sends.name}#${n}`, how }
      }
    }
  }

  /**
   * Compares with what a group handled.
   * @param handled by the number of the producer
   */
  compare(
    handled: readonly (Paged<Uint8Array> | undefined)[],
    found: { lost(name: string): void; ghost(name: string, how: string): void },
  ): void {
    for (const sends of this.#all) {
      const seen = handled[sends.id]
      for (const [n, fate] of sends.fates.entries()) {
        if (fate === CODES.acked && (seen === undefined || seen.get(n) === 0)) found.lost(`${sends.name}#${n}`)
      }
      if (seen === undefined) continue
      for (const [n] of seen.entries()) {
        const how = ghostly(sends, n)
        if (how !== undefined) found.ghost(`${sends.name}#${n}`, how)
      }
    }
  }

  counts(): { sent: number; acked: number; failed: number } {
    const byFate = [0, 0, 0, 0, 0]
    for (const { fates } of this.#all) for (const [, fate] of fates.entries()) byFate[fate]! += 1
    const of = (fate: Fate): number => byFate[FATES.indexOf(fate)]!
    const [acked, failed] = [of('acked'), of('failed') + of('ambiguous')]
    return { sent: of('unknown') + acked + failed, acked, failed }
  }

  #partition({ epoch, partition }: Place): number {
    const name = `${epoch}/${partition}`
    let number = this.#partitionNumbers.get(name)
    if (number === undefined) {
      number = this.#partitions.push(name) - 1
      this.#partitionNumbers.set(name, number)
    }
    return number
  }
}

export const placeText = ({ epoch, partition, offset }: Place): string =>
  `epoch ${epoch} partition ${partition} offset ${offset}`

export function offsetOf({ offset }: { readonly offset: number }): number {
  if (offset >= MOST_OFFSET) throw new RangeError(`offset ${offset} is beyond what the checker can hold`)
  return offset
}

/** Why nobody may have seen the message; undefined when somebody may. */
function ghostly({ fates }: Sends, n: number): string | undefined {
  const fate = FATES[fates.get(n)]
  if (fate === 'none') return 'was never sent'
  return fate === 'failed' ? 'was reported as not stored' : undefined
}

function checked(n: number): number {
  if (n >= MOST - 1) throw new RangeError(`message number ${n} is beyond what the checker can hold`)
  return n
}
