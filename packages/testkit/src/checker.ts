/**
 * The checker: judges a history and knows nothing of the system that made it.
 *
 * K1 lost: an acknowledged message that a group never handled. When the history holds an audit of the logs, a message that is
 *    not even there is counted as `ackedNotStored` too: lost before Kafka had it, not after.
 * K2 ghost: a handled or stored message that nobody sent, or whose send definitely failed.
 * K3 duplicated: handled more than once by one group, or stored at more than one place.
 * K4 reordered: of one key and producer, a first handling whose `n` is not above the one before.
 * K5 inconsistent offsets: one (epoch, partition, offset) that names two messages.
 * K6 seal: a record at or past the end offset of a sealed partition.
 * K7 gate: a key handled in a later epoch before a record, by the same group, of the older partition that key lived in.
 * K8 early commit: a group's commit past a record that the group had not handled by then.
 * K9. It takes events one by one and keeps a few bytes for each message, so that histories of many millions can be judged.
 *
 * Events may come in any order across processes: `checkHistory` sorts them by `tUs` first, `Checker` is given them so.
 */
import { GroupHistory } from './group-history.ts'
import type { HistoryEvent } from './history.ts'
import { Messages, offsetOf, placeText } from './messages.ts'
import { pagedNumbers } from './paged.ts'
import type { Report, Violation } from './violation.ts'

export interface Verdict {
  readonly ok: boolean
  readonly sent: number
  readonly acked: number
  readonly failedSends: number
  /** Acknowledged sends and failed ones still ambiguous do not count as lost. */
  readonly counts: Readonly<Record<Violation['rule'], number>>
  readonly handledByGroup: Readonly<Record<string, number>>
  /** The first hundred of them; `counts` has all. */
  readonly violations: readonly Violation[]
}

const RULES = [
  'lost',
  'acked-not-stored',
  'ghost',
  'duplicated',
  'reordered',
  'inconsistent-offset',
  'seal',
  'gate',
  'early-commit',
] as const
const KEPT_VIOLATIONS = 100

/** @param groups groups that must have handled everything; default: every group that handled something. */
export function checkHistory(events: readonly HistoryEvent[], groups: readonly string[] = []): Verdict {
  const checker = new Checker(groups)
  for (const event of events.toSorted((a, b) => a.tUs - b.tUs)) checker.add(event)
  return checker.verdict()
}

/** Judges events as they come, in the order of their `tUs` (K9). */
export class Checker {
  readonly #counts = Object.fromEntries(RULES.map((rule) => [rule, 0])) as Record<Violation['rule'], number>
  readonly #violations: Violation[] = []
  readonly #messages = new Messages()
  readonly #groups = new Map<string, GroupHistory>()
  /** The message at each offset that was seen, by epoch and partition. */
  readonly #places = new Map<string, ReturnType<typeof pagedNumbers>>()
  /** Offsets in logs at which each partition was found sealed, and where records stand in logs. */
  readonly #ends = new Map<string, number>()
  readonly #inLogs: { place: string; offset: number; name: string }[] = []
  readonly #highest = new Map<string, number>()
  #lastUs = Number.NEGATIVE_INFINITY
  #audited = false

  constructor(groups: readonly string[] = []) {
    for (const group of groups) this.#group(group)
  }

  add(event: HistoryEvent): void {
    if (event.tUs < this.#lastUs)
      throw new RangeError(`an event of ${event.tUs} us came after one of ${this.#lastUs} us`)
    this.#lastUs = event.tUs
    switch (event.type) {
      case 'send':
        this.#messages.sent(event.producer, event.n)
        return
      case 'ack':
        this.#messages.settled(event.producer, event.n, 'acked')
        return
      case 'nack':
        this.#messages.settled(event.producer, event.n, event.ambiguous ? 'ambiguous' : 'failed')
        return
      case 'handle':
        this.#stand(event)
        this.#group(event.group).handled(event, this.#messages.of(event.producer).id)
        return
      case 'commit':
        this.#group(event.group).committed(event)
        return
      case 'seal':
        this.#ends.set(`${event.epoch}/${event.partition}`, event.offset)
        return
      case 'log':
        this.#logged(event)
    }
  }

  verdict(): Verdict {
    this.#checkSeals()
    const messages = this.#messages
    if (this.#audited) {
      for (const name of messages.notStored()) {
        this.#report('acked-not-stored', `${name} was acknowledged and is in no log`)
      }
      for (const { name, how } of messages.storedGhosts()) this.#report('ghost', `${name}, stored, ${how}`)
    }
    for (const group of this.#groups.values()) group.end(messages)
    const { sent, acked, failed } = messages.counts()
    const handled = [...this.#groups].filter(([, group]) => group.handledCount > 0)
    return {
      ok: this.#violations.length === 0,
      sent,
      acked,
      failedSends: failed,
      counts: { ...this.#counts },
      handledByGroup: Object.fromEntries(handled.map(([name, group]) => [name, group.handledCount])),
      violations: [...this.#violations],
    }
  }

  readonly #report: Report = (rule, detail) => {
    this.#counts[rule] += 1
    if (this.#violations.length < KEPT_VIOLATIONS) this.#violations.push({ rule, detail })
  }

  #group(name: string): GroupHistory {
    let group = this.#groups.get(name)
    if (group === undefined) {
      group = new GroupHistory(name, this.#report)
      this.#groups.set(name, group)
    }
    return group
  }

  /** K5 */
  #stand(event: Extract<HistoryEvent, { type: 'handle' | 'log' }>): void {
    const partition = `${event.epoch}/${event.partition}`
    let places = this.#places.get(partition)
    if (places === undefined) {
      places = pagedNumbers()
      this.#places.set(partition, places)
    }
    const offset = offsetOf(event)
    const message = this.#messages.reference(event.producer, event.n)
    const other = places.get(offset)
    if (other !== 0 && other !== message) {
      const names = `${this.#messages.nameOf(other)} and ${event.producer}#${event.n}`
      this.#report('inconsistent-offset', `${placeText(event)} is both ${names}`)
    }
    places.set(offset, message)
  }

  #logged(event: Extract<HistoryEvent, { type: 'log' }>): void {
    this.#audited = true
    this.#stand(event)
    const elsewhere = this.#messages.stored(event)
    const name = `${event.producer}#${event.n}`
    if (elsewhere !== undefined) {
      this.#report('duplicated', `${name} is stored at ${elsewhere} and at ${placeText(event)}`)
    }
    const place = `${event.epoch}/${event.partition}`
    const { offset } = event
    const end = this.#ends.get(place)
    if (end === undefined) {
      // The seal may be told later in the history than the audit.
      if (offset >= (this.#highest.get(place) ?? -1)) this.#highest.set(place, offset)
      return
    }
    if (offset >= end) this.#inLogs.push({ place, offset, name })
  }

  /** K6 */
  #checkSeals(): void {
    for (const { place, offset, name } of this.#inLogs) {
      const end = this.#ends.get(place)!
      if (offset >= end)
        this.#report('seal', `${name} stands at epoch/partition ${place} offset ${offset}, sealed at ${end}`)
    }
    for (const [place, offset] of this.#highest) {
      const end = this.#ends.get(place)
      if (end !== undefined && offset >= end) {
        this.#report('seal', `a record stands at epoch/partition ${place} offset ${offset}, sealed at ${end}`)
      }
    }
  }
}
